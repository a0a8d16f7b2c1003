"""What the overview tells of a campaign's course: hour by hour, by gold, how good the accepted masks are."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.test import Client

from annotation_site.catalog.models import Project
from annotation_site.dashboards.templatetags.figures import sparkline
from annotation_site.people.models import GoldItem
from annotation_site.results.course import HOURS, course_of
from annotation_site.results.gold import FEWEST as FEWEST_GOLD
from annotation_site.verification.models import UNDONE, Assignment, Decision, Item, Judgment, Question, Says
from annotation_site.verification.overruling import overrule
from tests import factories
from tests.factories import NOON
from tests.site.campaigns import counted_queries
from tests.site.verified_projects import tree_of, verified

pytestmark = pytest.mark.django_db

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Answering:
    """One worker who answers gold, again and again, at moments of a test's choice."""

    def __init__(self, project: Project) -> None:
        self.project, self.worker = project, factories.WorkerFactory()
        self.gold = {is_correct: self._question(is_correct=is_correct) for is_correct in (True, False)}

    def _question(self, *, is_correct: bool) -> Question:
        item = factories.GoldItemFactory(project=self.project, is_correct=is_correct)
        return Question.objects.create(project=self.project, category=item.category, gold=item)

    def answer(self, at: timedelta, *, right: bool = True, is_correct: bool = True) -> Judgment:
        # A HIT holds a question once: each answer has one of its own.
        hit = Assignment.objects.create(
            project=self.project, worker=self.worker, opened_at=NOON, expires_at=NOON, finished_at=NOON
        )
        item = Item.objects.create(assignment=hit, index=0, question=self.gold[is_correct])
        return Judgment.objects.create(
            question=self.gold[is_correct], worker=self.worker, item=item, of_gold=True, elapsed_ms=1000,
            says=Says.YES if right == is_correct else Says.NO, at=NOON + at,
        )  # fmt: skip


@pytest.fixture
def ada() -> Answering:
    return Answering(factories.ProjectFactory())


def test_hours_without_answers_are_hours_too(ada: Answering) -> None:
    for at in (MINUTE, 2 * MINUTE, 3 * HOUR):
        ada.answer(at)
    hours = course_of(ada.project).hours
    assert [(hour.at - NOON) / HOUR for hour in hours] == [0, 1, 2, 3]
    assert [hour.answers for hour in hours] == [2, 0, 0, 1]


def test_the_hours_told_end_with_the_last_answer_and_reach_back_a_week(ada: Answering) -> None:
    for at in (timedelta(), 400 * HOUR, (400 - HOURS) * HOUR, (401 - HOURS) * HOUR):
        ada.answer(at)
    hours = course_of(ada.project).hours
    assert len(hours) == HOURS
    assert (hours[0].answers, hours[-1].answers, sum(hour.answers for hour in hours)) == (1, 1, 2)


def test_masks_are_accepted_in_the_hour_of_their_decision() -> None:
    project = verified([True] * 64)
    Decision.objects.update(at=NOON + 2 * MINUTE)
    hours = course_of(project).hours
    assert sum(hour.accepted for hour in hours) == hours[0].accepted == 64


def test_gold_is_told_in_stretches_of_as_many_answers(ada: Answering) -> None:
    for n in range(2 * FEWEST_GOLD + 3):
        ada.answer(n * MINUTE, right=n < FEWEST_GOLD)
    first, second, last = course_of(ada.project).gold
    assert (first.answers, first.right, second.right, last.answers) == (FEWEST_GOLD, FEWEST_GOLD, 0, 3)
    assert first.share.low > 0.8
    assert second.share.high < 0.2
    assert last.share.high > 0.4
    assert first.at == NOON + (FEWEST_GOLD - 1) * MINUTE


