"""Pages that show workers: the list, one of them, the numbers behind their charts."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from annotation_site.access.models import Access
from annotation_site.budget.caps import budget_of
from annotation_site.catalog.models import Project
from annotation_site.dashboards import thumbnails
from annotation_site.dashboards.access import admins, viewers
from annotation_site.dashboards.csv_file import csv_file
from annotation_site.dashboards.workers import selectors
from annotation_site.dashboards.workers.answers import FILTERS, OF_GOLD, answers_page
from annotation_site.dashboards.workers.charts import CHARTS
from annotation_site.dashboards.workers.facts import WorkerFacts
from annotation_site.dashboards.workers.selectors import DEFAULT_SORT, SORTS, Wanted
from annotation_site.paging import key_in
from annotation_site.people.models import GoldItem, Membership, Standing
from annotation_site.photo_responses import jpeg

COLUMNS = [
    ("name", _("Worker"), "name"),
    ("provider", _("From"), ""),
    ("standing", _("Standing"), "standing"),
    ("answers", _("Answers"), "-answers"),
    ("speed", _("Seconds"), "speed"),
    ("gold", _("Gold right"), "gold"),
    ("agreement", _("Agrees"), "agreement"),
    ("pay", _("Owed / paid"), ""),
    ("seen", _("Last answer"), "-seen"),
]
"""Name, heading, and how a first click on it sorts."""
PROVIDERS = {"link": _("in-house"), "simulated": _("simulated")}
"""What providers are called; others by their own name."""
SHOWN = [
    ("", _("All")),
    ("missed", _("Gold missed")),
    ("gold", _("Gold")),
    ("disagreed", _("Disagreed")),
    ("fast", _("Too fast")),
    ("gone", _("Not counting")),
]
"""The filters of answers."""


class Filter(forms.Form):
    """Which workers are listed; what is not understood is left out."""

    name = forms.CharField(max_length=120, required=False, label=_("Name"))
    standing = forms.ChoiceField(
        choices=[("", _("any")), *((one.value, one.value) for one in Standing)],
        required=False,
        label=_("Standing"),
    )
    provider = forms.ChoiceField(required=False, label=_("From"))

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(name, PROVIDERS.get(name, name)) for name in selectors.providers(project)]
        self.fields["provider"].choices = [("", _("anywhere")), *known]  # type: ignore[attr-defined]
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"


@viewers
@require_GET
@never_cache
def workers(request: HttpRequest, project: Project) -> HttpResponse:
    """Who answers, sorted and filtered, a page by key."""
    filter_ = Filter(project, request.GET)
    filter_.is_valid()
    wanted = _wanted(filter_, request)
    page = selectors.workers_page(project, wanted)
    context = {
        "project": project, "section": "workers", "filter": filter_, "wanted": wanted, "page": page,
        "columns": [_column(request, wanted, *column) for column in COLUMNS],
        "standings": selectors.standings(project), "doubtful": selectors.doubtful(project),
        "next": _with(request, after=page.next) if page.next else None,
        "first": _with(request, after=None), "currency": budget_of(project).currency,
        "may": _may(request), "providers": PROVIDERS,
    }  # fmt: skip
    return render(request, "dashboards/workers/list.html", context)


@viewers
@require_GET
@never_cache
def worker(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """One worker: their record, its course, every answer, and to admins what can be done."""
    member, may = member_of(project, pk), _may(request)
    which, before = request.GET.get("which", ""), request.GET.get("before", "")
    if which not in FILTERS or (which in OF_GOLD and not may):
        which = ""
    page = answers_page(member, which=which, before=key_in(before), gold=may)
    context = {
        "project": project, "section": "workers", "member": member, "facts": WorkerFacts(member),
        "page": page, "which": which, "may": may, "is_first": not before,
        "filters": [(name, label) for name, label in SHOWN if may or name not in OF_GOLD],
        "provider": PROVIDERS.get(member.worker.provider, member.worker.provider),
        "once": {name: uuid4() for name in ("bonus", "payment", "message")},
    }  # fmt: skip
    return render(request, "dashboards/workers/worker.html", context)


@viewers
@require_GET
def figures(_request: HttpRequest, project: Project, pk: int) -> JsonResponse:
    """The rows of a worker's charts."""
    member = member_of(project, pk)
    return JsonResponse({name: chart(member).as_json() for name, chart in CHARTS.items()})


@viewers
@require_GET
def numbers(_request: HttpRequest, project: Project, pk: int, chart: str) -> StreamingHttpResponse:
    """The numbers behind a chart as CSV."""
    if chart not in CHARTS:
        raise Http404(f"There is no chart {chart}.")
    return csv_file(f"{project.slug}-worker-{pk}-{chart}", CHARTS[chart](member_of(project, pk)).table())


@admins
@require_GET
def gold(_request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """The small crop of a gold item."""
    items = GoldItem.objects.select_related("image").defer("counts")
    item = get_object_or_404(items, pk=pk, project=project)
    return jpeg(partial(thumbnails.thumbnail, item))


def member_of(project: Project, pk: int) -> Membership:
    """A worker of the project, by the number that the pages give them. Raises Http404."""
    members = Membership.objects.select_related("worker", "record", "project")
    return get_object_or_404(members, pk=pk, project=project)


def _may(request: HttpRequest) -> bool:
    """Whether somebody may change things, and see what is secret."""
    return bool(request.access.includes(Access.ADMIN))  # type: ignore[attr-defined]


def _wanted(filter_: Filter, request: HttpRequest) -> Wanted:
    said = filter_.cleaned_data
    sort = request.GET.get("sort", "")
    return Wanted(
        standing=said.get("standing", ""),
        provider=said.get("provider", ""),
        name=said.get("name", "").strip(),
        sort=sort if sort.removeprefix("-") in SORTS else DEFAULT_SORT,
        after=key_in(request.GET.get("after", "")),
    )


def _column(request: HttpRequest, wanted: Wanted, name: str, heading: Any, sort: str) -> dict[str, Any]:
    """A heading: how it is sorted now, and the address that sorts by it, or the other way round."""
    now = ""
    if wanted.sort.removeprefix("-") == name:
        now = "descending" if wanted.falls else "ascending"
        sort = name if wanted.falls else f"-{name}"
    href = _with(request, sort=sort, after=None) if sort else ""
    return {"name": name, "heading": heading, "now": now, "href": href}


def _with(request: HttpRequest, **changed: Any) -> str:
    """This page's address with some of its arguments changed; None takes one away."""
    arguments = {**request.GET.dict(), **changed}
    return "?" + urlencode({name: value for name, value in arguments.items() if value not in (None, "")})
