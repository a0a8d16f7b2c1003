"""Feature vectors that may lie anywhere: an array, a memory map, files on disk, many of them as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_GAP_BYTES = 1 << 16


class Rows(Protocol):
    """n rows of d numbers, taken by slice or by ascending indices. An array or a memory map is one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, rows: slice | NDArray[np.int64], /) -> NDArray[np.floating]: ...


class NpyRows:
    """The rows of a .npy file, read when they are asked for.

    Unlike a memory map, nothing of the file stays in the memory of the process.

    Raises
    ------
    ValueError
        When the file holds anything else than a two-dimensional array in C order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else _read_newer_header
            self.shape, columns_first, self.dtype = read(file)
            self._offset = file.tell()
        if len(self.shape) != 2 or columns_first:
            raise ValueError(f"{path} holds an array of shape {self.shape}; rows must be (n, d) in C order.")
        self._row_bytes = self.shape[1] * self.dtype.itemsize

    def __getitem__(self, rows: slice | NDArray[np.int64], /) -> NDArray[np.floating]:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self.shape[0])
            return self._run(start, max(start, stop))[::step]
        return np.concatenate([self._run(0, 0), *self._runs(rows)])

    def _run(self, start: int, stop: int) -> NDArray[np.floating]:
        count, offset = (stop - start) * self.shape[1], self._offset + start * self._row_bytes
        return np.fromfile(self.path, self.dtype, count, offset=offset).reshape(-1, self.shape[1])

    def _runs(self, rows: NDArray[np.int64]) -> list[NDArray[np.floating]]:
        """One read for rows that lie close together."""
        apart = np.flatnonzero(np.diff(rows) * self._row_bytes > _GAP_BYTES) + 1
        return [
            self._run(part[0], part[-1] + 1)[part - part[0]] for part in np.split(rows, apart) if len(part)
        ]


def _read_newer_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    return np.lib.format.read_array_header_2_0(file)


class Shards:
    """Several sources of rows of the same width, one after the other.

    Raises
    ------
    ValueError
        When there is no part, or their widths differ.
    """

    def __init__(self, parts: Sequence[Rows]) -> None:
        widths = {part.shape[1] for part in parts}
        if len(widths) != 1:
            raise ValueError(f"Shards must have one width in common, not {sorted(widths)}.")
        self._parts = list(parts)
        self._starts = np.cumsum([0, *(part.shape[0] for part in parts)])
        self.shape: tuple[int, ...] = (int(self._starts[-1]), widths.pop())
        self.dtype: np.dtype[Any] = np.result_type(*(part.dtype for part in parts))

    def __getitem__(self, rows: slice | NDArray[np.int64], /) -> NDArray[np.floating]:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self.shape[0])
            return self._span(start, max(start, stop))[::step]
        bounds = np.searchsorted(rows, self._starts)
        found = [
            part[rows[low:high] - start]
            for part, start, low, high in zip(self._parts, self._starts, bounds, bounds[1:], strict=False)
            if low < high
        ]
        return np.concatenate(found) if found else self._span(0, 0)

    def _span(self, start: int, stop: int) -> NDArray[np.floating]:
        found = [
            part[max(start, begin) - begin : min(stop, end) - begin]
            for part, begin, end in zip(self._parts, self._starts, self._starts[1:], strict=False)
            if begin < stop and start < end
        ]
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else np.empty((0, self.shape[1]), self.dtype)
