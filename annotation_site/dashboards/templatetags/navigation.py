"""The pages of a project, in groups, as everybody on the project is offered them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from django import template
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotation_site.access.models import Access
from annotation_site.catalog.models import Project

register = template.Library()


class Page(NamedTuple):
    """One entry: what its views call themselves in `section`, its route, its name, who may open it."""

    section: str
    route: str
    name: str | Promise
    least: Access = Access.VIEWER


GROUPS: tuple[tuple[str | Promise, tuple[Page, ...]], ...] = (
    (_("Watch"), (Page("overview", "project", _("Overview")), Page("report", "report", _("Report")))),
    (
        _("Set up"),
        (
            Page("setup", "setup", _("Set up"), Access.ADMIN),
            Page("model", "model", _("Model")),
            Page("rounds", "rounds", _("Rounds")),
            Page("instructions", "instructions", _("Instructions"), Access.ADMIN),
        ),
    ),
    (
        _("Ask"),
        (
            Page("launch", "launch", _("Launch")),
            Page("team", "team", _("Team")),
            Page("workers", "workers", _("Workers")),
        ),
    ),
    (
        _("Look"),
        (
            Page("decisions", "decisions", _("Decisions")),
            Page("trees", "trees", _("Trees")),
            Page("masks", "masks", _("Masks")),
            Page("dataset", "dataset", _("Dataset")),
        ),
    ),
    (_("Take out"), (Page("exports", "exports", _("Exports")),)),
    (
        _("Access"),
        (
            Page("people", "people", _("People")),
            Page("history", "history", _("History"), Access.ADMIN),
            Page("webhooks", "webhooks", _("Webhooks"), Access.ADMIN),
            Page("archive", "archive", _("Archive"), Access.ADMIN),
        ),
    ),
)
"""Heading and pages of each group. A new page is one line here."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it is drawn."""

    address: str
    name: str | Promise
    is_here: bool


@register.inclusion_tag("dashboards/pages.html", takes_context=True)
def project_pages(context: template.Context) -> dict[str, Any]:
    """The menu: beside a project's page where there is room, behind a button where there is not."""
    project: Project | None = context.get("project") or None
    section: str = context.get("section") or ""
    access = getattr(context.get("request"), "role", Access.VIEWER)
    groups = (
        [] if project is None else [(name, _links(project, pages, access, section)) for name, pages in GROUPS]
    )
    return {
        "project": project,
        "section": section,
        "user": context.get("user"),
        "groups": [(name, links) for name, links in groups if links],
    }


def _links(project: Project, pages: tuple[Page, ...], access: Access, section: str) -> list[Link]:
    return [
        Link(reverse(f"dashboards:{page.route}", args=[project.slug]), page.name, page.section == section)
        for page in pages
        if access.includes(page.least)
    ]
