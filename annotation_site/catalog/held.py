"""What each process keeps in memory of things that never change: those used last, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Anything that tells the memory it takes."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=Sized)


class Held(Generic[T]):
    """The things used last, up to `limit()` bytes; always at least the latest one."""

    def __init__(self, load: Callable[[int], T], *, limit: Callable[[], int]) -> None:
        self._load, self._limit = load, limit
        self._held: OrderedDict[int, T] = OrderedDict()
        self._bytes = 0
        self._lock, self._loading = Lock(), Lock()

    def get(self, key: int) -> T:
        """The thing of a primary key, loaded once however many threads ask."""
        found = self._find(key)
        if found is None:
            with self._loading:
                found = self._find(key)
                if found is None:
                    found = self._keep(key, self._load(key))
        return found

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self._bytes = 0

    def _find(self, key: int) -> T | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def _keep(self, key: int, thing: T) -> T:
        with self._lock:
            self._held[key] = thing
            self._bytes += thing.nbytes
            while self._bytes > self._limit() and len(self._held) > 1:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
        return thing
