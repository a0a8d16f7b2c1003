"""Where the parts of a project's client send their requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maskgrove_client.connection import Connection


class ProjectScope:
    """One project of one site."""

    def __init__(self, connection: Connection, slug: str) -> None:
        self._connection, self.slug = connection, slug

    def _get(self, path: str = "", **query: Any) -> Any:
        return self._connection.get(self._at(path), **query)

    def _pages(self, path: str, **query: Any) -> Iterator[Any]:
        return self._connection.pages(self._at(path), **query)

    def _send(self, method: str, path: str = "", **body: Any) -> Any:
        return self._connection.send(method, self._at(path), body or None)

    def _at(self, path: str) -> str:
        return f"projects/{self.slug}/{path}".rstrip("/")
