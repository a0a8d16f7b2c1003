"""Commands and workers in processes of their own, on the database and the files of the running test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from annotation_site import embedded

BROKER = 5
"""A Redis database that nothing else uses."""


def environment() -> dict[str, str]:
    """Variables that lead another process to this test's rows, and to the files under settings.VAR."""
    servers = Path(os.environ["MASKGROVE_VAR"])
    url = urlsplit(embedded.ensure_postgres(servers))._replace(path=connection.settings_dict["NAME"])
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "annotation_site.settings",
        "DATABASE_URL": url.geturl(),
        "REDIS_URL": f"{embedded.ensure_redis(servers)}?virtual_host={BROKER}",
        "MASKGROVE_VAR": str(settings.VAR),
    }


@contextmanager
def running(*words: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program, killed when the block ends; what it says is in `log`."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=settings.BASE_DIR, env=environment(), stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def managed(*words: str) -> subprocess.CompletedProcess[str]:
    """A management command, run to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *words], cwd=settings.BASE_DIR, env=environment(), check=False,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
