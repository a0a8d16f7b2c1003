"""What workers are told, and by what they are judged: texts, examples, the test, gold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import Category, Example, Gold, Instructions, QualificationTest


class Teaching(ProjectScope):
    def categories(self) -> Iterator[Category]:
        return self._pages("categories")

    def add_categories(self, *categories: str | dict[str, Any]) -> list[Category]:
        """Names, or {"id", "name", "supercategory"} as in COCO, while no model was trained."""
        listed = [{"name": one} if isinstance(one, str) else one for one in categories]
        added: list[Category] = self._send("POST", "categories", categories=listed)["results"]
        return added

    def set_guide(self, category: int, guide: str) -> Category:
        """Tell workers what a right outline of a category is, in Markdown."""
        changed: Category = self._send("PATCH", f"categories/{category}", guide=guide)
        return changed

    def remove_category(self, category: int) -> None:
        self._send("DELETE", f"categories/{category}")

    def instructions(self) -> Instructions:
        found: Instructions = self._get("instructions")
        return found

    def set_instructions(self, **texts: str) -> Instructions:
        """`instructions` and `consent`, in Markdown."""
        changed: Instructions = self._send("PATCH", "instructions", **texts)
        return changed

    def examples(self) -> Iterator[Example]:
        """Those that the instructions show, and those left out."""
        return self._pages("examples")

    def leave_out(self, example: int, *, left_out: bool = True) -> Example:
        """Show an example no more; with `left_out=False` again."""
        changed: Example = self._send("PATCH", f"examples/{example}", left_out=left_out)
        return changed

    def test(self) -> QualificationTest:
        """The test of newcomers."""
        found: QualificationTest = self._get("test")
        return found

    def set_test(self, **values: Any) -> QualificationTest:
        """`questions`, `pass_mark` and `attempts`; the first two, changed, ask everyone again."""
        changed: QualificationTest = self._send("PATCH", "test", **values)
        return changed

    def ask_everyone_again(self) -> QualificationTest:
        """Have everyone take the test before their next page of work."""
        changed: QualificationTest = self._send("POST", "test/again")
        return changed

    def gold(self, *, state: Literal["in use", "retired"] | None = None) -> Iterator[Gold]:
        """Masks whose answer is known, the newest first."""
        return self._pages("gold", state=state)

    def mark_gold(self, mask: int, *, is_correct: bool) -> Gold:
        """Make a mask gold whose answer you know."""
        made: Gold = self._send("POST", "gold", mask=mask, is_correct=is_correct)
        return made

    def retire_gold(self, gold: int, *, reason: str) -> Gold:
        """Ask nobody about it any more, and hold no answer to it against anyone."""
        retired: Gold = self._send("POST", f"gold/{gold}/retire", reason=reason)
        return retired

    def take_back_gold(self, gold: int) -> Gold:
        """Ask about it again."""
        found: Gold = self._send("POST", f"gold/{gold}/take-back")
        return found
