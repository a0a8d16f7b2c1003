"""How the compiled kernels are compiled: without the GIL, without numba's own threads, kept on disk.

Kernels never use numba's parallel mode. Work is spread over ordinary Python threads that call the
kernels (see docs/adr/threads-around-compiled-kernels.md), so a forked Celery child, a thread
of a web server and a notebook are all safe places to call from, and nothing spins while it waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"nnan", "nsz", "arcp", "contract"},
}


def compiled(function: F) -> F:
    """`function` as machine code, compiled at its first call and found again by later processes.

    Where no directory can be written (a read-only image without a home), it is compiled anew by
    each process instead of failing. Arguments must hold no NaN: comparisons assume so.
    """
    try:
        return cast(F, numba.njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # numba: "no locator available", nowhere to keep the machine code
        return cast(F, numba.njit(**_OPTIONS)(function))
