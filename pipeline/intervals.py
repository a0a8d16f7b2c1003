"""Intervals of leaves that are nested or disjoint, as clusters of one tree are."""

from __future__ import annotations

from collections.abc import Sequence


def innermost(intervals: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Disjoint pieces [lo, hi) in ascending order, each with the index of the innermost interval around it.

    Parameters
    ----------
    intervals : [lo, hi), any two of them nested or disjoint; of equal ones the last counts as innermost

    What no interval holds is in no piece.
    """
    pieces: list[tuple[int, int, int]] = []
    around: list[int] = []
    at = 0

    def advance(to: int) -> None:
        nonlocal at
        while around and intervals[around[-1]][1] <= to:
            end = intervals[around[-1]][1]
            if at < end:
                pieces.append((at, end, around[-1]))
            at = max(at, end)
            around.pop()
        if around and at < to:
            pieces.append((at, to, around[-1]))
        at = max(at, to)

    order = sorted(range(len(intervals)), key=lambda i: (intervals[i][0], -intervals[i][1], i))
    for index in order:
        advance(intervals[index][0])
        around.append(index)
    while around:
        advance(intervals[around[-1]][1])
    return pieces
