"""What may be spent, what was, and what is to be expected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import Budget, Estimate, LedgerEntry


class Money(ProjectScope):
    def budget(self) -> Budget:
        found: Budget = self._get("budget")
        return found

    def set_budget(self, **caps: Any) -> Budget:
        """Set caps and pay, as `questions=5000`, `money="120.00"`."""
        changed: Budget = self._send("PATCH", "budget", **caps)
        return changed

    def ledger(self) -> Iterator[LedgerEntry]:
        return self._pages("ledger")

    def estimate(self, *, anew: bool = False) -> Estimate:
        """What the round will bring and cost, as far as a worker has worked it out; `anew` has it do so."""
        found: Estimate = self._send("POST", "estimate") if anew else self._get("estimate")
        return found
