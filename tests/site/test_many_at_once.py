"""Many workers at the same moment, on real threads and real Postgres: nothing doubled, lost or overspent."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from functools import partial

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import NumericRange

from annotation_site.budget.caps import set_caps
from annotation_site.budget.ledger import BudgetSpent, give_bonus, spend_of
from annotation_site.budget.models import Budget, LedgerEntry
from annotation_site.catalog.models import Project
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification import withdrawing
from annotation_site.verification.answering import Answer, UndoTooLate, record_answer, undo_answer
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.claiming import NoHit, NothingToAsk
from annotation_site.verification.leases import sweep
from annotation_site.verification.locks import hold_trees
from annotation_site.verification.models import Assignment, Cluster, Decision, Item, Judgment, Question, Says
from annotation_site.verification.releasing import release_live
from annotation_site.verification.skills import learn_skills
from annotation_site.verification.trust import stop_worker
from annotation_site.verification.withdrawing import retract_worker
from pipeline.decisions import Verdict
from tests.factories import NOON
from tests.site.campaigns import (
    Person,
    add_tree,
    items,
    masks_only,
    on_own_connection,
    opened,
    project_with_clusters,
    project_with_tree,
    standing,
    together,
    truth,
    until_waiting,
    waiting,
)

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 16


def campaign(**parameters: object) -> Project:
    """Clusters of all kinds in one tree, and a second tree that begins with one."""
    quality = [0.98, 0.02, 0.9, 0.5, 1.0, 0.3, 0.97, 0.0] * 4
    project = project_with_clusters(quality, gold=20, **{"hit_size": 20, "n_s": 10, **parameters})
    correct = np.random.default_rng(4).random(64) < 0.9
    add_tree(project.rounds.get(), correct, scores=np.linspace(0.6, 0.95, 64))
    return opened(project)


def everyone(project: Project, count: int = CROWD) -> list[Person]:
    return [Person.of(project, f"worker {number}") for number in range(count)]


def until_nothing_is_left(person: Person) -> int:
    """Work until there is nothing for this person; the number of answers."""
    answers = 0
    while True:
        try:
            answers += len(person.work())
        except (NoHit, BudgetSpent):
            return answers


def test_workers_who_come_at_once_hold_no_question_in_common() -> None:
    project = campaign()
    hits = together([person.open for person in everyone(project)])
    opened_hits = [hit for hit in hits if isinstance(hit, Assignment)]
    assert {type(hit) for hit in hits} <= {Assignment, NothingToAsk}
    assert len(opened_hits) > CROWD // 2
    leased = Counter(Item.objects.filter(question__mask__isnull=False).values_list("question", flat=True))
    assert set(leased.values()) == {1}
    assert check_campaign(project) == []


def test_a_crowd_at_once_leaves_every_answer_once_and_a_sound_state() -> None:
    project = campaign()
    answered = together([partial(until_nothing_is_left, person) for person in everyone(project)])
    assert all(isinstance(count, int) for count in answered), answered
    assert Judgment.objects.filter(retracted_at__isnull=True).count() == sum(answered)
    assert check_campaign(project) == []
    assert not Assignment.objects.live().exists()


def test_a_crowd_at_once_decides_what_one_careful_person_would() -> None:
    crowd, alone = campaign(), campaign()
    together([partial(until_nothing_is_left, person) for person in everyone(crowd)])
    until_nothing_is_left(Person.of(alone))
    assert _decided(crowd) == _decided(alone)


def _decided(project: Project) -> list[dict[tuple[int, int], str]]:
    """Per tree, (lo, hi) -> verdict."""
    found = []
    for tree in project.rounds.get().trees.order_by("pk"):
        decisions = Decision.objects.filter(tree=tree, withdrawn_at__isnull=True)
        found.append({(d.interval.lower, d.interval.upper): d.verdict for d in decisions})
    return found


@pytest.mark.parametrize(
    "chosen",
    [
        {"judgments_per_question": 1},
        {"judgments_per_question": 3},
        {"aggregation": "accuracy_weighted", "worker_accuracy": 0.8},
    ],
)
def test_answers_undone_given_late_and_retracted_at_once_keep_the_state_sound(
    chosen: dict[str, object],
) -> None:
    project = campaign(**chosen)
    people = everyone(project)
    jobs = [partial(restless, person, seed) for seed, person in enumerate(people)]
    jobs += [partial(sweeps, 30), partial(retractions, people[0], people[1])]
    jobs += [partial(learning, project, 10)]
    outcomes = together(jobs)
    assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []
    sweep(at=NOON + timedelta(days=1))
    assert check_campaign(project) == []


def learning(project: Project, times: int) -> None:
    for _ in range(times):
        learn_skills(project=project, at=NOON)


def restless(person: Person, seed: int) -> int:
    """Answer, undo, answer late, leave HITs behind: some of everything."""
    rng = np.random.default_rng(seed)
    for _ in range(3):
        try:
            held = items(person.open(seed))
        except (NoHit, BudgetSpent):
            return 0
        for item in held[: int(rng.integers(5, 21))]:
            says = truth(item) if rng.random() < 0.85 else Says.UNSURE
            answer = person.answer(item, says)
            if answer.remaining and not answer.late and rng.random() < 0.2:
                undo_if_open(item, person)
        person.clock.now += timedelta(minutes=int(rng.integers(0, 45)))
    return 1


def undo_if_open(item: Item, person: Person) -> None:
    with suppress(UndoTooLate):
        undo_answer(item_key=item.key, assignment_id=item.assignment_id, at=person.clock())


def sweeps(times: int) -> int:
    for minute in range(times):
        sweep(at=NOON + timedelta(minutes=minute * 4))
    return times


def retractions(*people: Person) -> int:
    for person in people:
        retract_worker(membership=person.member, reason="a test", at=NOON + timedelta(hours=1))
    return len(people)


@pytest.mark.parametrize("money", [None, Decimal("3.00")])
def test_a_budget_is_used_to_the_last_question_and_never_exceeded(money: Decimal | None) -> None:
    project = campaign(hit_size=9)
    set_caps(
        project=project,
        questions=None if money else 100,
        money=money,
        pay_per_question=Decimal("0.025"),
        fee_share=Decimal("0.2"),
    )
    answered = together([partial(until_nothing_is_left, person) for person in everyone(project)])
    assert sum(answered) == 100
    budget = Budget.objects.get(project=project)
    assert (budget.committed_questions, budget.committed_money) == (100, Decimal("3.00"))
    assert check_campaign(project) == []


def test_bonuses_and_hits_paid_at_once_stay_under_the_cap() -> None:
    project = campaign(hit_size=10)
    pay = {"pay_per_hit": Decimal("0.20"), "fee_share": Decimal("0.2"), "least_fee": Decimal("0.05")}
    set_caps(project=project, questions=None, money=Decimal("2.10"), **pay)
    bonus = {"project": project, "money": Decimal("0.10"), "note": "a test", "at": NOON}
    jobs = [partial(until_nothing_is_left, person) for person in everyone(project, 10)]
    jobs += [partial(give_bonus, reference=f"bonus:{number % 5}", **bonus) for number in range(10)]
    outcomes = together(jobs)
    assert {type(one) for one in outcomes if isinstance(one, BaseException)} <= {BudgetSpent}
    spend = spend_of(project)
    assert spend.reserved_money == 0
    assert Decimal("1.80") < spend.money <= Decimal("2.10")
    assert LedgerEntry.objects.filter(kind="bonus").count() <= 5
    assert check_campaign(project) == []


def test_one_worker_in_many_tabs_gets_one_hit() -> None:
    project = campaign()
    ada = Person.of(project)
    hits = together([partial(ada.open, seed) for seed in range(CROWD)])
    assert len({hit.pk for hit in hits}) == 1
    assert Assignment.objects.count() == 1
    assert check_campaign(project) == []


def test_the_same_answer_posted_many_times_at_once_counts_once() -> None:
    project = campaign()
    ada = Person.of(project)
    item = masks_only(ada.open())[0]
    answers = together([partial(post, item, Says.YES)] * CROWD)
    assert [answer.repeated for answer in answers].count(False) == 1
    assert Judgment.objects.count() == 1
    assert check_campaign(project) == []


def test_different_answers_posted_at_once_leave_one_that_all_are_told() -> None:
    project = campaign()
    ada = Person.of(project)
    item = masks_only(ada.open())[0]
    answers = together([partial(post, item, says) for says in [Says.YES, Says.NO] * (CROWD // 2)])
    stands = Judgment.objects.get().says
    assert {answer.says for answer in answers} == {stands}


def post(item: Item, says: Says) -> Answer:
    return record_answer(
        item_key=item.key, assignment_id=item.assignment_id, says=says, elapsed_ms=900, at=NOON
    )


def test_the_last_answers_of_a_hit_at_once_finish_and_settle_it_once() -> None:
    project = campaign()
    ada = Person.of(project)
    hit = ada.open()
    together([partial(post, item, truth(item)) for item in items(hit)])
    hit.refresh_from_db()
    assert hit.finished_at is not None
    assert Budget.objects.get(project=project).committed_questions == hit.items.count()
    assert check_campaign(project) == []


def test_a_late_answer_and_a_new_hit_on_the_same_question_at_once() -> None:
    for seed in range(5):
        project = campaign(hit_size=6, gold_share=0.0)
        ada = Person.of(project)
        old = ada.open(seed)
        sweep(at=NOON + timedelta(hours=2))
        late = [partial(post, item, truth(item)) for item in items(old)]
        outcomes = together([*late, partial(ada.open, seed)])
        assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []
        # Late answers went to the items of the new HIT where it had the question; the rest is open.
        for hit in Assignment.objects.live().filter(project=project):
            for item in items(hit):
                post(item, truth(item))
        assert not Assignment.objects.live().filter(project=project).exists()
        assert check_campaign(project) == []


def test_a_late_answer_and_a_claim_that_met_in_a_sweep_do_not_wait_for_each_other() -> None:
    project = campaign(hit_size=6, gold_share=0.0)
    ada = Person.of(project)
    hit = ada.open()
    item = items(hit)[0]
    ada.clock.now += timedelta(minutes=45)
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            Assignment.objects.filter(pk=hit.pk).update(released_at=NOON)  # As a sweep does.
            late = pool.submit(on_own_connection, partial(post, item, truth(item)))
            until_waiting(1)
            claim = pool.submit(on_own_connection, ada.open)
            until_waiting(2)
        assert late.result().late
        assert claim.result().pk != hit.pk


def test_an_answer_below_a_split_that_fell_is_seen_by_the_split_that_comes_again_meanwhile() -> None:
    project = opened(project_with_tree([True] * 32 + [False] * 32, gold_share=0))
    ada, ben, cy = (Person.of(project, name) for name in ("Ada", "Ben", "Cy"))
    until_split(ada, project)
    held = [item for item in items(ben.open()) if item.question.cluster.parent_id]
    retract_worker(membership=ada.member, reason="a test", at=NOON)
    below = next(item for item in held if Question.objects.get(pk=item.question_id).cluster.parent_id)
    splitting = until_split(cy, project, but_one=True)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert not ben.answer(below).counts
            split = pool.submit(on_own_connection, partial(cy.answer, splitting))
            until_waiting(1)
        assert split.result().verdict is Verdict.SPLIT
    assert check_campaign(project) == []


def test_a_worker_who_goes_on_while_their_judgments_are_retracted_keeps_the_leases_counted(
    monkeypatch,
) -> None:
    project = campaign(gold_share=0.0)
    ada = Person.of(project)
    for item in items(ada.open())[:5]:
        ada.answer(item)
    with ThreadPoolExecutor(1) as pool:

        def going_on(trees, *, alone):
            monkeypatch.undo()
            at_work = pool.submit(on_own_connection, lambda: [ada.answer(i) for i in items(ada.open())[:5]])
            while not (at_work.done() or waiting()):
                pass
            hold_trees(trees, alone=alone)

        monkeypatch.setattr(withdrawing, "hold_trees", going_on)
        retract_worker(membership=ada.member, reason="a test", at=NOON)
    assert check_campaign(project) == []
    sweep(at=NOON + timedelta(days=1))
    assert check_campaign(project) == []


def test_a_claim_that_meets_a_stop_leaves_the_stopped_worker_without_a_hit() -> None:
    project = campaign()
    ada = Person.of(project)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            stop_worker(membership=ada.member, reason="a test", at=NOON)
            claim = pool.submit(on_own_connection, ada.open)
            while not (claim.done() or waiting()):
                pass
        assert isinstance(claim.exception(), WorkerStopped)
    assert not Assignment.objects.live().exists()
    assert check_campaign(project) == []


def test_a_stop_that_meets_a_claim_ends_the_hit_that_it_opens() -> None:
    project = campaign()
    ada = Person.of(project)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            ada.open()
            stop = pool.submit(
                on_own_connection, partial(stop_worker, membership=ada.member, reason="a test", at=NOON)
            )
            while not (stop.done() or waiting()):
                pass
        stop.result()
    assert not Assignment.objects.live().exists()
    assert check_campaign(project) == []


def test_an_answer_that_waited_for_its_worker_to_be_stopped_is_refused() -> None:
    project = campaign(gold_share=0.0)
    ada = Person.of(project)
    item = masks_only(ada.open())[0]
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            stop_worker(membership=ada.member, reason="a test", at=NOON, retract=True)
            answer = pool.submit(on_own_connection, partial(post, item, Says.YES))
            until_waiting(1)
        assert isinstance(answer.exception(), WorkerStopped)
    assert not Judgment.objects.exists()
    assert check_campaign(project) == []


def until_split(person: Person, project: Project, *, but_one: bool = False) -> Item:
    """Answer until the tree of halves is split, or but for one answer; that one's item."""
    said: Counter[Says] = Counter()
    while True:
        for item in items(person.open()):
            says = truth(item)
            if but_one and min((said + Counter([says]))[one] for one in (Says.YES, Says.NO)) == 3:
                return item
            said[says] += 1
            person.answer(item)
            if standing(project):
                release_live(project_id=project.pk, worker_id=person.member.worker_id, at=NOON)
                return item


def test_sweeps_at_once_release_each_lease_once() -> None:
    project = campaign()
    for person in everyone(project, 6):
        person.open()
    released = together([partial(sweep, at=NOON + timedelta(hours=2))] * 4)
    assert sum(released) == 6
    assert not Question.objects.filter(taken__gt=0).exists()
    assert check_campaign(project) == []


def test_the_database_refuses_accepted_intervals_that_overlap() -> None:
    project = campaign()
    until_nothing_is_left(Person.of(project))
    accepted = Decision.objects.filter(verdict="accept").first()
    inner = Cluster.objects.create(
        tree=accepted.tree, node=10**6, lo=accepted.interval.lower, hi=accepted.interval.lower + 1,
        mean_score=1, priority=1, sample_size=1, opened_at=NOON,
    )  # fmt: skip
    overlapping = Decision(
        cluster=inner, tree=accepted.tree, interval=NumericRange(inner.lo, inner.hi), verdict="reject",
        yes=0, no=1, sample=1, rule="curtailed", at=NOON,
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="decided_intervals_do_not_overlap"), transaction.atomic():
        overlapping.save()
    assert (accepted.interval.lower, accepted.interval.upper) in standing(project)
