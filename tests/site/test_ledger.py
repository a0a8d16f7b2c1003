"""The ledger: reserved before, settled after, never over the caps."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F, Sum
from hypothesis import given
from hypothesis import strategies as st

from annotation_site.budget.ledger import (
    BudgetSpent,
    CapBelowSpend,
    affordable,
    budget_of,
    locked_budget,
    price,
    reserve,
    set_caps,
    settle,
    settle_late,
)
from annotation_site.budget.models import Budget, LedgerEntry
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
    assert price(budget) == Decimal("0.042")
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
    set_caps(project=project, questions=1, money=None)
    with transaction.atomic():
        assert settle_late(project_id=project.pk, reference="item:1", at=NOON)
        assert not settle_late(project_id=project.pk, reference="item:2", at=NOON)
    assert committed(project) == (1, 0)


def test_a_price_that_changes_in_between_is_not_that_of_what_was_reserved(project: Project) -> None:
    set_caps(project=project, questions=None, money=Decimal(1), pay_per_question=Decimal("0.10"))
    reserved(project, 10)
    set_caps(project=project, questions=None, money=Decimal(1), pay_per_question=Decimal("0.20"))
    settle(project_id=project.pk, reference="assignment:1", done=10, at=NOON)
    assert committed(project) == (10, Decimal(1))


@given(
    pay=st.decimals("0", "0.2", places=4),
    fee=st.decimals("0", "0.45", places=4),
    cap=st.decimals("0", "5", places=2),
    asked=st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1)), max_size=8),
)
def test_whatever_is_done_the_sum_stays_under_the_cap(
    pay: Decimal, fee: Decimal, cap: Decimal, asked: list[tuple[int, float]]
) -> None:
    project = ProjectFactory()
    set_caps(project=project, questions=300, money=cap, pay_per_question=pay, fee_share=fee)
    for number, (questions, share) in enumerate(asked):
        reference = f"assignment:{project.pk}-{number}"
        fits = affordable(Budget.objects.get(project=project), at_most=questions)
        if fits:
            reserved(project, fits, reference)
            settle(project_id=project.pk, reference=reference, done=int(fits * share), at=NOON)
    sums = LedgerEntry.objects.filter(project=project).aggregate(q=Sum("questions"), m=Sum("money"))
    assert committed(project) == (sums["q"] or 0, sums["m"] or 0)
    assert committed(project)[1] <= cap
