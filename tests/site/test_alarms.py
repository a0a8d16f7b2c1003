"""What the overview warns of, for as long as it is so."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from annotation_site import enqueue
from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.budget.caps import budget_of, change_budget, set_caps
from annotation_site.budget.terms import Terms
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.stage_rows import rows_of
from annotation_site.dashboards.alarms import Watched, alarms
from annotation_site.dashboards.sharing import compute_due
from annotation_site.marketplaces import reconciling, visits
from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.models import Submission
from annotation_site.marketplaces.providers import PROVIDERS
from annotation_site.marketplaces.seam import Arrival
from annotation_site.results.course import Course, course_of
from annotation_site.results.gold import Stretch
from annotation_site.verification.carrying_on import awaited, want
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.opening import pause_campaign
from pipeline.shares import estimated
from tests.clocks import frozen
from tests.factories import NOON, ProjectFactory, RoundFactory
from tests.site.campaigns import Person, opened, project_with_tree
from tests.site.offers import posting_of, published

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def watched(project: Project, *, at: datetime = NOON, **what: object) -> Watched:
    values = {
        "runs": rows_of(project.rounds.first()), "budget": budget_of(project),
        "course": course_of(project), "open_clusters": 1, "queues": None, **what,
    }  # fmt: skip
    return Watched(project=project, at=at, **values)


def keys(project: Project, **what: object) -> list[str]:
    return [alarm.key for alarm in alarms(watched(project, **what))]


def test_a_project_that_goes_well_alarms_nobody() -> None:
    project = opened(project_with_tree([True] * 64, gold=4))
    Person.of(project).work()
    assert keys(project, queues={"gpu", "cpu", "io"}, at=NOON + timedelta(minutes=10)) == []


def test_what_a_marketplace_does_by_itself_alarms(monkeypatch) -> None:
    market = InMemory()
    monkeypatch.setitem(PROVIDERS, "memory", lambda environment: market)
    listing = published("memory")
    project = listing.project
    for number in (1, 2):
        arrival = Arrival(posting_of(listing).external_id, f"S{number}", "W1", market.site)
        market.hand_in(visits.arrive(listing=listing, arrival=arrival, at=NOON).submission)
    reconciling.reconcile_all(clock=frozen(NOON))
    assert keys(project) == []
    (warned,) = alarms(watched(project, at=NOON + timedelta(days=1, hours=1)))
    assert (warned.key, warned.advice[:26]) == ("undecided", "The marketplace approves 2")
    set_caps(project=project, questions=None, money=Decimal("1.00"))
    for identity in market.states[posting_of(listing).external_id]:
        market.states[posting_of(listing).external_id][identity] = Submission.State.APPROVED
    reconciling.reconcile_all(clock=frozen(NOON))
    assert set(keys(project)) == {"overdrawn", "budget-spent"}


def test_a_budget_alarms_when_it_is_nearly_spent_and_when_it_is() -> None:
    project = opened(project_with_tree([True] * 64))
    set_caps(project=project, questions=1000, money=None)
    reserved = Person.of(project).open().items.count()
    change_budget(project=project, questions=reserved + 1)
    assert keys(project) == ["budget"]
    change_budget(project=project, questions=reserved)
    assert keys(project) == ["budget-spent"]
    change_budget(project=project, questions=None)
    assert keys(project) == []


def test_a_budget_that_pays_places_of_marketplaces_alone_is_spent_by_their_terms() -> None:
    project = opened(project_with_tree([True] * 64, hit_size=5))
    set_caps(project=project, questions=None, money=Decimal(1))
    claim_hit(membership=Person.of(project).member, at=NOON, terms=Terms(per_hit=Decimal("0.60")))
    assert keys(project) == ["budget-spent"]
    change_budget(project=project, money=Decimal(2))
    assert keys(project) == []


def test_silence_alarms_while_there_is_something_to_ask() -> None:
    project = opened(project_with_tree([True] * 64))
    Person.of(project).work()
    assert keys(project, at=NOON + HOUR) == ["silence"]
    assert keys(project, at=NOON + timedelta(minutes=20)) == []
    assert keys(project, at=NOON + HOUR, open_clusters=0) == []
    pause_campaign(project=project)
    assert keys(project, at=NOON + HOUR) == []


def gold(course: Course, *rights: int) -> Course:
    """A course with stretches of 40 gold answers."""
    shares = [estimated(right, 40 - right, size=10**9) for right in rights]
    told = [Stretch(NOON, 40, right, share) for right, share in zip(rights, shares, strict=True) if share]
    return replace(course, gold=told)


@pytest.mark.parametrize(
    ("rights", "expected"),
    [((38, 39, 36), []), ((39, 39, 28), ["gold-falls"]), ((24,), ["gold-low"]), ((24, 24, 24), ["gold-low"])],
)
def test_gold_alarms_when_it_surely_falls_or_is_low(rights: tuple[int, ...], expected: list[str]) -> None:
    project = ProjectFactory()
    assert keys(project, course=gold(course_of(project), *rights)) == expected


def test_a_stage_alarms_when_it_failed_or_nobody_is_at_it() -> None:
    round_ = RoundFactory()
    run = StageRun.objects.create(round=round_, stage="train", state="failed", error="No initial images.")
    (alarm,) = alarms(watched(round_.project))
    assert alarm.key == "failed-train"
    assert "No initial images." in alarm.advice
    assert alarm.command == f"manage.py train {round_.project.slug}"
    assert alarm.page.endswith(f"/{round_.project.slug}/setup/?at=stages#stages")
    StageRun.objects.filter(pk=run.pk).update(state="running", heartbeat_at=NOON)
    assert keys(round_.project) == ["stuck-train"]
    StageRun.objects.filter(pk=run.pk).update(state="done")
    assert keys(round_.project) == []


def test_a_stage_alarms_when_it_gets_no_further_though_its_process_is_alive() -> None:
    round_ = RoundFactory()
    late = NOON + HOUR
    run = StageRun.objects.create(
        round=round_, stage="train", state="running", heartbeat_at=late, moved_at=NOON + timedelta(minutes=20)
    )
    with Claims() as process:
        process.take(Kind.STAGE, run.pk)
        (alarm,) = alarms(watched(round_.project, at=late))
        assert (alarm.key, alarm.title) == ("stuck-train", "Stage “Train” gets no further")
        StageRun.objects.update(message="Waiting for another large tree: 0 of 50,000")
        assert keys(round_.project, at=late) == [], "That one is watched."
        StageRun.objects.update(message="", moved_at=NOON + timedelta(minutes=40))
        assert keys(round_.project, at=late) == []


def test_a_wanted_stage_alarms_when_no_worker_serves_its_queue() -> None:
    round_ = RoundFactory()

    def told(*queues: str) -> list[str]:
        rows = rows_of(round_)
        return keys(round_.project, queues=queues, awaited=awaited(round_, rows), runs=rows)

    assert told("cpu", "io") == []
    want(round_)
    round_.refresh_from_db()
    assert told("cpu", "io") == ["no-worker"]
    assert told("cpu", "gpu", "io") == []
    assert told() == ["no-worker"]
    (alarm,) = alarms(watched(round_.project, queues={"cpu", "io"}, awaited=awaited(round_, rows_of(round_))))
    assert alarm.command == "celery --app workers worker --queues gpu --concurrency 1 --hostname gpu@%h"
    (alarm,) = alarms(watched(round_.project, queues=set()))
    assert "--queues io " in alarm.command, "What is due waits for no long work."
    run = StageRun.objects.create(round=round_, stage="train", state="running", heartbeat_at=NOON)
    with Claims() as process:
        process.take(Kind.STAGE, run.pk)
        assert told("cpu", "io") == []


def test_the_page_says_when_no_worker_is_alive_and_never_waits_to_know(
    admin_client: Client, monkeypatch
) -> None:
    cache.clear()
    project, there = ProjectFactory(), [frozenset()]
    monkeypatch.setattr(enqueue, "served_queues", lambda: there[0])
    live = f"/projects/{project.slug}/live/"

    def warns() -> bool:
        page = admin_client.get(live).content.decode()
        compute_due()
        return "No Celery worker is alive" in page

    assert not warns(), "Nobody has looked yet."
    assert warns()
    there[0] = frozenset({"cpu"})
    cache.delete("maskgrove:queues-served:fresh")
    assert warns(), "What was known is told until the next look."
    assert not warns()


def test_an_alarm_links_to_where_it_is_put_right_for_those_who_may_see_that_page(client: Client) -> None:
    project = opened(project_with_tree([True] * 64))
    set_caps(project=project, questions=Person.of(project).open().items.count(), money=None)
    budget = f'href="/projects/{project.slug}/setup/?at=budget#budget"'
    for access, sees in ((Access.VIEWER, False), (Access.ADMIN, True)):
        cache.clear()
        user = User.objects.create_user(access.value)
        grant(project=project, user=user, access=access)
        client.force_login(user)
        page = client.get(f"/projects/{project.slug}/live/").content.decode()
        assert "The budget is spent" in page
        assert (budget in page) is sees
    assert client.get(f"/projects/{project.slug}/setup/?at=budget").status_code == 200
