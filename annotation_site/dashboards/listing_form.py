"""The form of a listing: what every marketplace wants to know, and what only one of them does."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation_site.budget.caps import budget_of
from annotation_site.catalog.models import Project
from annotation_site.marketplaces.models import Listing
from annotation_site.verification.paces import seconds_a_mask


def suggested(project: Project) -> dict[str, Any]:
    """Terms to begin with; a page of work as long as it takes, at some twelve dollars an hour."""
    seconds = project.hit_size * seconds_a_mask(project)
    return {
        "title": _("Does the outline fit? Yes or no, one second each"),
        "description": _("You see photos with one object outlined, and say whether the outline is right."),
        "keywords": "image, outline, verification, quick",
        "reward": max(Decimal("0.05"), Decimal(round(seconds * 12 / 3600, 2)).quantize(Decimal("0.01"))),
        "currency": budget_of(project).currency,
        "places": 20,
        "estimated_minutes": max(1, round(seconds / 60)),
    }


class ListingForm(forms.ModelForm):  # type: ignore[type-arg]
    """The terms of a listing; `own` names those that go into `Listing.wants`."""

    own: tuple[str, ...] = ()

    class Meta:
        model = Listing
        help_texts: Mapping[str, str] = {"places": "", "minutes": ""}
        fields = ("title", "description", "keywords", "reward", "currency", "places", "minutes")
        widgets: Mapping[str, forms.Widget] = {"description": forms.Textarea(attrs={"rows": 3})}
        labels: Mapping[str, Any] = {
            "title": _("Title"),
            "description": _("Description"),
            "keywords": _("Keywords"),
            "reward": _("Reward for a page of work"),
            "currency": _("Currency"),
            "places": _("Places"),
            "minutes": _("Minutes until a place goes back"),
        }

    def __init__(self, data: Any = None, *, project: Project, instance: Listing | None = None) -> None:
        initial = self._shown(instance.wants) if instance else suggested(project)
        super().__init__(data, instance=instance, initial=initial)
        for name, field in self.fields.items():
            field.widget.is_short = name not in ("title", "description", "keywords")

    def _shown(self, wants: Mapping[str, Any]) -> dict[str, Any]:
        return {name: ", ".join(value) if isinstance(value, list) else value for name, value in wants.items()}

    def terms(self) -> dict[str, Any]:
        """What `draft_listing` takes."""
        shared = {name: self.cleaned_data[name] for name in self.Meta.fields}
        own = {name: _plain(self.cleaned_data[name]) for name in self.own}
        return {
            **shared,
            "wants": {name: value for name, value in own.items() if value not in (None, "", [])},
        }


def _plain(value: Any) -> Any:
    """As JSON has it; money as text."""
    return str(value) if isinstance(value, Decimal) else value


class MTurkForm(ListingForm):
    """What Mechanical Turk's requirements are made of."""

    own = ("least_rate", "least_approved", "locales", "masters", "testers", "test_reward")

    least_rate = forms.IntegerField(
        label=_("Approved before, % at least"), required=False, min_value=0, max_value=100
    )
    least_approved = forms.IntegerField(
        label=_("Approved before, times at least"), required=False, min_value=0, max_value=1_000_000
    )
    locales = forms.RegexField(
        r"^([A-Za-z]{2}([ ,]+|$))*$", label=_("Countries"), required=False, max_length=120,
        help_text=_("Two letters each, as US, DE; empty: all."),
        error_messages={"invalid": _("Countries have two letters each: US, DE.")},
    )  # fmt: skip
    masters = forms.BooleanField(label=_("Masters only"), required=False)
    testers = forms.IntegerField(
        label=_("Places for the test"), required=False, min_value=0, max_value=1000,
        help_text=_("The test becomes a HIT of its own; passing it opens the others. Empty: it comes first."),
    )  # fmt: skip
    test_reward = forms.DecimalField(
        label=_("Reward for the test"),
        required=False,
        min_value=Decimal("0.01"),
        max_digits=6,
        decimal_places=2,
    )

    def clean_locales(self) -> list[str]:
        return str(self.cleaned_data["locales"]).upper().replace(",", " ").split()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("testers") and not cleaned.get("test_reward"):
            self.add_error("test_reward", _("A test of its own is paid: say how much."))
        return cleaned


class ProlificForm(ListingForm):
    """What a study of Prolific says besides."""

    own = ("estimated_minutes", "fee_share")

    estimated_minutes = forms.IntegerField(
        label=_("Minutes that a page takes"), required=False, min_value=1, max_value=600,
        help_text=_("Participants see it, and what that makes an hour."),
    )  # fmt: skip
    fee_share = forms.DecimalField(
        label=_("Prolific’s fee, as a share"), required=False, min_value=0, max_value=1, decimal_places=3,
        help_text=_("0.428 for companies; your workspace tells yours."),
    )  # fmt: skip


FORMS: Mapping[str, type[ListingForm]] = {"mturk": MTurkForm, "prolific": ProlificForm}
"""Provider -> its form; others have the one that all share."""


def form_for(provider: str) -> type[ListingForm]:
    """The form of a provider's listings."""
    return FORMS.get(provider, ListingForm)
