"""Answers on their way from a browser: kept, sent in order, and none lost, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from annotation_site.verification import tokens
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Judgment
from tests.browser.verifying import answers, begin, eventually, place, press, resume, saved, then
from tests.scene_campaigns import Campaign, scene_campaign

pytestmark = pytest.mark.django_db(transaction=True)

NEVER_LEFT = """
const add = EventTarget.prototype.addEventListener;
EventTarget.prototype.addEventListener = function (type, ...rest) {
  if (type !== "pagehide" && type !== "visibilitychange") add.call(this, type, ...rest);
};
"""
"""As where the system ends a tab: no page hears of it."""
HOLD_FOR_EVER = (
    "setTimeout = ((later) => (act, ms, ...rest) => ms === 6000 ? 0 : later(act, ms, ...rest))(setTimeout);"
)
"""No moment ends in which the last answer can be undone."""


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    return scene_campaign(tmp_path)


def test_the_last_answer_can_be_undone_for_a_moment(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    for _ in keys:
        press(page, "y")
    then(page, page.get_by_role("button", name="Undo the last one").click)
    assert place(page) == len(keys) - 1
    press(page, "n")
    with page.expect_navigation():
        page.get_by_role("button", name="Next page").click()
    resume(page)
    assert answers(keys) == ["yes"] * (len(keys) - 1) + ["no"]


def test_leaving_after_the_last_answer_hands_it_in(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    for _ in keys:
        press(page, "y")
    page.get_by_role("link", name="Enough for now").click()
    eventually(page, lambda: answers(keys) == ["yes"] * len(keys))
    expect(page.get_by_role("heading", name="Does the outline fit")).to_be_visible()


def test_answers_given_offline_are_kept_and_sent_in_order(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    page.context.set_offline(True)
    for key in "yny":
        press(page, key)
    expect(page.locator("#saved-text")).to_have_text("Offline · 3 kept")
    assert not Judgment.objects.exists()
    page.context.set_offline(False)
    saved(page)
    assert answers(keys)[:3] == ["yes", "no", "yes"]
    assert list(Judgment.objects.order_by("at").values_list("says", flat=True)) == ["yes", "no", "yes"]


def test_a_tab_closed_offline_loses_nothing(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    page.context.set_offline(True)
    for key in "ny":
        press(page, key)
    page.close()
    contexts.opened[0].set_offline(False)
    page = contexts.another(contexts.opened[0])
    page.goto(f"/w/{campaign.member.secret}/")
    eventually(page, lambda: answers(keys)[:2] == ["no", "yes"])


def test_the_server_failing_for_a_while_loses_nothing(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    failures = iter([503, 429, 500])

    def stumble(route):
        status = next(failures, None)
        route.fulfill(status=status, body="") if status else route.continue_()

    page.route("**/api/items/**", stumble)
    contexts.expected = ("503", "429", "500")
    press(page, "y")
    press(page, "n")
    saved(page)
    assert answers(keys)[:2] == ["yes", "no"]


def test_an_answer_given_while_the_lock_of_the_one_before_goes_back_is_sent(contexts, campaign):
    page = contexts.open()
    page.add_init_script(
        "const request = navigator.locks?.request.bind(navigator.locks);"
        "if (request) navigator.locks.request = async (name, send) => {"
        "  await request(name, send);"
        "  await new Promise((resolve) => { window.giveBack = resolve; });"
        "};"
    )
    keys = begin(page, campaign.member)
    press(page, "y")
    eventually(page, lambda: answers(keys)[0] == "yes")
    press(page, "n")
    eventually(page, lambda: answers(keys)[1] == "no")


def test_a_login_page_of_the_network_in_between_takes_no_answer(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    page.route("**/api/items/**", lambda route: route.fulfill(status=200, body="<h1>Sign in</h1>"), times=1)
    press(page, "y")
    eventually(page, lambda: answers(keys)[0] == "yes")
    saved(page)


def test_returning_resumes_where_the_worker_was(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    for key in "yny":
        press(page, key)
    saved(page)
    page.reload()
    assert resume(page) == keys
    assert place(page) == 3
    expect(page.locator("#count")).to_have_text("4")
    press(page, "u")
    assert place(page) == 2


def test_two_tabs_follow_each_other(contexts, campaign):
    first = contexts.open()
    keys = begin(first, campaign.member)
    second = contexts.another(first.context)
    second.goto(f"/w/{campaign.member.secret}/verify/")
    assert resume(second) == keys
    then(second, lambda: press(first, "n"))
    assert place(second) == 1
    press(second, "y")
    saved(first)
    saved(second)
    assert answers(keys)[:3] == ["no", "yes", None]
    assert Judgment.objects.count() == 2


def test_a_page_that_was_left_too_long_says_so_and_keeps_the_answer(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    sweep(at=timezone.now() + timedelta(days=1))
    page.keyboard.press("y")
    expect(page.get_by_role("heading", name="These questions have moved on")).to_be_visible()
    with page.expect_navigation():
        page.get_by_role("button", name="Get fresh questions").click()
    resume(page)
    assert answers(keys)[0] == "yes"


def test_the_last_answer_is_sent_when_the_page_is_hidden_and_cannot_be_undone_then(contexts, campaign):
    page = contexts.open()
    page.add_init_script(HOLD_FOR_EVER)
    keys = begin(page, campaign.member)
    for _ in keys:
        press(page, "y")
    expect(page.get_by_role("button", name="Undo the last one")).to_be_visible()
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', { value: 'hidden' });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    eventually(page, lambda: answers(keys) == ["yes"] * len(keys))
    expect(page.get_by_role("button", name="Undo the last one")).to_be_hidden()
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="outlines judged")).to_be_visible()


def test_the_last_answer_of_a_tab_that_was_killed_is_sent_by_the_landing_page(contexts, campaign):
    page = contexts.open()
    page.add_init_script(HOLD_FOR_EVER)
    page.add_init_script(NEVER_LEFT)
    keys = begin(page, campaign.member)
    for _ in keys:
        press(page, "y")
    page.close()
    assert answers(keys)[-1] is None
    page = contexts.another(contexts.opened[0])
    page.goto(f"/w/{campaign.member.secret}/")
    eventually(page, lambda: answers(keys) == ["yes"] * len(keys))


def test_an_answer_that_is_held_keeps_no_other_tab_waiting(contexts, campaign, tmp_path):
    other = contexts.open()
    others = begin(other, scene_campaign(tmp_path, seed=1).member)
    page = contexts.another(other.context)
    page.add_init_script(HOLD_FOR_EVER)
    page.add_init_script(NEVER_LEFT)
    keys = begin(page, campaign.member)
    for _ in keys:
        press(page, "y")
    press(other, "n")
    eventually(other, lambda: answers(others)[0] == "no")
    assert answers(keys)[-1] is None


def left_behind(contexts, campaign, *, answering: str) -> tuple[Any, Any]:
    """A browser that keeps answers to a page that is over, without network; and its page."""
    page = contexts.open()
    begin(page, campaign.member)
    page.context.set_offline(True)
    for key in answering:
        press(page, key)
    page.close()
    sweep(at=timezone.now() + timedelta(hours=1))
    context = contexts.opened[0]
    return context, contexts.another(context)


def test_an_answer_that_came_too_late_to_be_saved_is_told(contexts, campaign, monkeypatch):
    context, page = left_behind(contexts, campaign, answering="y")
    context.route("**/js/landing.js", lambda route: route.abort())  # Which would send it first.
    context.set_offline(False)
    contexts.expected = ("401", "ERR_FAILED")
    page.goto(f"/w/{campaign.member.secret}/")
    monkeypatch.setattr(tokens, "LIFETIME", timedelta(seconds=-1))
    page.locator("form button.is-primary").first.click()
    expect(page.get_by_text("Answers of yours that came too late to be saved")).to_be_visible()


def test_the_landing_page_tells_which_answers_could_not_be_taken_and_why(contexts, campaign, monkeypatch):
    context, page = left_behind(contexts, campaign, answering="yn")
    context.set_offline(False)
    contexts.expected = ("401",)
    monkeypatch.setattr(tokens, "LIFETIME", timedelta(days=-1))
    page.goto(f"/w/{campaign.member.secret}/")
    told = page.locator("#not-taken p")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("days after their page was opened: 2.")
    assert not Judgment.objects.exists()


def test_it_tells_an_undo_and_a_page_that_is_gone_apart(contexts, campaign):
    context, page = left_behind(contexts, campaign, answering="yn")
    context.set_offline(False)
    contexts.expected = ("404", "409")

    def refuse(route):
        gone = "answer" in route.request.url
        kind, status = ("unknown-item", 404) if gone else ("undo-too-late", 409)
        route.fulfill(status=status, json={"type": kind})

    context.add_init_script(
        """if (location.pathname.startsWith("/w/")) {
          const kept = JSON.parse(localStorage.getItem("maskgrove:outbox") ?? "[]");
          if (kept.length === 2) kept.push({ ...kept[0], id: "undo", verb: "undo", body: {} });
          localStorage.setItem("maskgrove:outbox", JSON.stringify(kept));
        }"""
    )
    context.route("**/api/items/**", refuse)
    page.goto(f"/w/{campaign.member.secret}/")
    told = page.locator("#not-taken p")
    expect(told).to_have_text(
        [
            "Answers of yours that could not be saved, as their page of work is not there any more: 2.",
            "Answers of yours that were taken back too late, and stand as you gave them: 1.",
        ]
    )


def test_what_a_portal_on_the_way_refuses_is_kept_and_sent_again(contexts, campaign):
    page = contexts.open()
    contexts.expected = ("403",)
    page.route(
        "**/api/items/**",
        lambda route: route.fulfill(status=403, content_type="text/html", body="<h1>Log in first</h1>"),
        times=1,
    )
    keys = begin(page, campaign.member)
    press(page, "y")
    eventually(page, lambda: answers(keys)[0] == "yes")


def test_a_lost_reply_to_the_last_answer_leaves_the_page_done(contexts, campaign):
    page = contexts.open()
    keys = begin(page, campaign.member)
    for _ in keys[:-1]:
        press(page, "y")
    saved(page)
    replies = []

    def lose(route):
        replies.append(route.fetch().json())
        route.abort()

    def read(route):
        reply = route.fetch()
        replies.append(reply.json())
        route.fulfill(response=reply)

    page.route("**/api/items/**", read)
    page.route("**/api/items/**", lose, times=1)
    press(page, "y")
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    saved(page)
    eventually(page, lambda: len(replies) == 2)
    assert [reply["remaining"] for reply in replies] == [0, 0]
    assert answers(keys) == ["yes"] * len(keys)
    expect(page.locator("#verify")).to_have_attribute("data-state", "done")
    expect(page.get_by_role("heading", name="outlines judged")).to_be_visible()
