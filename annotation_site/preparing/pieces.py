"""An uploaded file as it is stored: in pieces of one size, each an artifact, read as one."""

from __future__ import annotations

import io
from collections.abc import Callable
from threading import Lock
from typing import IO

from annotation_site.random_access import RandomAccess

PIECE = 8 << 20
"""Bytes of every piece but a file's last."""

BUFFER = 1 << 18


class Pieces(RandomAccess):
    """The bytes of a file of `size`; `opened` gives the piece of a number, open to read and to seek in."""

    def __init__(self, size: int, opened: Callable[[int], IO[bytes]]) -> None:
        super().__init__(size)
        self._opened = opened
        self._number, self._piece = -1, io.BytesIO()
        self._lock = Lock()

    def fetch(self, at: int, most: int) -> bytes:
        number, inside = divmod(at, PIECE)
        with self._lock:
            if number != self._number:
                self._piece.close()
                self._piece, self._number = self._opened(number), number  # type: ignore[assignment]
            self._piece.seek(inside)
            return self._piece.read(min(most, PIECE - inside))

    def close(self) -> None:
        self._piece.close()
        super().close()


def reading(size: int, opened: Callable[[int], IO[bytes]]) -> io.BufferedReader:
    """The same, read ahead."""
    return io.BufferedReader(Pieces(size, opened), BUFFER)
