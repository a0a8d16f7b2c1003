"""Django's PostgreSQL backend that starts the embedded server with the first connection.

So settings can be read, and commands that touch no data run, without a server.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from psycopg import OperationalError

from annotation_site import embedded
from annotation_site.connections import base


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's; a server that is not there is started, also when it was killed meanwhile."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        server = embedded.postgres(settings.VAR)
        server.hold()
        try:
            return super().get_new_connection(conn_params)
        except OperationalError:
            server.ensure()
            return super().get_new_connection(conn_params)
