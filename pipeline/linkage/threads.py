"""A few threads that share out the pieces of one clustering, with BLAS kept to one thread in each."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self, TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")


def default_threads() -> int:
    """The cores this process may use, or OMP_NUM_THREADS where that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, int(asked))) if asked.isdigit() else cores


class Crew:
    """Threads for the length of a `with` block; a crew of one works in the caller's thread.

    The threads are ordinary ones, made in this process and ended with the block: a Celery child
    that was forked from a parent which had a crew has nothing to inherit and nothing to lose.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = default_threads() if threads is None else max(1, threads)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(single_threaded_blas())
            if self.threads > 1:
                self._pool = stack.enter_context(ThreadPoolExecutor(self.threads, "linkage"))
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def run(self, work: Callable[[T, int], None], pieces: Iterable[T]) -> None:
        """Call `work(piece, thread)` for every piece, thread from 0; whoever is free takes the next.

        After an error no further piece is begun; it is raised here once all threads have stopped.
        """
        if self.threads == 1:
            for piece in pieces:
                work(piece, 0)
            return
        shared = _SharedPieces(pieces)
        running = [self._pool.submit(_work_off, work, shared, thread) for thread in range(self.threads)]
        errors = [future.exception() for future in running]
        for error in filter(None, errors):
            raise error


def _work_off(work: Callable[[T, int], None], pieces: _SharedPieces[T], thread: int) -> None:
    try:
        for piece in pieces:
            work(piece, thread)
    except BaseException:
        pieces.stop()
        raise


class _SharedPieces(Iterator[T]):
    """An iterator that several threads may advance, and any may end."""

    def __init__(self, pieces: Iterable[T]) -> None:
        self._pieces, self._lock = iter(pieces), threading.Lock()

    def __next__(self) -> T:
        with self._lock:
            return next(self._pieces)

    def stop(self) -> None:
        with self._lock:
            self._pieces = iter(())


class _BlasLimit:
    """One limit for the process however many crews are at work: set by the first, lifted by the last.

    Setting the number of BLAS threads is global. Two crews that each saved and restored it could
    leave it at one for good. Small products are limited as well: on a busy machine, threads that
    wait for each other take many times longer than one that does the work.
    """

    def __init__(self) -> None:
        self._lock, self._crews = threading.Lock(), 0
        self._controller: ThreadpoolController | None = None  # finding the libraries takes milliseconds
        self._restore: Callable[[], None] | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._crews += 1
            if self._crews == 1:
                self._controller = self._controller or ThreadpoolController()
                self._restore = self._controller.limit(limits=1, user_api="blas").restore_original_limits
        try:
            yield
        finally:
            with self._lock:
                self._crews -= 1
                if self._crews == 0 and self._restore is not None:
                    self._restore()


single_threaded_blas = _BlasLimit()
"""A context in which every product of matrices is made by the thread that asks for it."""
