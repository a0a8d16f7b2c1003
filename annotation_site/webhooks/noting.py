"""Noting what happens, in the transaction in which it does: one statement, no row where nobody is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from annotation_site import statements
from annotation_site.webhooks.models import Kind

BATCH = 500
"""Things of one kind that are told in one message at most."""

SUBSCRIBED = """
EXISTS (SELECT 1 FROM webhooks_webhook w
  WHERE w.project_id = %(project)s AND w.disabled_at IS NULL AND %(kind)s::text = ANY(w.kinds))
"""
NOTE = f"""
INSERT INTO webhooks_event (project_id, kind, at, data)
SELECT %(project)s, %(kind)s::text, %(at)s, %(data)s::jsonb WHERE {SUBSCRIBED}
"""
REACH = f"""
INSERT INTO webhooks_milestone (project_id, name)
SELECT %(project)s, %(name)s::text WHERE {SUBSCRIBED} ON CONFLICT DO NOTHING RETURNING id
"""
UNREACHED = f"""
SELECT {SUBSCRIBED} AND NOT EXISTS (
  SELECT 1 FROM webhooks_milestone WHERE project_id = %(project)s AND name = %(name)s::text)
"""


def note(project_id: int, kind: Kind, data: Mapping[str, Any], *, at: datetime) -> None:
    """Have the project's addresses told, if any wants to know."""
    told = json.dumps(data, cls=DjangoJSONEncoder)
    statements.run(NOTE, {"project": project_id, "kind": kind.value, "at": at, "data": told})


def note_many(project_id: int, kind: Kind, things: Sequence[Mapping[str, Any]], *, at: datetime) -> None:
    """As `note`, for things that are told together: a message has up to `BATCH` of them."""
    for first in range(0, len(things), BATCH):
        note(project_id, kind, {"things": things[first : first + BATCH]}, at=at)


def note_once(project_id: int, kind: Kind, name: str, data: Mapping[str, Any], *, at: datetime) -> bool:
    """As `note`, unless the milestone of that name was reached before; whether this was the first time."""
    if statements.first(REACH, {"project": project_id, "kind": kind.value, "name": name}) is None:
        return False
    note(project_id, kind, data, at=at)
    return True


def is_news(project_id: int, kind: Kind, name: str) -> bool:
    """Whether somebody wants to know of a milestone that was not reached yet."""
    (answer,) = statements.one(UNREACHED, {"project": project_id, "kind": kind.value, "name": name})
    return bool(answer)
