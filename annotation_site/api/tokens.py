"""Making API tokens, finding whose one is, and taking them back."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from annotation_site.access.granting import Visitor, access_to, projects_of
from annotation_site.access.models import Access
from annotation_site.api.models import ApiToken, Scope
from annotation_site.catalog.models import Project

PREFIX = "mg_"
"""By which people, and tools that look for leaked secrets, know one."""
HINT = len(PREFIX) + 5
TOLD_EVERY = timedelta(minutes=1)
"""Between two notes of when a token was last used."""


class TokenRefused(ValueError):
    """A token that cannot be made so; the message says why."""


class TokenInvalid(Exception):
    """No token, a revoked or an expired one, or one whose person may not sign in any more."""


@transaction.atomic
def issue(
    *,
    user: Visitor,
    name: str,
    scope: Scope,
    at: datetime,
    expires_at: datetime | None = None,
    projects: Collection[Project] | None = None,
    made_with: ApiToken | None = None,
) -> tuple[ApiToken, str]:
    """A new token: its row, and the secret that nobody is told again.

    Parameters
    ----------
    projects : it is good for these alone; None for all of its person's, also those to come
    made_with : the token that asks for it, which is good for as much and as long at least

    Raises
    ------
    TokenRefused
    """
    if user.pk is None:
        raise TokenRefused("Sign in first: a token is a person's.")
    if not name.strip() or not name.isprintable():
        raise TokenRefused("Give the token a name: what it is for.")
    if expires_at is not None and expires_at <= at:
        raise TokenRefused("A token that is to expire does so in the future.")
    if projects is not None:
        _check_theirs(user, projects)
    if made_with is not None:
        _check_within(made_with, user, scope, projects)
        expires_at = _end_within(made_with, expires_at)
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user_id=user.pk,
        name=name.strip()[:80],
        scope=scope,
        is_restricted=projects is not None,
        digest=digest(secret),
        hint=secret[:HINT],
        created_at=at,
        expires_at=expires_at,
        made_with=made_with,
    )
    token.projects.set(projects or ())
    return token, secret


def _check_theirs(user: Visitor, projects: Collection[Project]) -> None:
    if not projects:
        raise TokenRefused("Name the projects that the token is for, or give it all.")
    theirs = set(projects_of(user).values_list("pk", flat=True))
    if not {project.pk for project in projects} <= theirs:
        raise TokenRefused("A token reaches only projects that its person reaches.")


def _check_within(maker: ApiToken, user: Visitor, scope: Scope, projects: Collection[Project] | None) -> None:
    """Refuse what reaches further than its maker, whose row is held: it is not revoked meanwhile."""
    held = ApiToken.objects.select_for_update(no_key=True).get(pk=maker.pk)
    if held.revoked_at is not None or held.user_id != user.pk:
        raise TokenRefused("The token that was to make it is no token of yours any more.")
    if not Scope(held.scope).access.includes(scope.access):
        raise TokenRefused(f"A token makes none that may do more: its own scope is {held.scope}.")
    if held.is_restricted and (projects is None or not all(reaches(held, project) for project in projects)):
        raise TokenRefused("A token makes none for other projects than its own: name some of those.")


def _end_within(maker: ApiToken, expires_at: datetime | None) -> datetime | None:
    """When a token ends: with its maker, unless it is to end before."""
    if maker.expires_at is None or expires_at is None:
        return expires_at or maker.expires_at
    if expires_at > maker.expires_at:
        raise TokenRefused(
            f"A token makes none that outlives it: it ends {maker.expires_at:%Y-%m-%d %H:%M} UTC."
        )
    return expires_at


@transaction.atomic
def revoke(*, token: ApiToken, at: datetime) -> None:
    """It opens nothing any more, and neither does what was made with it. Safe to repeat."""
    going = [token.pk]
    while going:
        ApiToken.objects.filter(pk__in=going, revoked_at__isnull=True).update(revoked_at=at)
        going = list(ApiToken.objects.filter(made_with__in=going).values_list("pk", flat=True))


def in_use(user: Visitor) -> QuerySet[ApiToken]:
    """A person's tokens that were not revoked, newest first."""
    own = ApiToken.objects.filter(user=user.pk, revoked_at__isnull=True)
    return own.select_related("made_with").prefetch_related("projects").order_by("-pk")


def find(secret: str, *, at: datetime) -> ApiToken:
    """The token of a secret, with its user; notes that it is used.

    Raises
    ------
    TokenInvalid
    """
    found = ApiToken.objects.select_related("user").filter(digest=digest(secret)).first()
    if found is None or found.revoked_at is not None or not found.user.is_active:
        raise TokenInvalid("No such token, or it was revoked: make one on the page API tokens.")
    if found.expires_at is not None and found.expires_at <= at:
        raise TokenInvalid(f"The token {found} has expired: make another one.")
    unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lt=at - TOLD_EVERY)
    ApiToken.objects.filter(unnoted, pk=found.pk).update(last_used_at=at)
    return found


def digest(secret: str) -> str:
    """What is kept of a token. It has 256 random bits, so that a fast hash will do."""
    return hashlib.sha256(secret.encode()).hexdigest()


def reaches(token: ApiToken, project: Project) -> bool:
    """Whether a project exists for a token."""
    return not token.is_restricted or token.projects.filter(pk=project.pk).exists()


def projects_for(user: Visitor, token: ApiToken | None) -> QuerySet[Project]:
    """The projects that somebody may see, by a token where there is one."""
    theirs = projects_of(user)
    return theirs.filter(pk__in=token.projects.all()) if token and token.is_restricted else theirs


def access_for(project: Project, user: Visitor, token: ApiToken | None) -> Access | None:
    """What somebody may do on a project: the less of what they may, and what their token may."""
    had = access_to(project, user)
    if had is None or token is None:
        return had
    if not reaches(token, project):
        return None
    most = Scope(token.scope).access
    return most if had.includes(most) else had
