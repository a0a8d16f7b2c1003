"""The round that a project is at."""

from __future__ import annotations

from annotation_site.catalog.models import Project, Round


class UnknownProject(Exception):
    """No project has that name; the message lists those there are."""


def find_project(slug: str) -> Project:
    """The project of a slug, as people type it.

    Raises
    ------
    UnknownProject
    """
    found = Project.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise UnknownProject(
            f"No project is called {slug!r}. " + (f"There are: {known}." if known else "Create one first.")
        )
    return found


def current_round(project: Project) -> Round:
    """The project's latest round; its first one is made when there is none."""
    latest = project.rounds.order_by("-number").first()
    return latest or project.rounds.get_or_create(number=1)[0]
