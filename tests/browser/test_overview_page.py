"""The overview of a project in a real browser: live, by keys, on a phone, with the numbers behind charts."""

from __future__ import annotations

import csv
import io
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation_site import enqueue
from annotation_site.catalog.models import StageRun
from annotation_site.preparing.estimates import ask_for_estimate, make_estimate
from annotation_site.results.models import ExportFile
from tests.browser.axe import RULES
from tests.site.campaigns import Clock, Person, add_gold, opened
from tests.site.test_forecasting import calibrated

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def person(settings, monkeypatch) -> Person:
    """Somebody who has answered a HIT of a campaign with a forecast; every look counts anew."""
    settings.OVERVIEW_SECONDS = 0
    monkeypatch.setattr(enqueue, "served_queues", lambda: frozenset({"gpu", "cpu", "io"}))
    project = calibrated(gold_share=0.2)
    add_gold(project, 8)
    make_estimate(ask_for_estimate(project))
    someone = Person.of(opened(project), clock=Clock(timezone.now()))
    someone.work()
    return someone


def address(person: Person) -> str:
    return f"/projects/{person.member.project.slug}/"


def stat(page: Page, name: str):
    return page.locator("#bought .stat", has=page.get_by_text(name, exact=True)).locator("dd").first


@pytest.mark.parametrize(
    ("size", "scheme"), [("desktop", "light"), ("phone", "dark")], ids=["desk by day", "phone by night"]
)
def test_axe_finds_nothing_and_nothing_reaches_over_the_edge(signed_in, person, size, scheme):
    page = signed_in(size, color_scheme=scheme, reduced_motion="reduce")
    StageRun.objects.create(
        round=person.member.project.rounds.get(), stage="train", state="failed", error="Gone."
    )
    told = []
    for where in ("", "launch/", "report/"):
        page.goto(address(person) + where)
        page.wait_for_load_state("networkidle")
        for summary in page.locator(".numbers:not([hidden]) summary").all():
            summary.click()
        page.evaluate("scrollTo(0, 0)")  # Nothing is half under the header, where it would be too small.
        found = Axe().run(page, options=RULES).response["violations"]
        told += [(where, one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found]
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        told += [(where, "too wide", over)] if over > 0 else []
    assert told == []


def test_it_follows_the_answers_without_a_reload_and_leaves_the_charts_where_they_are(signed_in, person):
    page = signed_in()
    page.goto(address(person))
    expect(stat(page, "Answers")).to_have_text("10")
    page.evaluate("document.getElementById('curve').dataset.kept = 'yes'")
    page.locator("#curve summary").click()
    person.work()
    expect(stat(page, "Answers")).to_have_text("20")
    table = page.locator("#curve tbody")
    expect(table.get_by_role("rowheader", name="20", exact=True).first).to_be_visible()
    expect(page.locator("#curve[data-kept]")).to_have_count(1)


def test_the_axis_turns_by_keys_and_the_pointer_tells_the_values(signed_in, person):
    page = signed_in()
    page.goto(address(person))
    told = page.locator("#curve .chart-tip")
    page.locator("#curve .u-over").hover()
    expect(told).to_contain_text("Questions: ")
    expect(told).to_contain_text("Drawn by hand in the same time")
    page.get_by_role("button", name="Human time").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Human time")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="Questions")).to_have_attribute("aria-pressed", "false")
    page.mouse.move(0, 0)
    page.locator("#curve .u-over").hover()
    expect(told).to_contain_text("Minutes: ")


def test_times_are_in_the_language_and_the_zone_of_the_page(signed_in, person):
    page = signed_in(locale="en-US", timezone_id="America/New_York")
    page.goto(address(person))
    page.locator("#progress summary").first.click()
    hour = page.locator('[data-chart="throughput"] .numbers tbody th').first
    now = timezone.now()
    expect(hour).to_have_text(f"{now.day} {now:%b} {now.year}, {now:%H}:00")
    ticks = """async ([lang, step]) => {
        document.documentElement.lang = lang;
        const { ticks } = await import(`/static/js/formats.js?${lang}`);
        return ticks([0, 1, 2].map((i) => 1795564800 + i * step), step);
    }"""
    assert page.evaluate(ticks, ["en", 6 * 3600]) == ["00:00\n25 Nov", "06:00", "12:00"]
    assert page.evaluate(ticks, ["de", 86400]) == ["25. Nov.", "26. Nov.", "27. Nov."]
    assert page.evaluate(ticks, ["en-US", 6 * 3600])[2].replace("\u202f", " ") == "12:00 PM"


@pytest.mark.parametrize("chart", ["The curve", "Throughput", "Gold accuracy", "Categories", "Forecast"])
def test_the_numbers_behind_a_chart_are_a_file(signed_in, person, chart):
    page = signed_in()
    page.goto(address(person))
    page.wait_for_load_state("networkidle")  # The charts are drawn, and move nothing any more.
    with page.expect_download() as told:
        page.get_by_role("link", name=f"{chart} as CSV").click()
    header, *rows = csv.reader(io.StringIO(told.value.path().read_text()))
    assert rows
    assert {len(row) for row in rows} == {len(header)}


def test_an_alarm_says_what_to_do_and_goes_when_it_is_done(signed_in, person):
    run = StageRun.objects.create(
        round=person.member.project.rounds.get(), stage="detect", state="failed", error="No room on the disk."
    )
    page = signed_in("phone")
    page.goto(address(person))
    alarm = page.get_by_role("region", name="Alarms")
    expect(alarm).to_contain_text("No room on the disk.")
    expect(alarm.locator("code")).to_have_text(re.compile("manage.py detect"))
    StageRun.objects.filter(pk=run.pk).update(state="done", error="")
    expect(alarm).to_be_hidden()


def test_focus_stays_on_a_button_while_its_export_goes_on_and_the_button_works(signed_in, person):
    project = person.member.project
    export = ExportFile.objects.create(
        project=project, format="coco", asked_at=timezone.now(), state="running", total=90
    )
    page = signed_in()
    page.goto(f"{address(person)}exports/")
    stop = page.get_by_role("button", name="Stop")
    stop.focus()
    for done in (30, 60):
        ExportFile.objects.filter(pk=export.pk).update(done=done)
        expect(page.get_by_role("progressbar")).to_have_attribute("value", str(done))
        expect(stop).to_be_focused()
    stop.press("Enter")
    page.wait_for_load_state()
    export.refresh_from_db()
    assert export.stop_requested
    ExportFile.objects.filter(pk=export.pk).update(state="stopped")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Nothing exported yet")).to_be_visible()


def test_the_menu_of_a_phone_opens_closes_and_leads_on(signed_in, person):
    page = signed_in("phone")
    page.goto(address(person))
    button, menu = page.get_by_role("button", name="Menu"), page.get_by_role("navigation", name="Project")
    expect(menu).to_be_hidden()
    button.focus()
    page.keyboard.press("Enter")
    expect(menu.get_by_role("link", name="Overview")).to_have_attribute("aria-current", "page")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    button.click()
    menu.get_by_role("link", name="Trees").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Trees")


def test_every_page_of_the_menu_is_headed_by_its_name(signed_in, person, contexts):
    contexts.expected = ("404",)  # The masks of this project have no photos.
    page = signed_in()
    page.goto(address(person))
    links = page.get_by_role("navigation", name="Project").get_by_role("link").all()
    named = {link.get_attribute("href"): link.inner_text() for link in links}
    for where, name in named.items():
        page.goto(where)
        heading = person.member.project.name if name == "Overview" else name
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        if name != "Overview":
            expect(page.locator(".page-header .eyebrow")).to_have_text(person.member.project.name)


def test_a_desk_has_the_pages_beside_the_page(signed_in, person):
    page = signed_in()
    page.goto(address(person))
    page.get_by_role("navigation", name="Project").get_by_role("link", name="Trees").click()
    current = page.get_by_role("navigation", name="Project").locator("[aria-current=page]")
    expect(current).to_have_text("Trees")
