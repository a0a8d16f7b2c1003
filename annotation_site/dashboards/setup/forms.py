"""What the set-up page has people fill in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation_site.budget.caps import budget_fields
from annotation_site.budget.models import Budget
from annotation_site.catalog.detector_options import check_no_further_file, check_options
from annotation_site.catalog.models import Project, Role
from annotation_site.catalog.originals import MAX_PIXELS
from annotation_site.catalog.projects import CHOICES
from annotation_site.catalog.roles import InvalidShares, RoleShares
from annotation_site.dashboards.setup.parameters import GROUPS, TOLD, Group
from annotation_site.preparing.imports import Wish
from annotation_site.preparing.uploads import Announced
from pipeline.detection import InvalidOption

SPLIT = "split"
ROLES = (
    ("initial", gettext_lazy("Initial: annotated, the model learns from them")),
    ("heldout", gettext_lazy("Held out: annotated, they calibrate and make hidden checks")),
    ("pool", gettext_lazy("Pool: the many without annotations")),
    (SPLIT, gettext_lazy("Divide them among these, by content")),
)
MEGA = 1_000_000


class ProjectForm(forms.Form):
    """A new project."""

    name = forms.CharField(max_length=120)
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    categories = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 4}))
    coco = forms.FileField(required=False)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        given = [name for name in ("categories", "coco") if values.get(name)]
        if len(given) != 1 and "coco" not in self.errors:
            raise forms.ValidationError(_("Name the categories, or choose a COCO file that has them."))
        return values


def names_in(text: str) -> list[str]:
    """Names that stand on lines of their own, or between commas."""
    return [name.strip() for name in text.replace(",", "\n").splitlines() if name.strip()]


class CategoriesForm(forms.Form):
    """Further categories, by hand or of a COCO file."""

    categories = forms.CharField(required=False)
    coco = forms.FileField(required=False)


class ImportForm(forms.Form):
    """Images to bring in: where from, what for, and how strictly."""

    source = forms.ChoiceField(choices=[("upload", ""), ("place", "")])
    place = forms.CharField(required=False, max_length=1000)
    listed = forms.CharField(required=False)
    annotations = forms.CharField(required=False, max_length=500)
    role = forms.ChoiceField(choices=ROLES)
    initial_percent = forms.FloatField(required=False, min_value=0, max_value=100)
    heldout_percent = forms.FloatField(required=False, min_value=0, max_value=100)
    pool_percent = forms.FloatField(required=False, min_value=0, max_value=100)
    seed = forms.IntegerField(required=False)
    strict = forms.BooleanField(required=False)
    in_place = forms.BooleanField(required=False)
    megapixels = forms.IntegerField(required=False, min_value=1, max_value=10_000)

    def clean_listed(self) -> list[Announced]:
        """The list that a browser announces: [[name, size], …]."""
        text = self.cleaned_data["listed"]
        try:
            return [Announced(str(name), int(size)) for name, size in json.loads(text or "[]")]
        except (ValueError, TypeError) as error:
            raise forms.ValidationError(_("The list of files cannot be read: reload the page.")) from error

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("source") == "place" and not values.get("place"):
            self.add_error("place", _("Name a folder of the server, or a bucket."))
        if values.get("role"):
            try:
                values["roles"] = self._roles(values)
            except InvalidShares as error:
                raise forms.ValidationError(_("The shares come to 100 %.")) from error
        return values

    def _roles(self, values: dict[str, Any]) -> RoleShares:
        if values["role"] != SPLIT:
            return RoleShares.all(Role(values["role"]))
        shares = {role: (values.get(f"{role.value}_percent") or 0) / 100 for role in Role}
        return RoleShares(shares, values.get("seed") or 0)

    def wish(self) -> Wish:
        """How it is to be imported."""
        values = self.cleaned_data
        return Wish(
            roles=values["roles"],
            annotations=values["annotations"],
            strict=values["strict"],
            in_place=values["in_place"],
            max_pixels=values["megapixels"] * MEGA if values["megapixels"] else MAX_PIXELS,
        )


class ParametersForm(forms.ModelForm):  # type: ignore[type-arg]
    """The parameters of a project, each with its sentence."""

    class Meta:
        model = Project
        fields = tuple(TOLD)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            told = TOLD[name]
            field.label, field.help_text = told.label, told.sentence
            field.paper = told.paper  # type: ignore[attr-defined]
            if name in CHOICES:
                options = [(value, value) for value in CHOICES[name]]
                self.fields[name] = _choice(field, options)
        for name in ("description", "detector_options"):
            self.fields[name].widget.attrs["rows"] = 2

    def clean_detector_options(self) -> Any:
        """Options that could be carried out, and name no file of the server that was not named before."""
        options = self.cleaned_data["detector_options"] or {}
        try:
            check_options(options)
            check_no_further_file(options, stored=self.instance.detector_options)
        except InvalidOption as error:
            raise forms.ValidationError(str(error)) from error
        return options

    def groups(self) -> Iterator[tuple[Group, list[forms.BoundField]]]:
        """The fields, group by group."""
        for group in GROUPS:
            yield group, [self[name] for name in group.names]


def _choice(field: forms.Field, options: list[tuple[str, str]]) -> forms.ChoiceField:
    made = forms.ChoiceField(choices=options, label=field.label, help_text=field.help_text)
    made.paper = field.paper  # type: ignore[attr-defined]
    return made


class BudgetForm(forms.ModelForm):  # type: ignore[type-arg]
    """Caps and pay."""

    class Meta:
        model = Budget
        fields = tuple(field.name for field in budget_fields())
        labels = {  # noqa: RUF012
            "questions": gettext_lazy("Questions at most"),
            "money": gettext_lazy("Money at most"),
            "currency": gettext_lazy("Currency"),
            "pay_per_question": gettext_lazy("Pay for a question"),
            "pay_per_hit": gettext_lazy("Pay for a page of work"),
            "pay_per_hour": gettext_lazy("Pay for an hour"),
            "longest_seconds": gettext_lazy("Longest seconds"),
            "unfinished": gettext_lazy("Unfinished pages"),
            "fee_share": gettext_lazy("Fee, as a share of the pay"),
            "least_fee": gettext_lazy("Least fee"),
        }
