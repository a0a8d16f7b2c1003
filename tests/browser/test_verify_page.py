"""A HIT as a person does it, in a real browser."""

from __future__ import annotations

from statistics import median

import pytest
from playwright.sync_api import expect

from annotation_site.people.models import Membership, Standing
from annotation_site.verification.models import Assignment, Judgment
from tests.browser.verifying import answers, begin, hit, place, press, resume, saved, then
from tests.scene_campaigns import Campaign, scene_campaign

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    return scene_campaign(tmp_path)


def test_a_hit_is_done_by_keys_alone(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    said = (["yes", "no", "unsure"] * len(keys))[: len(keys)]
    for says in said:
        press(page, {"yes": "y", "no": "n", "unsure": " "}[says])
    expect(page.get_by_role("heading", name="outlines judged")).to_be_visible()
    with page.expect_navigation():
        page.get_by_role("button", name="Next page").click()
    resume(page)
    assert answers(keys) == said
    assert Assignment.objects.order_by("pk").first().finished_at is not None
    assert all(0 < judgment.elapsed_ms < 60_000 for judgment in Judgment.objects.all())


def test_arrow_keys_answer_too(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown"):
        press(page, key)
    saved(page)
    assert answers(keys)[:3] == ["yes", "no", "unsure"]


def test_answers_are_given_by_buttons(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    for name in ("Yes", "No", "Can’t tell"):
        then(page, page.get_by_role("button", name=name).click)
    saved(page)
    assert answers(keys)[:3] == ["yes", "no", "unsure"]


def test_the_space_bar_works_a_button_that_was_reached_by_tab(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    page.get_by_role("button", name="Yes").focus()
    press(page, " ")
    saved(page)
    assert answers(keys)[0] == "yes"


def test_undo_goes_back_and_the_new_answer_stands(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    press(page, "y")
    press(page, "y")
    press(page, "u")
    assert place(page) == 1
    press(page, "Backspace")
    assert place(page) == 0
    press(page, "n")
    saved(page)
    assert answers(keys)[:2] == ["no", None]
    assert place(page) == 1


def test_a_double_click_answers_once(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    then(page, page.get_by_role("button", name="Yes").dblclick)
    saved(page)
    assert answers(keys)[:2] == ["yes", None]
    assert place(page) == 1


def test_a_key_held_down_answers_once(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    page.keyboard.down("y")
    then(page, lambda: page.keyboard.down("y"))
    resume(page)
    page.keyboard.down("y")
    page.keyboard.up("y")
    saved(page)
    assert answers(keys)[:2] == ["yes", None]


def test_a_stopped_worker_is_told(contexts, campaign):
    page = contexts.open()
    begin(page, campaign.member)
    Membership.objects.update(standing=Standing.STOPPED)
    contexts.expected = ("403",)
    page.keyboard.press("y")
    expect(page.get_by_role("heading", name="Your work here has ended")).to_be_visible()
    assert not Judgment.objects.exists()


def test_the_outline_can_be_hidden_and_filled_while_a_key_is_held(contexts, campaign):
    page = contexts.open()
    begin(page, campaign.member)
    line = page.locator(".is-current .outline-line")
    filling = page.locator(".is-current .outline-fill")
    assert filling.evaluate("e => getComputedStyle(e).visibility") == "hidden"
    page.keyboard.down("f")
    assert filling.evaluate("e => getComputedStyle(e).visibility") == "visible"
    page.keyboard.up("f")
    page.keyboard.down("o")
    assert line.evaluate("e => getComputedStyle(e).visibility") == "hidden"
    page.keyboard.up("o")
    assert line.evaluate("e => getComputedStyle(e).visibility") == "visible"


def test_the_whole_photo_is_shown_while_a_key_is_held(contexts, campaign):
    page = contexts.open()
    begin(page, campaign.member)
    item = hit(page)["items"][0]
    photo = page.locator(".is-current img")
    page.keyboard.down("z")
    expect(photo).to_have_attribute("src", item["whole"])
    assert page.locator(".is-current svg").get_attribute("viewBox") == "0 0 {} {}".format(*item["image"])
    page.keyboard.up("z")
    expect(photo).to_have_attribute("src", item["crop"])
    assert page.locator(".is-current svg").get_attribute("viewBox") == " ".join(map(str, item["box"]))


def test_the_space_bar_answers_after_a_click_on_a_view(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    for name in ("Hide", "Fill", "Whole photo"):
        page.get_by_role("button", name=name).click()
        press(page, " ")
    saved(page)
    assert answers(keys)[:3] == ["unsure"] * 3


def test_a_view_that_is_switched_on_stays_for_the_next_mask(contexts, campaign):
    page = contexts.open()
    begin(page, campaign.member)
    page.get_by_role("button", name="Fill").click()
    press(page, "y")
    filling = page.locator(".is-current .outline-fill")
    assert filling.evaluate("e => getComputedStyle(e).visibility") == "visible"


def test_the_outline_lies_over_the_photo_at_any_size(contexts, campaign):
    for size in ("desktop", "phone"):
        page = contexts.open(size)
        begin(page, campaign.member) if size == "desktop" else page.goto(
            f"/w/{campaign.member.secret}/verify/"
        )
        resume(page)
        boxes = [page.locator(f".is-current {part}").bounding_box() for part in ("img", "svg")]
        assert boxes[0] == boxes[1]
        width, height = hit(page)["items"][place(page)]["size"]
        assert boxes[0]["width"] / boxes[0]["height"] == pytest.approx(width / height, rel=0.01)


def test_single_keys_can_be_switched_off(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    page.keyboard.press("?")
    page.get_by_label("Answer by single keys").uncheck()
    page.keyboard.press("y")
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("y")
    then(page, page.get_by_role("button", name="No").click)
    saved(page)
    assert answers(keys)[:2] == ["no", None]


def test_a_photo_that_does_not_load_can_be_passed_over(contexts, campaign):
    page = contexts.open()
    page.route("**/crops/*.jpg", lambda route: route.abort())
    page.goto(f"/w/{campaign.member.secret}/")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("This photo did not load")).to_be_visible()
    page.unroute("**/crops/*.jpg")
    keys = resume(page)
    page.keyboard.press("y")
    then(page, lambda: page.keyboard.press(" "))
    saved(page)
    assert answers(keys)[0] == "unsure"


def test_a_photo_that_fails_is_told_its_own_time(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    page.route("**/crops/*.jpg", lambda route: route.abort())
    page.reload()
    expect(page.locator("#stage")).to_have_attribute("data-state", "failed")
    resume(page)
    page.evaluate("performance.now = (now => () => now() + 60_000)(performance.now.bind(performance))")
    then(page, lambda: page.keyboard.press(" "))
    resume(page)
    then(page, lambda: page.keyboard.press(" "))
    saved(page)
    first, second = Judgment.objects.order_by("pk").values_list("elapsed_ms", flat=True)
    assert answers(keys)[:2] == ["unsure"] * 2
    assert first >= 60_000 > second


def test_photos_are_loaded_again_when_the_network_is_back(contexts, campaign):
    page = contexts.open()
    page.route("**/crops/*.jpg", lambda route: route.abort())
    page.goto(f"/w/{campaign.member.secret}/")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#stage")).to_have_attribute("data-state", "failed")
    page.unroute("**/crops/*.jpg")
    page.context.set_offline(True)
    page.context.set_offline(False)
    expect(page.locator("#stage")).to_have_attribute("data-state", "ready")
    resume(page)
    assert place(page) == 0


def test_hasty_answers_are_warned_about(contexts, campaign):
    page = contexts.open()
    begin(page, campaign.member)
    for _ in range(8):
        press(page, "y")
    expect(page.get_by_text("That was quick!")).to_be_visible()


def test_progress_is_told_to_screen_readers(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    press(page, "y")
    category = hit(page)["items"][1]["category"]
    expect(page.locator("#announce")).to_have_text(f"2 of {len(keys)}: {category}")
    expect(page.get_by_role("progressbar", name="Answered")).to_have_attribute("value", "1")
    expect(page.locator(".is-current img")).to_have_attribute(
        "alt", f"Photo with the outline of a supposed {category}"
    )


class TestOnAPhone:
    def test_a_hit_is_done_by_taps_and_swipes(self, contexts, campaign):
        page = contexts.open("phone")
        keys = begin(page, campaign.member)
        then(page, page.get_by_role("button", name="Yes").tap)
        for way in ((150, 0), (-150, 0), (0, -150)):
            then(page, lambda way=way: swipe(page, *way))
        saved(page)
        assert answers(keys)[:4] == ["yes", "yes", "no", "unsure"]

    def test_swiping_down_undoes(self, contexts, campaign):
        page = contexts.open("phone")
        keys = begin(page, campaign.member)
        then(page, lambda: swipe(page, 150, 0))
        then(page, lambda: swipe(page, 0, 150))
        saved(page)
        assert (place(page), answers(keys)[:1]) == (0, [None])
        swipe(page, 0, 150)  # There is nothing more to undo.
        then(page, lambda: swipe(page, -150, 0))
        saved(page)
        assert (place(page), answers(keys)[:1]) == (1, ["no"])

    def test_a_short_swipe_says_nothing(self, contexts, campaign):
        page = contexts.open("phone")
        begin(page, campaign.member)
        swipe(page, 40, 0)
        saved(page)
        assert place(page) == 0

    def test_holding_the_photo_shows_it_bare(self, contexts, campaign):
        page = contexts.open("phone")
        begin(page, campaign.member)
        x, y = middle(page)
        page.mouse.move(x, y)
        page.mouse.down()
        expect(page.locator("#stage")).to_have_class("stage is-bare")
        page.mouse.up()
        expect(page.locator("#stage")).to_have_class("stage")
        assert place(page) == 0

    @pytest.mark.parametrize("size", [(320, 568), (360, 740), (740, 360), (1024, 768), (3840, 2160)])
    def test_everything_fits_the_window(self, contexts, campaign, size):
        page = contexts.open()
        begin(page, campaign.member)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        for name in ("Yes", "No", "Can’t tell", "Undo", "Help and keys"):
            box = page.get_by_role("button", name=name, exact=False).first.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size[0]
            assert box["y"] + box["height"] <= size[1]
            assert min(box["width"], box["height"]) >= 24
        photo = page.locator(".is-current").bounding_box()
        assert min(photo["width"], photo["height"]) >= 0.35 * min(size)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def middle(page) -> tuple[float, float]:
    box = page.locator("#stage").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def swipe(page, dx: float, dy: float) -> None:
    """A finger drawn over the photo."""
    x, y = middle(page)
    finger = page.context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for share in (0.3, 0.7, 1.0):
        point = {"x": x + dx * share, "y": y + dy * share}
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_the_next_mask_is_there_at_once(contexts, tmp_path, capsys):
    campaign = scene_campaign(tmp_path, scenes=12, hit_size=40, side=512, n_s=20)
    page = contexts.open()
    keys = begin(page, campaign.member)
    for _ in keys:
        press(page, "y")
    taken = page.evaluate("performance.getEntriesByName('maskgrove:next-mask').map(entry => entry.duration)")
    assert len(taken) == len(keys) - 1
    taken.sort()
    with capsys.disabled():
        print(
            f"\nkey to painted next mask over {len(taken)} answers: median {median(taken):.0f} ms,"
            f" p95 {taken[int(0.95 * len(taken))]:.0f} ms, longest {taken[-1]:.0f} ms"
        )
