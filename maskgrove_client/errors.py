"""What goes wrong, by what one can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """The site refused; the message says what and why.

    Attributes
    ----------
    status : of HTTP
    type : what to branch on, as "cap-below-spend"
    errors : by field, where the request was not as documented
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(problem.get("type", "error"))
        self.errors = problem.get("errors")
        told = str(problem.get("detail", "")) or f"The site answered with status {status}."
        super().__init__(f"{told} {self.errors}" if self.errors else told)


class Unauthorized(ApiError):
    """The token opens nothing: it was revoked or has expired (401)."""


class Forbidden(ApiError):
    """The token, or its person, may not do this (403)."""


class NotFound(ApiError):
    """Nothing there that the token's person may know of (404)."""


class Conflict(ApiError):
    """Not as things stand (409), or somebody changed it meanwhile (412)."""


class Refused(ApiError):
    """The request says something that cannot be (400, 413, 422)."""


class TooManyRequests(ApiError):
    """Slower, please (429); the client has waited already."""


class Unreachable(Exception):
    """The site does not answer, though it was asked again; the cause says how."""


KINDS: Mapping[int, type[ApiError]] = {
    400: Refused,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: Refused,
    415: Refused,
    422: Refused,
    429: TooManyRequests,
}
"""Status -> what is raised."""
