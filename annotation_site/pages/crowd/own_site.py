"""A server of the site inside this process, for a crowd that has no other one to go to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application

HOST = "127.0.0.1"


class _Silent(WSGIRequestHandler):
    """Logs no requests: the crowd's progress is on this terminal."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def own_site() -> Iterator[str]:
    """The address of a server that runs until the block is left. It listens on this machine only."""
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, HOST]
    server = ThreadedWSGIServer((HOST, 0), _Silent)
    server.set_app(get_internal_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, name="own site", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
