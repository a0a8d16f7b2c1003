"""Django's PostgreSQL backend that asks a kept connection nothing before each request that uses it."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's; a connection is tried only if something has come on it meanwhile.

    A server that went away has closed it, which is seen without asking. Hundreds of answers a second would
    wait for a statement each otherwise (CONN_HEALTH_CHECKS).
    """

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        return not _has_come(self.connection.fileno()) or bool(super().is_usable())


def _has_come(descriptor: int) -> bool:
    """Whether there is something to be read, if only the end."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
