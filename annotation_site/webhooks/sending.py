"""One request to the very address that was checked: for so long and no longer, and nowhere else."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore

from annotation_site.webhooks.addresses import AddressRefused, check_url, resolve

CONNECT_SECONDS = 5.0
WHOLE_SECONDS = 15.0
"""From the first byte to the last one that is read, however slowly they come."""
READ_MOST = 1024
"""Bytes of a response that are kept; no more are read."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a status and how the response begins; or no status, and why."""

    status: int | None = None
    text: str = ""
    error: str = ""
    elapsed_ms: int = 0

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(url: str, *, body: bytes, headers: Mapping[str, str]) -> Reply:
    """Send a message. Redirects are not followed, proxies of the environment not used; nothing is raised."""
    begun = time.monotonic()
    try:
        check_url(url)
        status, text = _exchange(url, body, headers, begun + WHOLE_SECONDS)
    except AddressRefused as error:
        return Reply(error=str(error))
    except httpcore.TimeoutException:
        return Reply(error="It did not answer in time.", elapsed_ms=_since(begun))
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError, ValueError) as error:
        told = f"{type(error).__name__}: {error}".rstrip(": ")
        return Reply(error=told[:300], elapsed_ms=_since(begun))
    return Reply(status, text, elapsed_ms=_since(begun))


def _exchange(url: str, body: bytes, headers: Mapping[str, str], deadline: float) -> tuple[int, str]:
    timeouts = {
        "connect": CONNECT_SECONDS,
        "read": WHOLE_SECONDS,
        "write": WHOLE_SECONDS,
        "pool": WHOLE_SECONDS,
    }
    told = {**headers, "content-length": str(len(body)), "connection": "close"}
    with (
        httpcore.ConnectionPool(network_backend=Pinned(deadline), retries=0) as pool,
        pool.stream("POST", url, headers=told, content=body, extensions={"timeout": timeouts}) as response,
    ):
        read = b""
        for chunk in response.iter_stream():
            read += chunk
            if len(read) >= READ_MOST:
                break
        return response.status, read[:READ_MOST].decode(errors="replace").replace("\0", "\ufffd")


class Pinned(httpcore.SyncBackend):
    """Connects to addresses that were checked, and to those only; the certificate is still the name's."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that takes it."""
        failed: Exception | None = None
        for address in resolve(host, port)[:2]:
            try:
                stream = super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return Hurried(stream, self.deadline)
        assert failed is not None
        raise failed


class Hurried(httpcore.NetworkStream):
    """A stream that ends at its deadline: a byte now and then would hold a worker for hours."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._left(timeout, httpcore.ConnectTimeout)
        return Hurried(self.stream.start_tls(ssl_context, server_hostname, left), self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)

    def _left(self, timeout: float | None, over: type[httpcore.TimeoutException]) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise over("The deadline has passed.")
        return left if timeout is None else min(timeout, left)


def _since(begun: float) -> int:
    return int((time.monotonic() - begun) * 1000)
