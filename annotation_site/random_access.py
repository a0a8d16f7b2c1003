"""Bytes that are fetched from wherever they are asked for, as a file to read and to seek in."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any


class RandomAccess(io.RawIOBase):
    """A file of `size` bytes; `fetch` gives them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._at = size, 0

    @abstractmethod
    def fetch(self, at: int, most: int) -> bytes:
        """At least one and at most `most` of the bytes that begin at `at`; all of them are there."""

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
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        content = self.fetch(self._at, wanted)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
