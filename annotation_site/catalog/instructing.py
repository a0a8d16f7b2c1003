"""What a project's team tells its workers, in Markdown."""

from __future__ import annotations

from annotation_site.catalog.models import Category, Project

LONGEST = 20_000
"""Letters: some ten pages."""


class TextTooLong(ValueError):
    """More than anyone would read; the message says how much is allowed."""


def set_instructions(*, project: Project, text: str) -> None:
    """Tell all workers of a project.

    Raises
    ------
    TextTooLong
    """
    project.instructions = _checked(text)
    project.save(update_fields=["instructions"])


def set_guide(*, category: Category, text: str) -> None:
    """Tell what a right outline of a category is.

    Raises
    ------
    TextTooLong
    """
    category.guide = _checked(text)
    category.save(update_fields=["guide"])


def _checked(text: str) -> str:
    if len(text) > LONGEST:
        raise TextTooLong(f"A text has at most {LONGEST} letters; this one has {len(text)}.")
    return text.strip()
