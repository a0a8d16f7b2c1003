from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from annotation_site.budget.models import Budget
    from annotation_site.budget.pay import Pay


class MarketplacesConfig(AppConfig):
    name = "annotation_site.marketplaces"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from annotation_site.budget.pay import ask_of_pay

        ask_of_pay(_offered)


def _offered(budget: Budget) -> Pay | None:
    """What providers need to be asked takes a while to import: not before it is needed."""
    from annotation_site.marketplaces.offers import offered_pay

    return offered_pay(budget)
