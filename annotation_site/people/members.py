"""How a person becomes a worker of a project, and is found again by their personal link."""

from __future__ import annotations

import secrets

from django.db import transaction

from annotation_site.catalog.models import Project
from annotation_site.people.models import JoinLink, Membership, Standing, Worker
from annotation_site.people.qualification.policy import is_asked


class UnknownLink(Exception):
    """No personal or join link of that secret, or it was revoked; the message may be shown."""


def join(*, project: Project, provider: str, external_id: str, name: str = "") -> Membership:
    """The membership of who a provider says a person is; made on their first visit.

    They are new until they pass the project's test, where there is one.
    """
    with transaction.atomic():
        worker, _ = Worker.objects.get_or_create(
            provider=provider, external_id=external_id, defaults={"name": name}
        )
        found = Membership.objects.filter(project=project, worker=worker).first()
        if found is not None:
            return found
        standing = Standing.NEW if is_asked(project) else Standing.QUALIFIED
        return Membership.objects.get_or_create(
            project=project, worker=worker, defaults={"standing": standing}
        )[0]


def join_link(code: str) -> JoinLink:
    """The join link `/join/<code>/`, with its project.

    Raises
    ------
    UnknownLink
        When there is no such join link, or it was revoked.
    """
    in_force = JoinLink.objects.select_related("project").filter(revoked_at__isnull=True)
    found = in_force.filter(code=code).first() if code.isprintable() else None
    if found is None:
        raise UnknownLink("This invitation is not valid any more. Ask whoever sent it for a new one.")
    return found


def join_by_code(*, code: str, name: str = "") -> Membership:
    """A new worker of the project that a join link belongs to; their personal link is the membership's.

    Raises
    ------
    UnknownLink
        As `join_link`.
    """
    return invite(project=join_link(code).project, name=name)


def invite(*, project: Project, name: str) -> Membership:
    """A new worker with a personal link, known to the project by `name`."""
    return join(project=project, provider="link", external_id=secrets.token_urlsafe(12), name=name)


def member_of(secret: str) -> Membership:
    """Whose personal link `/w/<secret>/` it is.

    Raises
    ------
    UnknownLink
    """
    members = Membership.objects.select_related("project", "worker")
    found = members.filter(secret=secret).first() if secret.isprintable() else None
    if found is None:
        raise UnknownLink("This link is not known here. Check that it was copied whole.")
    return found
