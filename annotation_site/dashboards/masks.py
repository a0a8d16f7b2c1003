"""Pages of masks: the browser, one mask, one image with all its masks."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from annotation_site.access.models import Access
from annotation_site.catalog import photos
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.kept_photos import kept
from annotation_site.catalog.models import Image, Mask, Project, Role
from annotation_site.dashboards import mask_browser
from annotation_site.dashboards.access import viewers
from annotation_site.dashboards.explorer import may_overrule
from annotation_site.dashboards.mask_browser import Wanted, mask_page
from annotation_site.dashboards.mask_facts import MaskFacts, drawn_on, size_of
from annotation_site.photo_responses import jpeg
from annotation_site.results.outcomes import Fate

LONGEST = 1600
"""Pixels of a whole photo on its page."""

FATES = [("", _("anything")), *((fate.value, fate.value) for fate in Fate)]
SAID = [
    ("", _("anything or nothing")),
    ("yes", _("yes")),
    ("no", _("no")),
    ("unsure", _("cannot tell, by someone")),
    ("disagree", _("yes and no: they disagree")),
    ("refused", _("no, inside an accepted cluster")),
    ("confirmed", _("yes, inside a rejected cluster")),
    (mask_browser.BY_HAND, _("an admin decided on it by hand")),
]
ORDERS = [
    ("leaves", _("likeness (leaf order)")),
    ("best", _("score, highest first")),
    ("worst", _("score, lowest first")),
]


class Filter(forms.Form):
    """What the browser is asked for; what is not understood is named beside its field."""

    tree = forms.TypedChoiceField(coerce=int, empty_value=None, required=False, label=_("Category"))
    fate = forms.ChoiceField(choices=FATES, required=False, label=_("Became"))
    said = forms.ChoiceField(choices=SAID, required=False, label=_("People said"))
    low = forms.FloatField(min_value=0, max_value=1, required=False, label=_("Score from"))
    high = forms.FloatField(min_value=0, max_value=1, required=False, label=_("to"))
    image = forms.CharField(max_length=500, required=False, label=_("Image"), help_text=_("its file name"))
    order = forms.ChoiceField(choices=ORDERS, required=False, label=_("Sorted by"))

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        trees = mask_browser.trees_of(project)
        rounds = {tree.round.number for tree in trees}
        told = [
            (tree.pk, f"{tree.category.name} ({tree.round})" if len(rounds) > 1 else tree.category.name)
            for tree in trees
        ]
        self.fields["tree"].choices = [("", _("all")), *told]  # type: ignore[attr-defined]
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"
        for name in ("low", "high"):
            self.fields[name].widget.attrs["step"] = "0.01"

    def clean_image(self) -> int | None:
        """The image of that name; a part of a name will do if only one image has it."""
        name = self.cleaned_data["image"].strip()
        if not name:
            return None
        own = Image.objects.filter(project=self.project, role=Role.POOL)
        found = list(own.filter(name=name).values_list("pk", flat=True)[:1])
        found = found or list(own.filter(name__startswith=name).values_list("pk", flat=True)[:2])
        if len(found) != 1:
            told = (
                _("Several images begin so; give the whole name.")
                if found
                else _("No image of the pool has that name.")
            )
            raise forms.ValidationError(told)
        return int(found[0])


@viewers
@require_GET
def browse(request: HttpRequest, project: Project) -> HttpResponse:
    """Masks by filter, a page by key."""
    filter_ = Filter(project, request.GET)
    wanted = _wanted(filter_, request) if filter_.is_valid() else None
    page = mask_browser.MaskPage() if wanted is None else mask_page(project, wanted)
    context = {
        "project": project, "section": "masks", "filter": filter_, "page": page, "wanted": wanted,
        "next": _next(request, page), "first": _first(request), "is_first": "after" not in request.GET,
        "is_filtered": wanted is not None and bool(wanted.fate or wanted.said or wanted.bounds_score),
    }  # fmt: skip
    return render(request, "dashboards/masks/browse.html", context)


@viewers
@require_GET
def mask(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """One mask: where it belongs, what people said of it, what became of it and why."""
    own = Mask.objects.select_related("image", "tree__category", "tree__round").defer("tree__packed")
    found = get_object_or_404(own, pk=pk, tree__round__project=project, tree__role=Role.POOL)
    context = {
        "project": project, "section": "masks", "one": MaskFacts(project, found), "size": size_of(found),
        "may_overrule": may_overrule(request), "may_see_gold": request.role.includes(Access.ADMIN),  # type: ignore[attr-defined]
        "next": request.get_full_path(),
    }  # fmt: skip
    return render(request, "dashboards/masks/mask.html", context)


@viewers
@require_GET
def image(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """A photo of the pool with all its masks."""
    found = get_object_or_404(Image, pk=pk, project=project, role=Role.POOL)
    drawn = drawn_on(found)
    context = {
        "project": project, "section": "masks", "image": found, "drawn": drawn,
        "categories": sorted({one.mask.tree.category.name for one in drawn}), "fates": list(Fate),
    }  # fmt: skip
    return render(request, "dashboards/masks/image.html", context)


@viewers
@require_GET
def photo(_request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """The whole photo as a browser shows it."""
    found = get_object_or_404(Image, pk=pk, project=project, role=Role.POOL)
    frame = Frame(0, 0, found.width, found.height)
    name = f"images/{found.pk % 256:02x}/{found.pk}-{LONGEST}-{found.digest[:16]}.jpg"
    return jpeg(lambda: kept(name, partial(photos.render, found, frame, longest=LONGEST)))


def _wanted(filter_: Filter, request: HttpRequest) -> Wanted:
    said = filter_.cleaned_data
    tree = said["tree"]
    order = said["order"] if tree is not None and not said["image"] else "leaves"
    return Wanted(
        tree=tree,
        lo=_leaf(request, "lo") if tree else None,
        hi=_leaf(request, "hi") if tree else None,
        image=said["image"],
        fate=said["fate"],
        said=said["said"],
        low=said["low"] if said["low"] is not None else 0.0,
        high=said["high"] if said["high"] is not None else 1.0,
        order=order or "leaves",
        after=_key(request.GET.get("after", "")),
    )


def _leaf(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 11 else None


def _key(text: str) -> tuple[float, int] | None:
    """What `_next` wrote, None for anything else."""
    first, _, second = text.partition("_")
    try:
        return (float(first), int(second)) if len(text) < 60 else None
    except ValueError:
        return None


def _first(request: HttpRequest) -> str:
    return "?" + urlencode({name: value for name, value in request.GET.items() if value and name != "after"})


def _next(request: HttpRequest, page: mask_browser.MaskPage) -> str | None:
    if page.after is None:
        return None
    return f"{_first(request)}&" + urlencode({"after": f"{page.after[0]!r}_{page.after[1]}"})
