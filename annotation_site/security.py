"""Response headers that keep a page to itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

UNUSED_POWERS = "camera=(), geolocation=(), microphone=(), payment=()"
GetResponse = Callable[[HttpRequest], HttpResponseBase]


def policy(directives: Mapping[str, Sequence[str]]) -> str:
    """The value of a Content-Security-Policy header."""
    return "; ".join(f"{name} {' '.join(sources)}".strip() for name, sources in directives.items())


class ContentSecurityPolicyMiddleware:
    """Sends settings.SECURE_CSP with every response that has no policy of its own.

    The setting has the shape of Django 6's, whose own middleware takes over with that version.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.policy = policy(settings.SECURE_CSP)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", self.policy)
        response.headers.setdefault("Permissions-Policy", UNUSED_POWERS)
        return response
