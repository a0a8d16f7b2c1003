"""Options of a command, one for each of some model fields."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandParser
from django.db import models


def add_options(parser: CommandParser, fields: Iterable[models.Field[Any, Any]]) -> None:
    """An option `--its-name` for each field; those that are not given are None."""
    for field in fields:
        choices = [value for value, _ in field.choices] if field.choices else None
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            type=converter(field),
            choices=choices,
            metavar=None if choices else field.name.upper(),
            help=str(field.help_text).replace("%", "%%"),
        )


def given(options: Mapping[str, Any], fields: Iterable[models.Field[Any, Any]]) -> dict[str, Any]:
    """The values of those that were given, by the names of their fields."""
    names = [field.name for field in fields]
    return {name: options[name] for name in names if options[name] is not None}


def converter(field: models.Field[Any, Any]) -> Any:
    """From the text of an option to a value of a field."""
    kinds: dict[type, Any] = {
        models.BooleanField: _yes_or_no,
        models.JSONField: json.loads,
        models.FloatField: float,
        models.IntegerField: int,
        models.DecimalField: _money,
    }
    return next((made for kind, made in kinds.items() if isinstance(field, kind)), str)


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "no", "true", "false"):
        raise ArgumentTypeError(f"yes or no, not {text!r}")
    return text.lower() in ("yes", "true")


def _money(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"a number, not {text!r}") from error
