"""The page on gold: masks whose answer is known, marked, retired, taken back. For admins alone."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from annotation_site.catalog import framing
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.models import Mask, Project, Role
from annotation_site.dashboards.access import admins
from annotation_site.paging import key_in, page_before
from annotation_site.people.models import GoldItem
from annotation_site.verification.gold_review import (
    OF_POOL,
    CannotMark,
    mark_gold,
    retire_gold,
    take_back_gold,
)
from pipeline import masks

PAGE = 48


class Filter(forms.Form):
    """Which gold is looked for."""

    state = forms.ChoiceField(
        choices=[
            ("", gettext_lazy("all")),
            ("used", gettext_lazy("in use")),
            ("retired", gettext_lazy("retired")),
        ],
        required=False,
        label=gettext_lazy("State"),
    )
    origin = forms.ChoiceField(
        choices=[("", gettext_lazy("all")), *GoldItem.Origin.choices],
        required=False,
        label=gettext_lazy("Made by"),
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """A gold item as it is drawn."""

    item: GoldItem

    @property
    def frame(self) -> Frame:
        """The part of the photo that is shown."""
        image = self.item.image
        return framing.around(self.item.box, width=image.width, height=image.height)

    @property
    def outline(self) -> str:
        """SVG path data in pixels of the photo."""
        return masks.outline(self.item.rle)

    @property
    def mask(self) -> int | None:
        """The mask of the pool that it was made of, if it was."""
        return self.item.source_id if self.item.origin in OF_POOL else None


@admins
@require_GET
def listed(request: HttpRequest, project: Project) -> HttpResponse:
    """The gold of a project, the newest first, a page by key."""
    asked = Filter(request.GET)
    found = GoldItem.objects.filter(project=project).select_related("category", "image").order_by("-pk")
    said = asked.cleaned_data if asked.is_valid() else {}
    if said.get("state"):
        found = found.filter(retired_at__isnull=said["state"] == "used")
    if said.get("origin"):
        found = found.filter(origin=said["origin"])
    rows, older = page_before(found, key_in(request.GET.get("before", "")), size=PAGE)
    kept = "&".join(f"{name}={value}" for name, value in said.items() if value)
    context = {
        "project": project, "section": "workers", "filter": asked, "kept": kept, "older": older,
        "rows": [Shown(item) for item in rows], "is_filtered": bool(kept),
    }  # fmt: skip
    return render(request, "dashboards/workers/gold.html", context)


@admins
@require_POST
def change(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Retire an item for a reason, or take it back."""
    item = get_object_or_404(GoldItem.objects.defer("counts"), project=project, pk=pk)
    if request.POST.get("do") == "take-back":
        take_back_gold(item=item, by=request.user.get_username())
        messages.success(request, _("Workers are asked about it again."))
    elif because := request.POST.get("reason", "").strip():
        retire_gold(item=item, because=because, at=timezone.now())
        messages.success(request, _("Nobody is asked about it any more, and no answer to it counts."))
    else:
        messages.error(request, _("Say why it is retired."))
    return redirect("dashboards:gold-list", slug=project.slug)


@admins
@require_POST
def mark(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Make a mask gold, with the answer that the admin knows."""
    own = Mask.objects.filter(tree__round__project=project, tree__role=Role.POOL).defer("tree__packed")
    found = get_object_or_404(own.select_related("tree__round"), pk=pk)
    try:
        mark_gold(
            mask=found, is_correct=request.POST.get("answer") == "right", by=request.user.get_username()
        )
    except CannotMark as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("It is gold from now on: workers may find it among their questions."))
    return redirect("dashboards:mask", slug=project.slug, pk=pk)
