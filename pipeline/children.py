"""Pools of processes that end with the one that began them."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

LOOK_EVERY = 0.5
"""Seconds between two looks whether the parent is still there."""


def pool(processes: int) -> ProcessPoolExecutor:
    """An executor of new processes, none of which outlives its parent, even one that is killed with -9."""
    return ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=partial(_end_with, os.getpid())
    )


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, which executors do not notice by themselves."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
