"""A real Postgres and a real Redis from wheels, where no URL of others is set.

They live under `var/postgres` and `var/redis`, start when first needed, are shared by every process that uses
the same `var`, and end with the last of them (see `server.py`).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotation_site.embedded.postgres_server import Postgres
    from annotation_site.embedded.redis_server import Redis

NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Postgres settings for data that nobody will miss, as in tests."""


@cache
def postgres(var: Path) -> Postgres:
    """The Postgres of a `var` directory, running or not.

    With MASKGROVE_THROWAWAY=1 in the environment, as in tests, its data need not outlive a crash.
    """
    from annotation_site.embedded.postgres_server import Postgres

    throwaway = os.environ.get("MASKGROVE_THROWAWAY") == "1"
    return Postgres(var.resolve() / "postgres", NOT_DURABLE if throwaway else None)


@cache
def redis(var: Path) -> Redis:
    """The Redis of a `var` directory, running or not."""
    from annotation_site.embedded.redis_server import Redis

    return Redis(var.resolve() / "redis")


def ensure_postgres(var: Path) -> str:
    """Start the Postgres of `var` unless it runs; its URL, as libpq and DATABASE_URL have it."""
    server = postgres(var)
    server.ensure()
    return server.url


def ensure_redis(var: Path) -> str:
    """Start the Redis of `var` unless it runs; its URL, as redis-py and REDIS_URL have it."""
    server = redis(var)
    server.ensure()
    return server.url


def release(var: Path) -> None:
    """Stop using both; they end if no other process uses them."""
    redis(var).release()
    postgres(var).release()


def secret_key(var: Path) -> str:
    """The secret of this installation, made on first use and readable by its owner alone."""
    path = var / "secret_key"
    if not path.exists():
        var.mkdir(parents=True, exist_ok=True)
        made = var / f"secret_key.{os.getpid()}"
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(50))
        with suppress(FileExistsError):  # Another process was first; its secret is ours.
            os.link(made, path)
        made.unlink()
    return path.read_text()
