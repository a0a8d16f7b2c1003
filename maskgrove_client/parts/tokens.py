"""One's API tokens, by one of scope admin that is for all projects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from maskgrove_client.connection import Connection
from maskgrove_client.records import ApiToken, NewApiToken


class Tokens:
    """Made for programs that need less, and revoked."""

    _connection: Connection

    def tokens(self) -> Iterator[ApiToken]:
        """Those that were not revoked, the newest first."""
        return self._connection.pages("tokens")

    def make_token(
        self,
        name: str,
        scope: Literal["read", "write", "admin"],
        *,
        expires_at: str | None = None,
        projects: Sequence[str] | None = None,
    ) -> NewApiToken:
        """Make a token, whose `secret` is told now and not again; it ends with the one that makes it.

        Parameters
        ----------
        expires_at : as "2030-01-31T12:00:00Z"
        projects : slugs of those that it is for alone
        """
        asked = {"name": name, "scope": scope, "expires_at": expires_at, "projects": projects}
        given = {field: value for field, value in asked.items() if value is not None}
        made: NewApiToken = self._connection.send("POST", "tokens", given)
        return made

    def revoke_token(self, token: int) -> None:
        """Let it, and those that it made, open nothing any more. Any token may revoke itself."""
        self._connection.send("DELETE", f"tokens/{token}")
