"""What a verify page carries in place of a cookie: proof that its HIT was opened for its worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.core import signing

from annotation_site.verification.models import Assignment

SALT = "maskgrove.assignment"
LIFETIME = timedelta(days=90)
"""How long an answer may lie in a browser. The lease ends much earlier; what comes after it is taken where no
answer stands, and of nobody who was stopped."""


class TokenExpired(Exception):
    """The page has been open for too long; loading it again gives a fresh token."""


class TokenInvalid(Exception):
    """No token of this site."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a token speaks for: a worker, on one assignment and nothing else."""

    assignment_id: int
    worker_id: int

    is_authenticated = True


def issue(assignment: Assignment) -> str:
    """A token for the page that shows this assignment."""
    return signing.dumps([assignment.pk, assignment.worker_id], salt=SALT)


def read(token: str) -> Holder:
    """Whom the token speaks for.

    Raises
    ------
    TokenExpired, TokenInvalid
    """
    try:
        assignment_id, worker_id = signing.loads(token, salt=SALT, max_age=LIFETIME)
    except signing.SignatureExpired as error:
        raise TokenExpired("This page has been open for too long; load it again.") from error
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise TokenInvalid("The token is none of this site; open your personal link.") from error
    return Holder(assignment_id, worker_id)
