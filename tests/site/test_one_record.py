"""What a worker's work amounts to: counted in one way, and told alike wherever it is told."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.budget.caps import set_caps
from annotation_site.catalog.models import Project
from annotation_site.dashboards.workers.charts import gold_chart, pace_chart
from annotation_site.marketplaces.accounts import account_of
from annotation_site.people.models import GoldItem, Membership, Standing, StandingChange, WorkRecord
from annotation_site.people.policies import set_policy
from annotation_site.people.standing import Record, change_standing
from annotation_site.verification import trust
from annotation_site.verification.answering import undo_answer
from annotation_site.verification.gold_answers import GIVEN, IS_RIGHT, RIGHT, gold_answers, is_right
from annotation_site.verification.gold_review import retire_gold
from annotation_site.verification.hits import note_unseen
from annotation_site.verification.keeping import keep_records, keep_those_at_work, kept_record, kept_records
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Decision, Item, Judgment, Says
from annotation_site.verification.trust import reinstate_worker, review_standing, stop_worker
from tests.factories import NOON
from tests.site.api_ground import client_of
from tests.site.campaigns import Person, counted_queries, items, opened, project_with_clusters, truth

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def wrong(item: Item) -> Says:
    return Says.NO if truth(item) == Says.YES else Says.YES


@pytest.fixture
def project(settings) -> Project:
    """One whose proven workers are of one mind about its clusters, and who are paid."""
    settings.OVERVIEW_SECONDS = 0
    made = opened(project_with_clusters([1.0] * 8, size=40, gold=24, hit_size=20, gold_share=0.4))
    set_caps(project=made, questions=None, money=Decimal(100), pay_per_question=Decimal("0.05"))
    set_policy(project=made, least_gold=4, least_shared=1000, least_timed=1000)
    for name in ("Ben", "Cy", "Dot"):
        person = Person.of(made, name)
        for _ in range(2):
            person.work()
        change_standing(membership=person.member, to=Standing.ACTIVE, reason="proven", at=NOON)
    return made


def gold_and_masks(person: Person) -> tuple[list[Item], list[Item]]:
    """The items of a new HIT."""
    held = items(person.open())
    return [one for one in held if one.question.gold_id], [one for one in held if one.question.mask_id]


@pytest.fixture
def ada(project: Project, django_capture_on_commit_callbacks) -> Person:
    """Who did everything that can be done with an answer.

    Of eight gold answers in a HIT one is right after it was undone, one wrong, one "cannot tell", one "cannot
    tell" about a photo that was not there, one retired later; the HIT's lease ran out before its last two
    masks, which were answered late. Of what she said of masks an admin set aside the second half.
    """
    ada = Person.of(project, "Ada")
    gold, masks = gold_and_masks(ada)
    ada.answer(gold[0], wrong(gold[0]))
    undo_answer(item_key=gold[0].key, assignment_id=gold[0].assignment_id, at=ada.clock())
    ada.answer(gold[0])
    ada.answer(gold[1], wrong(gold[1]))
    ada.answer(gold[2], Says.UNSURE)
    note_unseen(gold[3].key, at=ada.clock())
    ada.answer(gold[3], Says.UNSURE)
    for item in (*gold[4:], *masks[:-2]):
        ada.answer(item)
    ada.clock.now += HOUR
    assert sweep(at=ada.clock()) == 1
    with django_capture_on_commit_callbacks(execute=True):
        for item in masks[-2:]:
            assert ada.answer(item).late
        retire_gold(item=gold[4].question.gold, because="blurred", at=ada.clock())
    return ada


@dataclass(frozen=True)
class Told:
    """What somebody is told of a worker; None of what is not told there."""

    answers: int | None = None
    gold: tuple[int, int] | None = None
    agreed: tuple[int, int] | None = None
    seconds: str | None = None
    owed: str | None = None


def cells(page: str, name: str) -> list[str]:
    """What the row of a worker says."""
    rows = re.findall(r"<tr>.*?</tr>", page, re.S)
    row = next(row for row in rows if f">{name}<" in row)
    return [text(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)]


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def share(told: str) -> tuple[int, int]:
    """Of "7 / 9 ≥ 40.0 %"."""
    right, answered = re.match(r"(\d+) / (\d+)", told).groups()
    return int(right), int(answered)


class Surfaces:
    """All places that tell of workers."""

    def __init__(self, project: Project) -> None:
        self.project, self.client = project, Client()
        user = User.objects.create_user("eve")
        grant(project=project, user=user, access=Access.ADMIN)
        self.client.force_login(user)
        self.program = client_of(user)

    def of(self, member: Membership) -> Mapping[str, Told]:
        places = (
            self.workers, self.team, self.overview, self.api_list, self.api, self.worker, self.charts,
            self.files, self.command, self.kept,
        )  # fmt: skip
        return {place.__name__: place(member) for place in places}

    def page(self, rest: str = "") -> str:
        shown = self.client.get(f"/projects/{self.project.slug}/{rest}").content.decode()
        return shown.replace("\N{NO-BREAK SPACE}", " ")

    def json(self, rest: str = "") -> dict:
        return self.program.get(f"/api/v1/projects/{self.project.slug}/workers{rest}").json()

    def workers(self, member: Membership) -> Told:
        _, _, _, answers, seconds, gold, agreed, owed, _ = cells(self.page("workers/"), member.worker.name)
        shared = re.match(r"([\d.]+) % of (\d+)", agreed)
        both = (round(float(shared[1]) * int(shared[2]) / 100), int(shared[2])) if shared else (0, 0)
        return Told(int(answers), share(gold), both, seconds, owed.split(" / ")[0])

    def worker(self, member: Membership) -> Told:
        page = self.page(f"workers/{member.pk}/")
        told = dict(re.findall(r'<div class="stat"><dt>(.*?)</dt><dd>(.*?)</dd>', page))
        right, answered = re.search(r"(\d+) of (\d+), so at least", page).groups()
        shared = re.search(r"of (\d+) answers that can be compared", page)
        n = int(shared[1]) if shared else 0
        agreed = round(float(told["Agrees with others"].removesuffix(" %")) * n / 100) if n else 0
        return Told(
            int(told["Answers"]), (int(right), int(answered)), (agreed, n), told["Seconds per answer"],
            told["Owed"].split()[0],
        )  # fmt: skip

    def team(self, member: Membership) -> Told:
        return Told(answers=int(cells(self.page("team/"), member.worker.name)[3]))

    def overview(self, member: Membership) -> Told:
        _, _, answers, gold, seconds = cells(self.page("live/"), member.worker.name)
        return Told(answers=int(answers), gold=share(gold), seconds=seconds)

    def api_list(self, member: Membership) -> Told:
        (found,) = [one for one in self.json()["results"] if one["id"] == member.pk]
        return Told(answers=found["answers"])

    def api(self, member: Membership) -> Told:
        found = self.json(f"/{member.pk}")
        record = found["record"]
        return Told(
            answers=found["answers"],
            gold=(record["gold_right"], record["gold_answered"]),
            agreed=(record["agreed"], record["shared"]),
            seconds=f"{record['look_ms'] / 1000:.1f}",
        )

    def charts(self, member: Membership) -> Told:
        _, answered, _, right, _ = gold_chart(member).rows[-1]
        answers = sum(count for _, count, _ in pace_chart(member).rows)
        return Told(answers=answers, gold=(round(right * answered), answered))

    def files(self, member: Membership) -> Told:
        def lines(name: str) -> list[list[str]]:
            answer = self.client.get(f"/projects/{self.project.slug}/workers/{member.pk}/{name}.csv")
            return [line.split(",") for line in answer.getvalue().decode().splitlines()[1:]]

        _, answered, _, right, _ = lines("gold")[-1]
        answers = sum(int(count) for _, count, _ in lines("pace"))
        return Told(answers=answers, gold=(round(float(right) * int(answered)), int(answered)))

    def command(self, member: Membership) -> Told:
        out = io.StringIO()
        call_command("workers", self.project.slug, stdout=out)
        told = rf"{member.worker.name}: gold (\d+)/(\d+), agrees (\d+)/(\d+), ([\d.]+) s a mask"
        right, answered, agreed, shared, seconds = re.search(told, out.getvalue()).groups()
        return Told(None, (int(right), int(answered)), (int(agreed), int(shared)), seconds)

    def kept(self, member: Membership) -> Told:
        found = WorkRecord.objects.get(membership=member)
        return Told(
            found.answers, (found.gold_right, found.gold_answered), (found.agreed, found.shared),
            f"{(found.look_ms or 0) / 1000:.1f}", f"{account_of(member).owed:.2f}",
        )  # fmt: skip


def told_alike(surfaces: Surfaces, member: Membership) -> Told:
    """What every place tells of a worker, each as far as it does."""
    found = surfaces.of(member)
    agreed = {}
    for name in ("answers", "gold", "agreed", "seconds", "owed"):
        values = {place: getattr(told, name) for place, told in found.items()}
        known = {place: value for place, value in values.items() if value is not None}
        assert len(set(known.values())) == 1, f"{name}: {known}"
        agreed[name] = next(iter(known.values()))
    return Told(**agreed)


def test_every_place_tells_the_same_of_everybody(project: Project, ada: Person) -> None:
    spammer = Person.of(project, "Sam", says=lambda item: wrong(item) if item.question.gold else Says.NO)
    spammer.work()
    Person.of(project, "Nell")
    spammer.member.refresh_from_db()
    assert spammer.member.standing == Standing.STOPPED
    cy = project.members.get(worker__name="Cy")
    stop_worker(membership=cy, reason="left us", at=ada.clock(), by="eve")
    assert Decision.objects.filter(withdrawn_at__isnull=False).exists()
    surfaces = Surfaces(project)
    told = told_alike(surfaces, ada.member)
    assert (told.answers, told.gold) == (20, (4, 6)), "Neither what was not seen nor what was retired."
    assert told.agreed[0] == told.agreed[1] > 0
    assert told_alike(surfaces, spammer.member).gold == (0, 8), "What they were stopped by."
    for name in ("Ben", "Cy", "Dot"):
        told_alike(surfaces, project.members.get(worker__name=name))


def test_the_reason_of_a_standing_has_the_figures_that_are_shown(project: Project, ada: Person) -> None:
    review_standing(project_id=project.pk, worker_id=ada.member.worker_id, at=ada.clock())
    spammer = Person.of(project, "Sam", says=wrong)
    spammer.work()
    told = told_alike(Surfaces(project), spammer.member)
    stop = StandingChange.objects.get(membership=spammer.member, after=Standing.STOPPED)
    right, answered = told.gold
    assert stop.reason.startswith(f"{right} of {answered} gold answers right")


def test_a_review_leaves_what_somebody_decided_while_it_counted(project: Project, monkeypatch) -> None:
    eve = Person.of(project, "Eve").member

    def stopped_meanwhile(members: list[int]) -> dict[int, Record]:
        stop = Membership.objects.get(pk__in=members)
        change_standing(membership=stop, to=Standing.STOPPED, reason="a script", at=NOON, by="eve")
        return keep_records(members)

    monkeypatch.setattr(trust, "keep_records", stopped_meanwhile)
    monkeypatch.setattr(trust, "assess", lambda record, policy, current: (Standing.ACTIVE, "proven"))
    assert review_standing(project_id=project.pk, worker_id=eve.worker_id, at=NOON) == Standing.STOPPED
    eve.refresh_from_db()
    assert eve.standing == Standing.STOPPED


def test_it_is_the_same_while_somebody_works_and_after_they_were_set_aside(
    project: Project, ada: Person
) -> None:
    surfaces = Surfaces(project)
    before = told_alike(surfaces, ada.member)
    gold, masks = gold_and_masks(ada)
    ada.answer(masks[0])
    ada.answer(gold[0])
    assert told_alike(surfaces, ada.member) == before, "As of the latest count, wherever it is told."
    keep_those_at_work()
    assert told_alike(surfaces, ada.member).answers == before.answers + 2
    undo_answer(item_key=masks[0].key, assignment_id=masks[0].assignment_id, at=ada.clock())
    keep_those_at_work()
    assert told_alike(surfaces, ada.member).answers == before.answers + 1
    since = Judgment.objects.filter(worker=ada.member.worker, of_gold=False).order_by("at")[6].at
    stop_worker(membership=ada.member, reason="too sure", at=ada.clock(), by="eve", since=since)
    stopped = told_alike(surfaces, ada.member)
    assert (stopped.answers, stopped.gold[1]) == (before.answers + 1, before.gold[1] + 1)
    reinstate_worker(membership=ada.member, reason="a talk", at=ada.clock(), by="eve")
    again, _ = gold_and_masks(ada)
    ada.answer(again[0], wrong(again[0]))
    keep_those_at_work()
    told = told_alike(surfaces, ada.member)
    assert (told.answers, told.gold) == (before.answers + 2, (0, 1)), "They are judged anew."


def test_records_are_counted_in_as_many_statements_for_many_as_for_one(project: Project) -> None:
    counts = []
    for number in range(3):
        Person.of(project, f"Person {number}").open()
        members = list(project.members.all())
        with counted_queries() as statements:
            keep_those_at_work()
            assert kept_records(members).keys() == {member.pk for member in members}
        counts.append(len(statements))
    assert len(set(counts)) == 1


@pytest.mark.parametrize("place", ["page", "team", "overview", "api"])
def test_lists_take_as_many_statements_for_many_workers_as_for_few(project: Project, place: str) -> None:
    surfaces = Surfaces(project)
    look = {
        "page": lambda: surfaces.page("workers/"), "team": lambda: surfaces.page("team/"),
        "overview": lambda: surfaces.page("live/"), "api": surfaces.json,
    }[place]  # fmt: skip
    counts = []
    for number in range(3):
        new = [Person.of(project, f"Person {number} {n}") for n in range(2)]
        keep_records([person.member.pk for person in new])
        look()
        with counted_queries() as statements:
            look()
        counts.append(len(statements))
    assert len(set(counts)) == 1


def test_python_querysets_and_statements_say_the_same_of_answers_to_gold(ada: Person) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT j.id, {IS_RIGHT} {GIVEN}")
        stated = dict(cursor.fetchall())
    assert set(stated) == set(gold_answers().values_list("pk", flat=True))
    assert {pk for pk, right in stated.items() if right} == set(
        gold_answers().filter(RIGHT).values_list("pk", flat=True)
    )
    judged = Judgment.objects.select_related("question__gold", "item").in_bulk(stated)
    assert {pk: is_right(judgment) for pk, judgment in judged.items()} == stated
    assert not all(stated.values())


def test_a_record_is_kept_as_it_is_counted(ada: Person) -> None:
    record = keep_records([ada.member.pk])[ada.member.pk]
    kept = kept_record(ada.member)
    assert (record.answers, record.last_at) == (kept.answers, kept.last_at)
    assert record.pace.clock_ms == kept.clock_ms
    assert GoldItem.objects.filter(retired_at__isnull=False).count() == 1
