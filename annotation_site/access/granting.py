"""Giving people access to projects, taking it away, and asking who has it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction
from django.db.models import QuerySet

from annotation_site.access.models import Access, Grant, Invitation
from annotation_site.catalog.models import Project

VALID_FOR = timedelta(days=14)
"""How long an invitation waits for its answer."""


class LastOwner(Exception):
    """A project would be left without an owner."""


class InvitationOver(Exception):
    """Unknown, used, revoked or expired; the message may be shown to whoever has the link."""


Visitor = AbstractBaseUser | AnonymousUser


def projects_of(user: Visitor) -> QuerySet[Project]:
    """The projects that somebody may see; none that is being deleted."""
    found = Project.objects.exclude(state=Project.State.DELETING)
    if getattr(user, "is_superuser", False):
        return found
    return found.filter(grants__user=user.pk) if user.pk else found.none()


def access_to(project: Project, user: Visitor) -> Access | None:
    """What somebody may do on a project; None when they may not know that it exists."""
    if not getattr(user, "is_active", False) or project.state == Project.State.DELETING:
        return None
    if getattr(user, "is_superuser", False):
        return Access.OWNER
    found = Grant.objects.filter(project=project, user=user.pk).values_list("access", flat=True).first()
    return None if found is None else Access(found)


def grant(*, project: Project, user: User, access: Access) -> Grant:
    """Give somebody this access, in place of what they had.

    Raises
    ------
    LastOwner
        When they were the only owner and would be one no more.
    """
    with transaction.atomic():
        _keep_an_owner(project, without=user, unless=access == Access.OWNER)
        return Grant.objects.update_or_create(project=project, user=user, defaults={"access": access})[0]


def revoke(*, project: Project, user: User) -> None:
    """Take all access away; nothing happens where there is none.

    Raises
    ------
    LastOwner
    """
    with transaction.atomic():
        _keep_an_owner(project, without=user)
        Grant.objects.filter(project=project, user=user).delete()


def _keep_an_owner(project: Project, *, without: User, unless: bool = False) -> None:
    owners = Grant.objects.select_for_update().filter(project=project, access=Access.OWNER)
    names = set(owners.order_by("pk").values_list("user", flat=True))
    if not unless and names == {without.pk}:
        raise LastOwner(f"{without} is the only owner of {project}: make somebody else one first.")


def invite(*, project: Project, email: str, access: Access, at: datetime) -> Invitation:
    """An invitation whose link gives this access to one person, for `VALID_FOR`."""
    return Invitation.objects.create(
        project=project, email=email, access=access, created_at=at, expires_at=at + VALID_FOR
    )


def revoke_invitation(*, invitation: Invitation, at: datetime) -> None:
    """Its link is good for nothing any more; one that was accepted stays as it is."""
    Invitation.objects.filter(pk=invitation.pk, accepted_at=None, revoked_at=None).update(revoked_at=at)


def open_invitations(project: Project, *, at: datetime) -> QuerySet[Invitation]:
    """Those that still wait for their answer, newest first."""
    waiting = project.invitations.filter(accepted_at=None, revoked_at=None, expires_at__gt=at)
    return waiting.order_by("-created_at", "-pk")


def invitation(secret: str, *, at: datetime) -> Invitation:
    """The invitation that a link belongs to, with its project.

    Raises
    ------
    InvitationOver
    """
    waiting = Invitation.objects.select_related("project").filter(accepted_at=None, revoked_at=None)
    found = waiting.filter(secret=secret, expires_at__gt=at).first() if secret.isprintable() else None
    if found is None:
        raise InvitationOver("This invitation is not valid any more. Ask whoever sent it for a new one.")
    return found


def accept_invitation(*, secret: str, user: User, at: datetime) -> Grant:
    """Give its access to whoever came by the link, once; nobody loses access that they have by it.

    Raises
    ------
    InvitationOver
        Also for the second of two who come at the same time.
    """
    with transaction.atomic():
        found = invitation(secret, at=at)
        open_one = Invitation.objects.filter(pk=found.pk, accepted_at=None, revoked_at=None)
        if open_one.update(accepted_at=at, accepted_by=user) != 1:
            raise InvitationOver("Somebody else has just accepted this invitation.")
        had, offered = access_to(found.project, user), Access(found.access)
        if had is not None and had.includes(offered):
            return Grant.objects.get_or_create(project=found.project, user=user, defaults={"access": had})[0]
        return grant(project=found.project, user=user, access=offered)
