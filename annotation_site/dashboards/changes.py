"""Entries of the audit log as people read them: fields by their names, what was and what is."""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db.models import Field, ForeignKey, Model, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from annotation_site.audit.models import Entry
from annotation_site.audit.watched import WATCHED, called
from annotation_site.catalog.models import Project
from annotation_site.paging import page_before

PAGE = 50
LONG = 100
"""Letters from which a text is told line by line."""
NAMES = {
    "auth.User": "username",
    "catalog.Project": "name",
    "catalog.Category": "name",
    "people.Worker": "name",
    "people.Membership": "worker__name",
    "api.ApiToken": "name",
}
"""Models whose rows people know by a name -> where it stands; others are told by their key."""
Known = Mapping[str, Mapping[Any, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """A field that differs. `diff` are the lines of a long text, each after "+", "-" or " "."""

    label: str
    before: str
    after: str
    diff: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """An entry, what people call its model, its project's name, and the fields that differ."""

    entry: Entry
    subject: str
    project: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of the log, newest first; `older` is where the next one begins."""

    rows: list[Change]
    older: int | None


def entries(*, project: Project | None, who: str = "", what: str = "") -> QuerySet[Entry]:
    """Entries of a project, or of the whole site, newest first."""
    found = Entry.objects.all() if project is None else Entry.objects.filter(project_id=project.pk)
    found = found.filter(who=who) if who else found
    return found.filter(what=what) if what else found


def page_of(found: QuerySet[Entry], *, before: int | None) -> Changes:
    """Entries older than `before`, if given."""
    rows, older = page_before(found, before, size=PAGE)
    return Changes(told(rows), older)


def all_of(found: QuerySet[Entry]) -> Iterator[Change]:
    """All entries, some hundreds at a time."""
    last: int | None = None
    while rows := list((found if last is None else found.filter(pk__lt=last))[:500]):
        yield from told(rows)
        last = rows[-1].pk


def whos(found: QuerySet[Entry]) -> list[str]:
    """Everyone who is in the log, for a filter."""
    return list(found.order_by("who").values_list("who", flat=True).distinct()[:500])


def whats() -> list[tuple[str, str]]:
    """The models whose changes are kept, with what people call them, for a filter."""
    return sorted(((one.model, subject(one.model)) for one in WATCHED), key=lambda pair: pair[1])


def subject(label: str) -> str:
    """What people call a model; its label where it is gone."""
    try:
        return called().get(label) or str(apps.get_model(label)._meta.verbose_name)
    except LookupError:
        return label


def told(rows: Sequence[Entry]) -> list[Change]:
    """The entries with their differences."""
    known = _names(rows)
    projects = known.get("catalog.Project", {})
    return [
        Change(entry, subject(entry.what), projects.get(entry.project_id, ""), list(_lines(entry, known)))
        for entry in rows
    ]


def _fields(label: str) -> dict[str, Field[Any, Any]]:
    """Column -> field, as far as the model has it still."""
    try:
        return {field.column: field for field in apps.get_model(label)._meta.local_concrete_fields}
    except LookupError:
        return {}


def _names(rows: Iterable[Entry]) -> Known:
    """Label -> key -> name, of all rows that the entries refer to."""
    sought: dict[str, set[Any]] = defaultdict(set)
    for entry in rows:
        sought["catalog.Project"].add(entry.project_id)
        fields = _fields(entry.what)
        for column, value in [*(entry.before or {}).items(), *(entry.after or {}).items()]:
            target = _target(fields.get(column))
            if target in NAMES and value is not None:
                sought[target].add(value)
    return {label: _named(label, keys) for label, keys in sought.items()}


def _named(label: str, keys: set[Any]) -> dict[Any, str]:
    model: type[Model] = apps.get_model(label)
    return dict(model._default_manager.filter(pk__in=keys - {None}).values_list("pk", NAMES[label]))


def _target(field_: Field[Any, Any] | None) -> str:
    """The model that a field refers to; empty where it refers to none."""
    related = field_.related_model if isinstance(field_, ForeignKey) else None
    return related._meta.label if isinstance(related, type) else ""


def _lines(entry: Entry, known: Known) -> Iterator[Line]:
    before, after, fields = entry.before or {}, entry.after or {}, _fields(entry.what)
    for column in before | after:
        field_ = fields.get(column)
        was, is_ = before.get(column), after.get(column)
        if entry.change != Entry.Change.UPDATE and (_is_plain(column, entry) or _is_empty(was, is_)):
            continue
        label = str(field_.verbose_name) if field_ is not None else column
        yield from _line(label, was, is_, field_, known)


def _is_plain(column: str, entry: Entry) -> bool:
    """What is told beside: the row's own key, and its project."""
    return column == "id" or (column == "project_id" and entry.project_id is not None)


def _is_empty(*values: Any) -> bool:
    return all(value in (None, "", [], {}) for value in values)


def _line(label: str, was: Any, is_: Any, field_: Field[Any, Any] | None, known: Known) -> Iterator[Line]:
    if isinstance(was, dict) or isinstance(is_, dict):
        yield from _nested(label, _flat(was), _flat(is_))
        return
    texts = _text(was, field_, known), _text(is_, field_, known)
    is_long = any(len(text) > LONG or "\n" in text for text in texts)
    yield Line(label, *texts, list(_diff(*texts)) if is_long else [])


def _nested(label: str, was: dict[str, Any], is_: dict[str, Any]) -> Iterator[Line]:
    """The entries of an object that differ."""
    for key in was | is_:
        if was.get(key) != is_.get(key):
            yield Line(f"{label}: {key}", _text(was.get(key), None, {}), _text(is_.get(key), None, {}))


def _flat(value: Any, before: str = "") -> dict[str, Any]:
    """{"train": {"batch_size": 4}} -> {"train.batch_size": 4}."""
    flat: dict[str, Any] = {}
    for key, inner in (value or {}).items():
        flat |= _flat(inner, f"{before}{key}.") if isinstance(inner, dict) else {f"{before}{key}": inner}
    return flat


def _diff(was: str, is_: str) -> Iterator[tuple[str, str]]:
    """The lines that were taken out and put in, with one line around them."""
    lines = difflib.unified_diff(was.splitlines(), is_.splitlines(), lineterm="", n=1)
    for line in list(lines)[2:]:
        yield ("…", "") if line.startswith("@@") else (line[0], line[1:])


def _text(value: Any, field_: Field[Any, Any] | None, known: Known) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ", ".join(item if isinstance(item, str) else json.dumps(item) for item in value)
    if name := known.get(_target(field_), {}).get(value):
        return name
    if field_ is not None and field_.choices:
        return str(dict(field_.flatchoices).get(value, value))
    if field_ is not None and field_.get_internal_type() == "DateTimeField":
        at = parse_datetime(str(value))
        return date_format(localtime(at), "DATETIME_FORMAT") if at else str(value)
    return str(value)
