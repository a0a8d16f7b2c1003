"""How a command that stays is told to go: Ctrl-C, or SIGTERM from whoever started it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class ToldToEnd(BaseException):
    """What SIGTERM raises in the main thread, as Ctrl-C raises KeyboardInterrupt."""


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise ToldToEnd


@contextmanager
def until_told_to_end() -> Iterator[None]:
    """Run the block until it ends or Ctrl-C or SIGTERM ends it, which is no error."""
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    except (KeyboardInterrupt, ToldToEnd):
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let a block that tidies up finish, however often Ctrl-C is pressed."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
