"""An uploaded file as it is stored: in pieces of one size, each an artifact, read as one."""

from __future__ import annotations

import io
from collections.abc import Callable
from threading import Lock
from typing import IO, Any

PIECE = 8 << 20
"""Bytes of every piece but a file's last."""

BUFFER = 1 << 18


class Pieces(io.RawIOBase):
    """The bytes of a file of `size`; `opened` gives the piece of a number, open to read and to seek in."""

    def __init__(self, size: int, opened: Callable[[int], IO[bytes]]) -> None:
        super().__init__()
        self._size, self._opened, self._at = size, opened, 0
        self._number, self._piece = -1, io.BytesIO()
        self._lock = Lock()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, inside = divmod(self._at, PIECE)
        wanted = min(len(buffer), PIECE - inside, self._size - self._at)
        if wanted <= 0:
            return 0
        content = self._from(number, inside, wanted)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        self._piece.close()
        super().close()

    def _from(self, number: int, inside: int, wanted: int) -> bytes:
        with self._lock:
            if number != self._number:
                self._piece.close()
                self._piece, self._number = self._opened(number), number  # type: ignore[assignment]
            self._piece.seek(inside)
            return self._piece.read(wanted)


def reading(size: int, opened: Callable[[int], IO[bytes]]) -> io.BufferedReader:
    """The same, read ahead."""
    return io.BufferedReader(Pieces(size, opened), BUFFER)
