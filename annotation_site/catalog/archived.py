"""Whether a project may still be changed, and worked on."""

from __future__ import annotations

from annotation_site.catalog.models import Project
from annotation_site.catalog.reporting import StageError


class ProjectArchived(StageError):
    """A project that is only read; the message says how it can be changed again."""

    def __init__(self, project: Project) -> None:
        if project.state == Project.State.DELETING:
            super().__init__(f"{project} is being deleted.")
        else:
            super().__init__(
                f"{project} is archived, and only read: take it out of the archive to change it "
                f"(`manage.py archive_project {project.slug} --take-out`, or its page Archive)."
            )


def check_in_use(project: Project) -> None:
    """Raise ProjectArchived for a project that was put away, also after this row of it was read."""
    project.refresh_from_db(fields=["state"])
    if project.is_archived:
        raise ProjectArchived(project)
