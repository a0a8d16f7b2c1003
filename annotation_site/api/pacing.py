"""Answers are told at the end of a time slot, counted from when the request came.

Gold moves no cluster: its answers and undos take fewer statements than those of real masks, and would be told
sooner. What is left to see is the number of slots, and that is one unless a decision is taken or withdrawn.
"""

from __future__ import annotations

from time import monotonic_ns, sleep

from django.conf import settings

MS = 1_000_000
"""Nanoseconds."""


def started() -> int:
    """Now, on a clock of nanoseconds that only goes on."""
    return monotonic_ns()


def wait_for_slot(since: int) -> None:
    """Wait until a whole number of slots (the setting ANSWER_SLOT_MS) has passed; 0 never waits.

    Whoever calls this holds neither a transaction nor a lock: only a thread waits.
    """
    slot = settings.ANSWER_SLOT_MS * MS
    left = (since - monotonic_ns()) % slot if slot else 0
    if left:
        sleep(left / (1000 * MS))
