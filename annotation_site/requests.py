"""A request's id: in each line that is logged for it, and in the response; a proxy's where it gives one."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
ACCEPTABLE = re.compile(r"[\w.-]{1,64}\Z")
"""Of ids that come from outside; they are written to logs."""

current: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that this thread is at; "-" outside of any."""


class RequestIdMiddleware:
    """Gives each request its id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        token = current.set(given if ACCEPTABLE.match(given) else uuid.uuid4().hex)
        try:
            response = self.get_response(request)
            response.headers[HEADER] = current.get()
        finally:
            current.reset(token)
        return response


class RequestIdFilter(logging.Filter):
    """Adds `request_id` to a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current.get()
        return True
