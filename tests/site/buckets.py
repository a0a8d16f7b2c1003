"""A real S3 server for tests: moto's, in a thread of this process, with a bucket of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import boto3
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

KEYS = {"var": Path("unused"), "access_key": "testing", "secret_key": "testing"}
"""What `storages_at` is given beside the URL."""

NUMBERS = count()


@cache
def server() -> str:
    """The root of the server, which ends with the process."""
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    return f"http://{host}:{port}"


@contextmanager
def new_bucket() -> Iterator[str]:
    """The STORAGE_URL of an empty bucket."""
    name = f"maskgrove-{next(NUMBERS)}"
    client = boto3.client(
        "s3",
        endpoint_url=server(),
        region_name="us-east-1",
        aws_access_key_id=KEYS["access_key"],
        aws_secret_access_key=KEYS["secret_key"],
    )
    client.create_bucket(Bucket=name)
    yield f"s3://{name}/some/prefix?endpoint_url={server()}&region_name=us-east-1"
