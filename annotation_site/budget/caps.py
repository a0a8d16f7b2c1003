"""What a project may cost and how its work is paid: a budget, read, locked and changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Project

PAY = (
    "pay_per_question", "pay_per_hit", "pay_per_hour", "longest_seconds",
    "unfinished", "fee_share", "least_fee",
)  # fmt: skip
"""The fields of a budget that say how work is paid."""


class BudgetError(Exception):
    """Something the budget does not allow."""


class CapBelowSpend(BudgetError):
    """A cap was to be set below what is spent or reserved already."""


class InvalidTerms(BudgetError):
    """Pay or fees that nobody can be paid by; the message says which."""


def budget_of(project: Project) -> Budget:
    """The project's budget; without caps until some are set."""
    return Budget.objects.get_or_create(project=project)[0]


def locked_budget(project_id: int) -> Budget:
    """The budget, for this transaction alone."""
    return Budget.objects.select_for_update(no_key=True).get(project=project_id)


def set_caps(
    *, project: Project, questions: int | None, money: Decimal | None, currency: str = "USD", **pay: Any
) -> Budget:
    """Set what the project may cost, and how work is paid from now on; HITs that are open keep their terms.

    Parameters
    ----------
    questions, money : None is no cap; the money includes fees
    pay : any of `pay_per_question`, `pay_per_hit`, `pay_per_hour`, `longest_seconds`, `unfinished`,
        `fee_share`, `least_fee` as `Budget` has them; those left out are the model's defaults

    Raises
    ------
    CapBelowSpend
        When that much is spent or reserved already.
    InvalidTerms
        When a value of `pay` is out of range or unknown.
    """
    budget_of(project)
    with transaction.atomic():
        budget = locked_budget(project.pk)
        for cap, committed, what in (
            (questions, budget.committed_questions, "questions"),
            (money, budget.committed_money, currency),
        ):
            if cap is not None and cap < committed:
                raise CapBelowSpend(
                    f"{project} has {committed} {what} spent or reserved: set a cap of at least that."
                )
        budget.questions, budget.money, budget.currency = questions, money, currency
        budget.overdrawn = Decimal(0)  # What is spent fits under the cap.
        _set_pay(budget, pay)
        budget.save()
    return budget


def budget_fields() -> list[models.Field[Any, Any]]:
    """The fields of a budget that may be set, for forms and command lines."""
    names = ("questions", "money", "currency", *PAY)
    return [field for field in Budget._meta.fields if field.name in names]


@transaction.atomic
def change_budget(*, project: Project, **values: Any) -> Budget:
    """`set_caps` with what a budget has already, but for the values that are given.

    Raises
    ------
    CapBelowSpend, InvalidTerms
    """
    budget_of(project)
    budget = locked_budget(project.pk)
    now = {field.name: getattr(budget, field.name) for field in budget_fields()}
    return set_caps(project=project, **{**now, **values})


def _set_pay(budget: Budget, pay: dict[str, Any]) -> None:
    unknown = sorted(set(pay) - set(PAY))
    if unknown:
        raise InvalidTerms(f"No term of a budget is called {', '.join(unknown)}; there are {', '.join(PAY)}.")
    for name in PAY:
        setattr(budget, name, pay.get(name, getattr(Budget(), name)))
    try:
        budget.clean_fields(exclude={field.name for field in Budget._meta.fields} - set(PAY))
    except ValidationError as error:
        told = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        raise InvalidTerms(f"Nobody can be paid by these terms. {told}") from error
