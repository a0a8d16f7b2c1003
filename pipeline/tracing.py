"""Outlines of masks as SVG path data, in machine code: a page of work has fifty of them.

A pixel counts as its centre. The outline crosses midway between neighbours of which one is inside, and is
walked from square to square of four neighbouring centres. Where two of these inside lie across from each
other, it keeps them apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled import compiled

_TOP, _RIGHT, _BOTTOM, _LEFT = 0, 1, 2, 3
_DOWN, _ACROSS = (0, 0, 1, 1), (0, 1, 1, 0)
"""Where the corners of a square lie; a side goes from the corner of its number to the next one."""
_MIDDLE_X, _MIDDLE_Y = (1, 2, 1, 0), (0, 1, 2, 1)
"""Where the middles of its sides lie, in halves."""
_LONGEST = 13
"""Characters of a number and what separates it from the next one."""
_SPACE, _MINUS, _POINT, _ZERO, _M, _L, _Z = (ord(character) for character in " -.0Mlz")


@compiled
def framed(runs: NDArray[np.int64], rows: int, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
    """(height + 2, width + 2): a mask's pixels within its box, and a frame of zeros around them.

    Parameters
    ----------
    runs : run lengths down the columns of an image of so many rows, the first one outside the mask. What they
        have outside the box is left out.
    """
    window = np.zeros((height + 2, width + 2), dtype=np.uint8)
    first, behind = x * rows, (x + width) * rows
    start = 0
    for number in range(len(runs)):
        end = start + runs[number]
        if number % 2:
            for at in range(max(start, first), min(end, behind)):
                row = at % rows - y
                if 0 <= row < height:
                    window[row + 1, at // rows - x + 1] = 1
        start = end
    return window


@compiled
def traced(window: NDArray[np.uint8], x: float, y: float, factor: float, steps: int) -> NDArray[np.uint8]:
    """ASCII of the path: each ring begins at a point and goes on by lines, none of them straight on.

    Parameters
    ----------
    window : a mask with a frame of zeros
    x, y : the centre of the frame's left upper pixel
    factor : what a pixel is multiplied by before rounding
    steps : so many of what comes of that are 1 in the path: 1, 2, 5 or 10
    """
    rows, columns = window.shape
    crossings = 0
    for row in range(rows):
        for column in range(columns - 1):
            crossings += window[row, column] != window[row, column + 1]
            crossings += window[row, column] != window[(row + 1) % rows, column]
    points = np.empty((crossings, 2), dtype=np.int64)
    corners = np.empty((crossings, 2), dtype=np.int64)
    path = np.empty(2 * _LONGEST * crossings, dtype=np.uint8)
    seen = np.zeros((rows, columns), dtype=np.bool_)
    length = 0
    for row in range(1, rows - 1):
        for column in range(columns - 1):
            if window[row, column] != window[row, column + 1] and not seen[row, column]:
                n = _walk(window, seen, row, column, points)
                n = _turns(points[:n], x, y, factor, corners)
                length = _write(corners[:n], steps, path, length)
    return path[:length]


@compiled
def _walk(
    window: NDArray[np.uint8],
    seen: NDArray[np.bool_],
    first_row: int,
    first_column: int,
    points: NDArray[np.int64],
) -> int:
    """Where a ring crosses, in half pixels, from the top of a square on; the number of crossings."""
    row, column, side, n = first_row, first_column, _TOP, 0
    while n == 0 or side != _TOP or row != first_row or column != first_column:
        points[n, 0] = 2 * column + _MIDDLE_X[side]
        points[n, 1] = 2 * row + _MIDDLE_Y[side]
        n += 1
        if side == _TOP:
            seen[row, column] = True
        elif side == _BOTTOM:
            seen[row + 1, column] = True
        side = _exit(window, row, column, side)
        if side == _TOP:
            row -= 1
        elif side == _RIGHT:
            column += 1
        elif side == _BOTTOM:
            row += 1
        else:
            column -= 1
        side = (side + 2) % 4
    return n


@compiled
def _exit(window: NDArray[np.uint8], row: int, column: int, side: int) -> int:
    """The side by which a ring leaves a square: around the corner inside of where it entered, if it can."""
    ahead = 1 if _inside(window, row, column, side + 1) else -1
    near = side + 1 if ahead == 1 else side
    if not _inside(window, row, column, near + ahead):
        return (side + ahead) % 4
    if not _inside(window, row, column, near + 2 * ahead):
        return (side + 2) % 4
    return (side - ahead) % 4


@compiled
def _inside(window: NDArray[np.uint8], row: int, column: int, corner: int) -> bool:
    corner %= 4
    return bool(window[row + _DOWN[corner], column + _ACROSS[corner]])


@compiled
def _turns(points: NDArray[np.int64], x: float, y: float, factor: float, corners: NDArray[np.int64]) -> int:
    """Where a ring turns, as it is drawn; the number of such places that differ from the one before."""
    n, kept = len(points), 0
    for at in range(n):
        before, after = points[at - 1], points[(at + 1) % n]
        if (points[at, 0] - before[0]) * (after[1] - points[at, 1]) == (points[at, 1] - before[1]) * (
            after[0] - points[at, 0]
        ):
            continue
        corners[kept, 0] = np.rint((x + points[at, 0] / 2) * factor)
        corners[kept, 1] = np.rint((y + points[at, 1] / 2) * factor)
        if kept == 0 or corners[kept, 0] != corners[kept - 1, 0] or corners[kept, 1] != corners[kept - 1, 1]:
            kept += 1
    while kept > 1 and corners[kept - 1, 0] == corners[0, 0] and corners[kept - 1, 1] == corners[0, 1]:
        kept -= 1
    return kept


@compiled
def _write(corners: NDArray[np.int64], steps: int, path: NDArray[np.uint8], length: int) -> int:
    """Write a ring behind the first bytes of a path; how many they are then."""
    for at in range(len(corners)):
        path[length] = _M if at == 0 else _L if at == 1 else _SPACE
        dx, dy = corners[at, 0], corners[at, 1]
        if at:
            dx, dy = dx - corners[at - 1, 0], dy - corners[at - 1, 1]
        length = _number(dx, steps, path, length + 1)
        path[length] = _SPACE
        length = _number(dy, steps, path, length + 1)
    path[length] = _Z
    return length + 1


@compiled
def _number(count: int, steps: int, path: NDArray[np.uint8], length: int) -> int:
    if count < 0:
        path[length] = _MINUS
        length, count = length + 1, -count
    whole, rest = count // steps, count % steps
    if whole or not rest:
        digits = 1
        while 10**digits <= whole:
            digits += 1
        for place in range(digits):
            path[length + digits - 1 - place] = _ZERO + whole // 10**place % 10
        length += digits
    if rest:
        path[length] = _POINT
        path[length + 1] = _ZERO + rest * 10 // steps
        length += 2
    return length
