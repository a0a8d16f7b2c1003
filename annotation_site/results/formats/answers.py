"""Every answer that was ever given, as CSV: nothing that a worker said is left out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from annotation_site.catalog.models import Project
from annotation_site.results.formats.choice import Choice
from annotation_site.results.outcomes import one_moment
from annotation_site.verification.models import Judgment
from pipeline.coco import replacing
from pipeline.progress import Progress

AT_ONCE = 5000

COLUMNS = {
    "judgment": "pk",
    "at": "at",
    "worker": "worker_id",
    "provider": "worker__provider",
    "hit": "item__assignment_id",
    "question": "question_id",
    "category": "question__category__name",
    "mask": "question__mask_id",
    "tree": "question__tree_id",
    "position": "question__position",
    "says": "says",
    "elapsed_ms": "elapsed_ms",
    "is_gold": "of_gold",
    "gold_is_correct": "question__gold__is_correct",
    "retracted_at": "retracted_at",
    "retracted_because": "retracted_because",
}
"""Column -> where it is read from a judgment."""


def write(project: Project, _choice: Choice, path: Path, _at: datetime, progress: Progress) -> int:
    """In the order in which they were given; workers by the number that the site gave them."""
    written = 0
    with one_moment(), replacing(path) as file:
        answers = Judgment.objects.filter(question__project=project)
        total = answers.count()
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for rows in _parts(answers):
            out.writerows(rows)
            written += len(rows)
            progress(written, total, "answers")
    return written


def _parts(answers: Any) -> Iterator[list[tuple[Any, ...]]]:
    last = 0
    while rows := list(answers.filter(pk__gt=last).order_by("pk").values_list(*COLUMNS.values())[:AT_ONCE]):
        yield [tuple(_plain(value) for value in row) for row in rows]
        last = rows[-1][0]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
