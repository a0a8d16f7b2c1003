"""Who is at work: told to the database with each change that it keeps, for that transaction alone.

It is found out when such a change comes, and never before: whoever writes to other tables, as people who
answer do, pays nothing for it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponseBase

from annotation_site import requests
from annotation_site.audit.watched import watched_columns

WRITE = re.compile(r'\s*(INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+"?(\w+)', re.IGNORECASE)
SET = re.compile(r'"(\w+)" = ')


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, and by what way (an `Entry.Via`)."""

    who: str
    via: str
    user: int | None = None
    request: str = ""


def _process() -> Actor:
    """This process, where nobody asked it to do something: a command, by its name."""
    program, *rest = sys.argv or [""]
    name = Path(program).name
    return Actor(f"manage.py {rest[0]}" if name == "manage.py" and rest else name or "python", "command")


_acting: ContextVar[Callable[[], Actor]] = ContextVar("acting", default=_process)


@contextmanager
def acting(find: Callable[[], Actor]) -> Iterator[None]:
    """What is done inside is done by whoever `find` says, which is asked when something is changed."""
    token = _acting.set(find)
    try:
        yield
    finally:
        _acting.reset(token)


def begin(actor: Actor) -> None:
    """From now on this thread works for somebody; see `end`."""
    _acting.set(lambda: actor)


def end() -> None:
    """This thread works for nobody any more."""
    _acting.set(_process)


class ActingMiddleware:
    """Changes during a request are those of whoever is signed in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting(lambda: _of_request(request)):
            return self.get_response(request)


def _of_request(request: HttpRequest) -> Actor:
    user = getattr(request, "user", None)
    if not isinstance(user, AbstractBaseUser) or user.pk is None:
        return Actor("visitor", "visitor", request=requests.current.get())
    via = "api" if request.path.startswith("/api/") else "page"
    return Actor(user.get_username(), via, user.pk, requests.current.get())


def listen(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    """Have a connection say who is at work."""
    if tell not in connection.execute_wrappers:
        connection.execute_wrappers.append(tell)


def tell(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Run a statement; before one that is kept, tell the transaction who is at work."""
    if not _is_kept(sql):
        return execute(sql, params, many, context)
    connection: BaseDatabaseWrapper = context["connection"]
    alone = nullcontext() if connection.in_atomic_block else transaction.atomic(using=connection.alias)
    with alone, connection.cursor() as cursor:
        actor = json.dumps(asdict(_acting.get()()))
        cursor.execute("SELECT set_config('maskgrove.acting', %s, true)", [actor])
        return execute(sql, params, many, context)


def _is_kept(sql: Any) -> bool:
    """Whether a statement changes what the log tells of."""
    found = WRITE.match(sql) if isinstance(sql, str) else None
    columns = watched_columns().get(found[2]) if found else None
    if found is None or columns is None:
        return False
    if found[1].upper() != "UPDATE":
        return True
    changed = set(SET.findall(sql.partition(" WHERE ")[0]))
    return not changed or not changed.isdisjoint(columns)
