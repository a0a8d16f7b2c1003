"""What an import did, and all that it could not take in: by name and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

EXAMPLES = 20
"""Problems of a kind that a report keeps by name; a listener hears of all."""


class Kind(StrEnum):
    """Why something was left out. The value is what people read."""

    MISSING = "image missing"
    UNREADABLE = "image broken or truncated"
    OVERSIZED = "image larger than the limit"
    DUPLICATE = "image with the content of another"
    ROLE_CONFLICT = "image imported with another role"
    SIZE_CONFLICT = "image of another size than its file says"
    BAD_NAME = "image with a name that cannot be stored"
    MALFORMED_ITEM = "entry that cannot be read"
    UNKNOWN_CATEGORY = "category that the project does not have"
    UNKNOWN_IMAGE = "entry of an image that is not there"
    OUTSIDE = "mask without a pixel in its image"
    INVALID_MASK = "mask that cannot be read"
    AMBIGUOUS_IMAGE = "entry whose image id several images have"
    DUPLICATE_ANNOTATION = "annotation id given twice in an image"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing left out: what it is called, and why."""

    kind: Kind
    item: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.item}: {self.detail}" if self.detail else self.item


Listener = Callable[[Problem], None]


def unheard(problem: Problem) -> None:
    """A listener that keeps nothing."""


@dataclass(slots=True)
class ImportReport:
    """Counts of what came in and of what did not.

    Attributes
    ----------
    taken : new rows by what they are ("images", "annotations", "masks", …), and what was there already
    problems : how many of each kind
    examples : the first of each kind, by name
    unknown_categories : name -> entries left out with it
    listener : hears of every problem, for a log
    """

    taken: Counter[str] = field(default_factory=Counter)
    problems: Counter[Kind] = field(default_factory=Counter)
    examples: dict[Kind, list[Problem]] = field(default_factory=dict)
    unknown_categories: Counter[str] = field(default_factory=Counter)
    listener: Listener = unheard

    def add(self, kind: Kind, item: str, detail: str = "") -> None:
        """Record a problem."""
        problem = Problem(kind, item, detail)
        self.problems[kind] += 1
        if kind is Kind.UNKNOWN_CATEGORY:
            self.unknown_categories[item] += 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES and problem not in examples:
            examples.append(problem)
        self.listener(problem)

    def to_json(self) -> list[dict[str, Any]]:
        """The problems in plain values, the most frequent kind first: its count and some names."""
        names = {kind: [str(problem) for problem in found] for kind, found in self.examples.items()}
        names[Kind.UNKNOWN_CATEGORY] = [
            f"{name} ({n:,})" for name, n in self.unknown_categories.most_common(EXAMPLES)
        ]
        return [
            {"kind": kind.value, "count": count, "examples": names[kind]}
            for kind, count in self.problems.most_common()
        ]

    def lines(self) -> list[str]:
        """The problems as text: a line for each kind with its count, then its names."""
        written: list[str] = []
        for kind, count in self.problems.most_common():
            written.append(f"{count:,} × {kind}")
            written += [f"    {name}" for name in self._named(kind)]
            if kind is not Kind.UNKNOWN_CATEGORY and count > len(self.examples[kind]):
                written.append("    …")
        return written

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a row: what came in, and each kind of problem with its first names."""
        return {
            "taken": {what: count for what, count in self.taken.items() if count},
            "problems": [
                {"kind": str(kind), "count": count, "examples": self._named(kind)}
                for kind, count in self.problems.most_common()
            ],
        }

    def _named(self, kind: Kind) -> list[str]:
        if kind is Kind.UNKNOWN_CATEGORY:
            return [f"{name} ({n:,})" for name, n in self.unknown_categories.most_common(EXAMPLES)]
        return [str(problem) for problem in self.examples[kind]]


class ImportRefused(ValueError):
    """A strict import that met problems and therefore took nothing in."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__(
            "Nothing was imported, because of:\n"
            + "\n".join(report.lines())
            + "\nWithout strict, all the rest is imported."
        )
        self.report = report