def test_the_crowd_is_known_by_gold_beside_what_is_assumed(ada: Answering) -> None:
    for n in range(200):
        ada.answer(n * MINUTE, is_correct=False, right=n % 2 == 0)
    crowd = course_of(ada.project).crowd
    assert crowd.sensitivity == pytest.approx(ada.project.worker_accuracy)
    assert crowd.specificity == pytest.approx(0.54, abs=0.01)


def test_what_was_taken_back_and_gold_that_was_none_tell_nothing(ada: Answering) -> None:
    taken_back = ada.answer(MINUTE)
    Judgment.objects.filter(pk=taken_back.pk).update(retracted_at=NOON, retracted_because=UNDONE)
    ada.answer(2 * MINUTE, is_correct=False)
    GoldItem.objects.filter(is_correct=False).update(retired_at=NOON)
    assert course_of(ada.project).gold == []


def test_the_quality_of_what_was_accepted_is_that_of_the_answers() -> None:
    good, mixed = (
        verified([True] * 256, n_s=10, k_a=0.6),
        verified([True, True, True, False] * 64, n_s=10, k_a=0.6),
    )
    qualities = [course_of(project).quality for project in (good, mixed)]
    assert qualities[0] is not None
    assert qualities[1] is not None
    assert qualities[0].value > qualities[1].value
    assert course_of(factories.ProjectFactory()).quality is None


def test_what_an_admin_accepted_is_told_apart() -> None:
    project = verified([False] * 32 + [True] * 32)
    tree = tree_of(project)
    before = course_of(project)
    decision = Decision.objects.in_force().get(verdict="reject")
    by = User.objects.create_superuser("ada")
    overrule(tree=tree, node=decision.cluster.node, verdict="accept", reason="seen", by=by, at=NOON)
    after = course_of(project)
    assert before.by_hand == 0
    refused = Judgment.objects.filter(says=Says.NO).count()
    assert after.by_hand == decision.cluster.size - refused, "What people refused one by one stays out."
    (became,) = after.categories.values()
    assert became.accepted == became.course[-1] == 32 + after.by_hand


def test_the_course_is_read_in_a_few_statements_however_much_there_is() -> None:
    some = []
    for correct in ([True] * 16, [True, False] * 64):
        project = verified(correct)
        with counted_queries() as statements:
            course_of(project)
        some.append(len(statements))
    assert some[0] == some[1] <= 6


@pytest.fixture
def numbers(admin_client: Client) -> SimpleNamespace:
    project = verified([True] * 64, gold=6)
    root = f"/projects/{project.slug}"

    def table(chart: str) -> list[list[str]]:
        response = admin_client.get(f"{root}/{chart}.csv")
        assert response.headers["Content-Disposition"] == f'attachment; filename="{project.slug}-{chart}.csv"'
        return [line.split(",") for line in response.getvalue().decode().splitlines()]

    return SimpleNamespace(client=admin_client, root=root, table=table)


def test_each_chart_comes_as_csv_with_what_it_draws(numbers: SimpleNamespace) -> None:
    curve = numbers.client.get(f"{numbers.root}/curve.json").json()
    progress = numbers.client.get(f"{numbers.root}/progress.json").json()
    header, *rows = numbers.table("curve")
    assert header[3] == "accepted_masks"
    assert [int(row[3]) for row in rows] == curve["accepted"]
    assert [int(row[1]) for row in numbers.table("throughput")[1:]] == progress["throughput"]["answers"]
    assert [int(row[2]) for row in numbers.table("gold")[1:]] == progress["gold"]["right"]
    assert numbers.table("categories")[1][1:3] == ["64", "64"]
    assert numbers.table("forecast")[0][0] == "questions"


@pytest.mark.parametrize("values", [[], [0, 0, 0]])
def test_nothing_accepted_is_no_line(values: list[int]) -> None:
    assert sparkline(values) == ""


def test_a_line_as_small_as_a_word_ends_at_the_top_whatever_its_length() -> None:
    for n in (1, 2, 200):
        assert sparkline(range(1, n + 1)).endswith("1.0")
        assert sparkline(range(1, n + 1)).count("L") < 24
