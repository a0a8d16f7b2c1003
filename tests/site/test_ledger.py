"""The ledger: reserved before, settled after, never over the caps."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F, Sum
from hypothesis import given
from hypothesis import strategies as st

from annotation_site.budget.caps import CapBelowSpend, InvalidTerms, budget_of, locked_budget, set_caps
from annotation_site.budget.ledger import (
    BudgetSpent,
    Spend,
    affordable,
    correct,
    give_bonus,
    is_spent,
    reserve,
    settle,
    settle_late,
    spend_of,
)
from annotation_site.budget.models import Budget, LedgerEntry
from annotation_site.budget.terms import Cost, Partial, Terms
from annotation_site.catalog.models import Project
from tests.factories import NOON, ProjectFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return ProjectFactory()


def reserved(project: Project, questions: int, reference: str = "assignment:1") -> None:
    with transaction.atomic():
        reserve(budget=locked_budget(project.pk), questions=questions, reference=reference, at=NOON)


def committed(project: Project) -> tuple[int, Decimal]:
    budget = Budget.objects.get(project=project)
    return budget.committed_questions, budget.committed_money


def test_what_is_reserved_and_not_done_is_free_again(project: Project) -> None:
    set_caps(project=project, questions=100, money=Decimal(10), pay_per_question=Decimal("0.05"))
    reserved(project, 50)
    assert committed(project) == (50, Decimal("2.5"))
    settle(project_id=project.pk, reference="assignment:1", done=20, at=NOON)
    assert committed(project) == (20, Decimal("1.0"))
    entries = LedgerEntry.objects.order_by("pk").values_list("kind", "questions", "money")
    assert list(entries) == [("reserve", 50, 2.5), ("release", -50, -2.5), ("settle", 20, 1)]


def test_a_correction_brings_what_is_spent_in_line_and_again_changes_nothing(project: Project) -> None:
    set_caps(project=project, questions=100, money=Decimal(10), pay_per_question=Decimal("0.05"))
    reserved(project, 50)
    settle(project_id=project.pk, reference="assignment:1", done=20, payee=3, at=NOON)
    about = {"project_id": project.pk, "reference": "submission:1", "also": ["assignment:1"], "payee": 3}
    for due in (Cost(Decimal(2), Decimal("0.5")), Cost(), Cost(), Cost(Decimal(1))):
        with transaction.atomic():
            correct(**about, due=due, note="read back", at=NOON)
        assert spend_of(project).money == due.total
    made = LedgerEntry.objects.filter(kind="correct").order_by("pk").values_list("reference", "money")
    assert list(made) == [("submission:1:1", 1.5), ("submission:1:2", -2.5), ("submission:1:3", 1)]
    assert committed(project) == (20, Decimal(1))


def test_a_correction_stays_under_the_cap_unless_the_money_is_gone(project: Project) -> None:
    set_caps(project=project, questions=None, money=Decimal(1))
    about = {"project_id": project.pk, "reference": "submission:1", "payee": 3, "note": "", "at": NOON}
    with pytest.raises(BudgetSpent), transaction.atomic():
        correct(**about, due=Cost(Decimal(3)))
    with transaction.atomic():
        correct(**about, due=Cost(Decimal(3)), past_cap=True)
    assert budget_of(project).overdrawn == 2
    assert affordable(budget_of(project), at_most=1) == 0
    with pytest.raises(BudgetSpent):
        give_bonus(project=project, money=Decimal("0.01"), reference="bonus:1", note="", at=NOON)
    with pytest.raises(IntegrityError), transaction.atomic():
        Budget.objects.update(committed_money=F("committed_money") + 1)
    with transaction.atomic():
        correct(**about, due=Cost(Decimal("1.5")))
    assert budget_of(project).overdrawn == Decimal("0.5")
    with transaction.atomic():
        correct(**about, due=Cost(Decimal("0.5")))
    assert budget_of(project).overdrawn == 0


@pytest.mark.parametrize("done", [0, 4, 12, 20])
def test_a_hit_ends_in_an_overdrawn_budget(project: Project, done: int) -> None:
    set_caps(project=project, questions=None, money=Decimal(10), pay_per_question=Decimal("0.05"))
    reserved(project, 20)
    with transaction.atomic():
        about = {"project_id": project.pk, "reference": "submission:1", "payee": 3, "note": "", "at": NOON}
        correct(**about, due=Cost(Decimal("9.40")), past_cap=True)
    assert budget_of(project).overdrawn == Decimal("0.40")
    settle(project_id=project.pk, reference="assignment:1", done=done, at=NOON)
    spent = Decimal("9.40") + done * Decimal("0.05")
    assert committed(project) == (done, spent)
    assert budget_of(project).overdrawn == max(spent - 10, Decimal(0))


def test_a_budget_whose_own_terms_pay_nothing_is_spent_by_what_places_are_paid(project: Project) -> None:
    set_caps(project=project, questions=None, money=Decimal(1))
    assert not is_spent(budget_of(project))
    for number, terms in enumerate([Terms(per_hit=Decimal("0.30")), Terms(per_hit=Decimal("0.60")), Terms()]):
        with transaction.atomic():
            budget, reference = locked_budget(project.pk), f"assignment:{number}"
            reserve(budget=budget, questions=5, reference=reference, at=NOON, terms=terms)
        assert is_spent(budget_of(project)) is (number > 0)
    settle(project_id=project.pk, reference="assignment:1", done=0, at=NOON, partial=Partial.NOTHING)
    assert not is_spent(budget_of(project))
    set_caps(project=project, questions=None, money=Decimal(1), pay_per_question=Decimal("0.80"))
    assert is_spent(budget_of(project))


def test_settling_again_changes_nothing(project: Project) -> None:
    budget_of(project)
    reserved(project, 10)
    for _ in range(2):
        settle(project_id=project.pk, reference="assignment:1", done=10, at=NOON)
    assert LedgerEntry.objects.count() == 3


def test_fees_are_part_of_the_price(project: Project) -> None:
    budget = set_caps(
        project=project,
        questions=None,
        money=Decimal("1.00"),
        pay_per_question=Decimal("0.03"),
        fee_share=Decimal("0.4"),
    )
    assert budget.terms.at_most(10).total == Decimal("0.42")
    assert affordable(budget, at_most=100) == 23


def test_a_reservation_over_a_cap_is_refused(project: Project) -> None:
    set_caps(project=project, questions=10, money=None)
    with pytest.raises(BudgetSpent, match="11 more"):
        reserved(project, 11)
    assert committed(project) == (0, 0)


def test_the_database_itself_refuses_to_pass_a_cap(project: Project) -> None:
    set_caps(project=project, questions=10, money=Decimal(1))
    for field, by in (("committed_questions", 11), ("committed_money", 2)):
        with pytest.raises(IntegrityError, match="under_the_cap"), transaction.atomic():
            Budget.objects.update(**{field: F(field) + by})


def test_a_cap_below_what_is_spent_is_refused(project: Project) -> None:
    budget_of(project)
    reserved(project, 10)
    with pytest.raises(CapBelowSpend, match="10 questions"):
        set_caps(project=project, questions=9, money=None)
    assert set_caps(project=project, questions=10, money=None).questions == 10


def test_a_late_answer_is_paid_while_the_cap_allows(project: Project) -> None:
    set_caps(project=project, questions=3, money=None)
    reserved(project, 2)
    settle(project_id=project.pk, reference="assignment:1", done=2, at=NOON)
    with transaction.atomic():
        late = {"project_id": project.pk, "hit": "assignment:1", "at": NOON}
        assert settle_late(reference="item:1", **late)
        assert not settle_late(reference="item:2", **late)
    assert committed(project) == (3, 0)


def test_a_price_that_changes_in_between_is_not_that_of_what_was_reserved(project: Project) -> None:
    set_caps(project=project, questions=None, money=Decimal(1), pay_per_question=Decimal("0.10"))
    reserved(project, 10)
    set_caps(project=project, questions=None, money=Decimal(1), pay_per_question=Decimal("0.20"))
    settle(project_id=project.pk, reference="assignment:1", done=10, at=NOON)
    assert committed(project) == (10, Decimal(1))


CENT = Decimal("0.01")
money = st.decimals("0", "0.5", places=4)


@given(
    pay=st.fixed_dictionaries(
        {
            "pay_per_question": money,
            "pay_per_hit": money,
            "pay_per_hour": st.decimals("0", "40", places=2),
            "fee_share": st.decimals("0", "0.45", places=4),
            "least_fee": st.decimals("0", "0.02", places=4),
            "unfinished": st.sampled_from(Budget.Unfinished.values),
        }
    ),
    cap=st.decimals("0", "5", places=2),
    asked=st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1), st.integers(0, 900)), max_size=8),
)
def test_whatever_is_done_the_sum_stays_under_the_cap(
    pay: dict[str, Decimal], cap: Decimal, asked: list[tuple[int, float, int]]
) -> None:
    project = ProjectFactory()
    set_caps(project=project, questions=300, money=cap, **pay)
    for number, (questions, share, seconds) in enumerate(asked):
        reference = f"assignment:{project.pk}-{number}"
        fits = affordable(Budget.objects.get(project=project), at_most=questions)
        if fits:
            reserved(project, fits, reference)
            done = {"done": int(fits * share), "seconds": Decimal(seconds)}
            settle(project_id=project.pk, reference=reference, **done, at=NOON)
    sums = LedgerEntry.objects.filter(project=project).aggregate(q=Sum("questions"), m=Sum("money"))
    assert committed(project) == (sums["q"] or 0, sums["m"] or 0)
    assert committed(project)[1] <= cap


@given(
    terms=st.builds(
        Terms,
        per_question=money,
        per_hit=money,
        per_hour=st.decimals("0", "40", places=2),
        fee_share=st.decimals("0", "0.45", places=4),
        least_fee=st.decimals("0", "0.02", places=4),
        partial=st.sampled_from(Partial),
    ),
    questions=st.integers(1, 60),
    share=st.floats(0, 1),
    seconds=st.decimals("0", "2000", places=3),
)
def test_no_hit_comes_to_more_than_was_reserved_for_it(
    terms: Terms, questions: int, share: float, seconds: Decimal
) -> None:
    most, spent = terms.at_most(questions), terms.of(questions, done=int(questions * share), seconds=seconds)
    assert 0 <= spent.pay <= most.pay
    assert 0 <= spent.fee <= most.fee
    assert Terms.from_json(terms.as_json()) == terms


@pytest.mark.parametrize(
    ("terms", "whole", "half", "fee"),
    [
        (Terms(per_question=Decimal("0.02")), "1.00", "0.50", "0"),
        (Terms(per_hit=Decimal("0.80")), "0.80", "0.40", "0"),
        (Terms(per_hour=Decimal(18)), "0.50", "0.25", "0"),
        (Terms(per_hit=Decimal("0.80"), partial=Partial.NOTHING), "0.80", "0", "0"),
        (Terms(per_hit=Decimal("0.80"), partial=Partial.FULL), "0.80", "0.80", "0"),
        (Terms(per_hit=Decimal("0.80"), fee_share=Decimal("0.2")), "0.80", "0.40", "0.16"),
        (Terms(per_hit=Decimal("0.02"), fee_share=Decimal("0.2"), least_fee=CENT), "0.02", "0.01", "0.01"),
    ],
)  # fmt: skip
def test_work_is_paid_per_question_per_hit_or_per_hour(terms: Terms, whole: str, half: str, fee: str) -> None:
    """Fifty questions of two seconds each, all or half of them answered."""
    done = terms.of(50, done=50, seconds=Decimal(100))
    assert (done.pay, done.fee) == (Decimal(whole), Decimal(fee))
    assert terms.of(50, done=25, seconds=Decimal(50)).pay == Decimal(half)
    assert terms.of(50, done=0, seconds=Decimal(0)).total == 0


def test_who_is_stopped_is_paid_for_what_they_did_whatever_is_paid_for_unfinished_hits() -> None:
    terms = Terms(per_hit=Decimal(1), partial=Partial.NOTHING)
    assert terms.of(50, done=25, seconds=Decimal(0), partial=Partial.SHARE).pay == Decimal("0.5")


def test_of_a_long_look_no_more_is_paid_by_the_hour_than_was_reserved(project: Project) -> None:
    set_caps(project=project, questions=None, money=Decimal(1), pay_per_hour=36, longest_seconds=5)
    assert affordable(Budget.objects.get(project=project), at_most=100) == 20
    reserved(project, 20)
    settle(project_id=project.pk, reference="assignment:1", done=20, seconds=Decimal(9000), at=NOON)
    assert committed(project) == (20, Decimal(1))


def test_a_bonus_is_paid_once_with_its_fee_and_under_the_cap(project: Project) -> None:
    set_caps(project=project, questions=None, money=Decimal(3), fee_share="0.2", least_fee="0.01")
    bonus = {"project": project, "note": "thorough", "at": NOON}
    for _ in range(2):
        given_ = give_bonus(money=Decimal(2), reference="worker:1:week-48", **bonus)
    assert (given_.money, given_.fee, given_.questions) == (Decimal("2.4"), Decimal("0.4"), 0)
    assert committed(project) == (0, Decimal("2.4"))
    with pytest.raises(BudgetSpent, match=r"0\.7200"):
        give_bonus(money=Decimal("0.6"), reference="worker:2:week-48", **bonus)
    with pytest.raises(InvalidTerms):
        give_bonus(money=Decimal(0), reference="worker:3:week-48", **bonus)
    assert LedgerEntry.objects.count() == 1


def test_what_is_spent_and_what_is_reserved_are_told_apart(project: Project) -> None:
    set_caps(project=project, questions=None, money=None, pay_per_question="0.1", fee_share="0.5")
    reserved(project, 10)
    reserved(project, 4, "assignment:2")
    settle(project_id=project.pk, reference="assignment:1", done=8, at=NOON)
    give_bonus(project=project, money=Decimal(1), reference="bonus:1", note="", at=NOON)
    assert spend_of(project) == Spend(8, Decimal("2.7"), Decimal("0.9"), Decimal("1.5"), 4, Decimal("0.6"))
    budget = Budget.objects.get(project=project)
    assert budget.committed_money == spend_of(project).money + spend_of(project).reserved_money


@pytest.mark.parametrize("pay", [{"pay_per_hit": -1}, {"unfinished": "maybe"}, {"pay_per_mask": 1}])
def test_terms_that_make_no_sense_are_refused_and_nothing_is_set(
    project: Project, pay: dict[str, object]
) -> None:
    with pytest.raises(InvalidTerms, match=next(iter(pay))):
        set_caps(project=project, questions=5, money=None, **pay)
    assert Budget.objects.get(project=project).questions is None


def test_the_database_itself_refuses_to_change_an_entry(project: Project) -> None:
    budget_of(project)
    reserved(project, 10)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        LedgerEntry.objects.update(money=0)


def test_reservations_from_before_terms_were_kept_are_settled_at_their_price(project: Project) -> None:
    set_caps(project=project, questions=None, money=None)
    held = {"project": project, "questions": 10, "money": Decimal(1), "reference": "assignment:1", "at": NOON}
    LedgerEntry.objects.create(kind="reserve", **held)
    Budget.objects.update(committed_questions=10, committed_money=1)
    settle(project_id=project.pk, reference="assignment:1", done=5, at=NOON)
    assert committed(project) == (5, Decimal("0.5"))


def test_a_spend_is_told_as_its_share_of_the_cap_that_is_nearer():
    budget = Budget(questions=100, money=Decimal(10), committed_questions=50, committed_money=Decimal(9))
    assert budget.share(95, Decimal(9)) == Decimal("0.95")
    assert budget.committed_share == Decimal("0.9")
    assert Budget(questions=0).committed_share is None
