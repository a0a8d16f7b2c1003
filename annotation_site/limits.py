"""How often someone may do what costs the site or others something: counted in Django's cache, by the minute.

With REDIS_URL all processes count together; without, each counts for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

MINUTE = 60
View = Callable[..., HttpResponseBase]


def address_of(request: HttpRequest) -> str:
    """The visitor's address: the last that a proxy noted, where one is in front."""
    if settings.SECURE_PROXY_SSL_HEADER:
        return request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() or "unknown"
    return request.META.get("REMOTE_ADDR") or "unknown"


def is_too_often(scope: str, who: str, *, most: int) -> bool:
    """Count one more of `scope` by `who`; whether that is more than `most` in this minute. 0 is no limit."""
    if not most:
        return False
    key = f"maskgrove:limit:{scope}:{who}"
    cache.add(key, 0, MINUTE)
    try:
        return cache.incr(key) > most
    except ValueError:  # The minute ended in between.
        return False


def limited(scope: str, *, methods: tuple[str, ...] = ("POST",)) -> Callable[[View], View]:
    """Let a visitor's address open a view `RATE_LIMITS[scope]` times a minute; further requests get a 429."""

    def decorate(view: View) -> View:
        @wraps(view)
        def counted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            most = settings.RATE_LIMITS[scope]
            if request.method in methods and is_too_often(scope, address_of(request), most=most):
                return too_often(request)
            return view(request, *args, **kwargs)

        return counted

    return decorate


def too_often(request: HttpRequest) -> HttpResponse:
    """The page that says to wait a minute."""
    page = render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)
    page.headers["Retry-After"] = str(MINUTE)
    return page
