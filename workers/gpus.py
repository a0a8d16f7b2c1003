"""What a worker says of its GPUs when the site asks who is there."""

from __future__ import annotations

import subprocess
from functools import cache
from typing import Any

from celery.worker.control import inspect_command


@inspect_command()
def gpus(_state: Any) -> list[str]:
    """The machine's GPUs by name; none where there is no driver."""
    return _listed()


@cache
def _listed() -> list[str]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in told.splitlines() if line.strip()]
