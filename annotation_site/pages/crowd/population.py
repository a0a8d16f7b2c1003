"""Who is in a simulated crowd: how often they err, how fast they are, and what bad habits they have."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from annotation_site.verification.models import Says

SPREAD = 0.35
"""Standard deviation of the logarithm of response times."""
HABITS = ("truth", "yes", "no", "random")


class InvalidPopulation(ValueError):
    """A population file that cannot be read; the message says where."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How some workers answer.

    Attributes
    ----------
    count : how many of them there are
    accuracy : [0, 1], share of right answers of those who look ("truth")
    habit : "truth" for people who look, else what is said without looking
    together : they err on the same masks: those who agreed on their answers
    unsure, undo : [0, 1], shares of "cannot tell", and of answers that are taken back and given again
    leaves : [0, 1], chance at every mask to close the page and never come back
    seconds : median time for a mask
    test_accuracy : [0, 1], share of right answers in the test before the first HIT, of people who are at
        their best there; without it they take the test as they work
    """

    name: str = "honest"
    count: int = 1
    accuracy: float = 0.95
    habit: str = "truth"
    together: bool = False
    unsure: float = 0.0
    undo: float = 0.0
    leaves: float = 0.0
    seconds: float = 1.4
    test_accuracy: float | None = None

    def __post_init__(self) -> None:
        for name in ("accuracy", "unsure", "undo", "leaves", "test_accuracy"):
            if not 0.0 <= (getattr(self, name) or 0.0) <= 1.0:
                raise InvalidPopulation(f"{self.name}: {name} is {getattr(self, name)}, not a share.")
        if self.habit not in HABITS:
            raise InvalidPopulation(f"{self.name}: habit {self.habit!r} is none of {', '.join(HABITS)}.")
        if self.count < 1 or self.seconds <= 0:
            raise InvalidPopulation(f"{self.name}: count and seconds must be above 0.")

    def says(self, right: Says, *, question: int, rng: np.random.Generator) -> Says:
        """Their answer to a question whose right answer is known."""
        if rng.random() < self.unsure:
            return Says.UNSURE
        if self.habit in (Says.YES, Says.NO):
            return Says(self.habit)
        drawn = np.random.default_rng(question).random() if self.together else rng.random()
        is_right = drawn < (0.5 if self.habit == "random" else self.accuracy)
        return right if is_right else _other(right)

    def in_test(self) -> Self:
        """How they answer the test."""
        if self.test_accuracy is None:
            return self
        return replace(self, habit="truth", accuracy=self.test_accuracy, together=False, unsure=0.0)

    def looks_for(self, rng: np.random.Generator) -> float:
        """Seconds on one mask, lognormal."""
        return float(self.seconds * np.exp(SPREAD * rng.standard_normal()))


def _other(says: Says) -> Says:
    return Says.NO if says == Says.YES else Says.YES


def honest(count: int, *, accuracy: float, seconds: float) -> list[Behaviour]:
    """Workers who all look, and err at one rate."""
    return [Behaviour(count=count, accuracy=accuracy, seconds=seconds)]


def read_population(file: Path) -> list[Behaviour]:
    """The behaviours of a TOML or JSON file, a list of tables called `workers`.

    Raises
    ------
    InvalidPopulation
        When the file is not there, malformed, or has a value out of range.
    """
    try:
        text = file.read_text()
        stored = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
        return [_behaviour(table, file) for table in _tables(stored, file)]
    except OSError as error:
        raise InvalidPopulation(f"{file} cannot be read: {error.strerror}.") from error
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidPopulation(f"{file} is malformed: {error}.") from error


def _tables(stored: Mapping[str, Any], file: Path) -> Sequence[Mapping[str, Any]]:
    tables = stored.get("workers") if isinstance(stored, dict) else None
    if not isinstance(tables, list) or not tables:
        raise InvalidPopulation(f"{file} needs a list of tables called workers.")
    return tables


def _behaviour(table: Mapping[str, Any], file: Path) -> Behaviour:
    unknown = sorted(set(table) - {field.name for field in fields(Behaviour)})
    if unknown:
        raise InvalidPopulation(f"{file}: no property of workers is called {', '.join(unknown)}.")
    try:
        return Behaviour(**table)
    except TypeError as error:
        raise InvalidPopulation(
            f"{file}: {table.get('name', 'a table')} has a value of a wrong type."
        ) from error
