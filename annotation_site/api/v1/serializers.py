"""Serializers that take what the schema says and nothing else, and pages by key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

Row = TypeVar("Row", bound=Model)
NOT_BLANK = r"[^\s\x00-\x1f\x7f-\xa0]"
"""A pattern of what can be seen."""
LONGEST_NUMBER = 40
PAGE = 50
LONGEST_PAGE = 200

JSON_TYPES: Mapping[type[serializers.Field[Any, Any, Any, Any]], tuple[type, ...]] = {
    serializers.BooleanField: (bool,),
    serializers.IntegerField: (int,),
    serializers.FloatField: (int, float),
    serializers.ListField: (list,),
    serializers.CharField: (str,),
    serializers.ChoiceField: (str,),
    serializers.DecimalField: (str,),
    serializers.DateTimeField: (str,),
}
"""What JSON has for a field. REST framework would also read the number 5 from "5", and true from "yes"."""


class Body(serializers.Serializer[Any]):
    """What a request says in JSON: each value of its own type, no field that is not known."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and not hasattr(data, "getlist"):  # Forms have only text.
            wrong = {name: ["There is no such field."] for name in set(data) - set(self.fields)}
            for name in set(data) & set(self.fields):
                if data[name] is not None and not _fits(self.fields[name], data[name]):
                    wrong[name] = [f"Not of the right type: {type(data[name]).__name__}."]
            if wrong:
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


def _fits(field: Any, value: Any) -> bool:
    if isinstance(field, serializers.IntegerField) and isinstance(value, float):
        return value.is_integer()  # JSON knows one kind of number: 5.0 is a whole one.
    wanted = next((types for kind, types in JSON_TYPES.items() if isinstance(field, kind)), (object,))
    return isinstance(value, wanted) and (bool in wanted or object in wanted or not isinstance(value, bool))


class Whole(serializers.IntegerField):
    """A whole number in an address: digits, and nothing else that Python would read as one."""

    def to_internal_value(self, data: Any) -> int:
        return super().to_internal_value(_plain(self, data, r"-?[0-9]{1,19}(\.0+)?"))


class Real(serializers.FloatField):
    """A number in an address."""

    def to_internal_value(self, data: Any) -> float:
        return super().to_internal_value(_plain(self, data, r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?"))


def _plain(field: Any, data: Any, pattern: str) -> str:
    text = str(data)
    if not re.fullmatch(pattern, text) or len(text) > LONGEST_NUMBER:
        field.fail("invalid")
    return text


class PageQuery(serializers.Serializer[Any]):
    """Which page: lists are read by key, however long they are."""

    limit = Whole(min_value=1, max_value=LONGEST_PAGE, default=PAGE, help_text="The most results of a page.")
    cursor = serializers.RegexField(
        r"^-?[0-9]{1,18}$", required=False, help_text="Where the page begins; take it from `next`."
    )


def paged(of: type[serializers.BaseSerializer[Any]], **more: serializers.Field[Any, Any, Any, Any]) -> Any:
    """The schema of a page of results."""
    name = f"{of.__name__.removesuffix('Serializer')}Page"
    fields: dict[str, Any] = {
        "results": of(many=True),
        "next": serializers.URLField(allow_null=True, help_text="The next page; null after the last."),
    }
    return inline_serializer(name, {**fields, **more})


def page(
    request: Request,
    rows: QuerySet[Row],
    asked: Mapping[str, Any],
    told: Callable[[Row], Any],
    *,
    ascending: bool = False,
) -> Response:
    """A page of rows by primary key, the newest first unless `ascending`."""
    shown, after = rows_of_page(rows, asked, ascending=ascending)
    return paged_response(request, [told(row) for row in shown], after)


def rows_of_page(
    rows: QuerySet[Row], asked: Mapping[str, Any], *, ascending: bool = False
) -> tuple[list[Row], str | None]:
    """The rows of a page, and the cursor of the next one; None after the last."""
    if "cursor" in asked:
        side = "gt" if ascending else "lt"
        rows = rows.filter(**{f"pk__{side}": int(asked["cursor"])})
    found = list(rows.order_by("pk" if ascending else "-pk")[: asked["limit"] + 1])
    shown = found[: asked["limit"]]
    return shown, str(shown[-1].pk) if len(found) > len(shown) else None


def paged_response(request: Request, results: Sequence[Any], after: str | None, **more: Any) -> Response:
    """Results, and the address of those that follow."""
    following = None if after is None else replace_query_param(request.build_absolute_uri(), "cursor", after)
    return Response({"results": results, "next": following, **more})
