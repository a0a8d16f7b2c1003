"""A bucket as a Django storage, of which only what is read is fetched: a shard's rows, a model's header."""

from __future__ import annotations

import io
from datetime import datetime
from http import HTTPStatus
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from django.core.files import File
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from annotation_site.random_access import RandomAccess

PIECE = 1 << 20
"""Bytes fetched at once, at least: most photos come in one request, and rows of a shard in few."""


PATIENCE = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
"""Seconds, and tries: who waits for a page is told soon that a bucket is away; stages try again later."""


class ObjectStorage(S3Storage):  # type: ignore[misc]
    """S3Storage whose files are read by ranges, and replaced when they are written again."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.client_config: Config = self.client_config.merge(PATIENCE)

    def get_default_settings(self) -> dict[str, Any]:
        return {
            **super().get_default_settings(),
            "file_overwrite": True,
            "default_acl": None,
            "querystring_auth": True,
            "signature_version": "s3v4",
        }

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        if mode != "rb":
            opened: File[bytes] = super()._open(name, mode)
            return opened
        found = self._found(name)
        return File(io.BufferedReader(Ranges(found, found.content_length), PIECE), name)

    def get_modified_time(self, name: str) -> datetime:
        moment: datetime = self._found(name).last_modified
        return moment

    def _found(self, name: str) -> Any:
        """The object of a name, its headers loaded.

        Raises
        ------
        FileNotFoundError
        """
        found = self.bucket.Object(self._normalize_name(clean_name(name)))
        try:
            found.load()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
                raise FileNotFoundError(f"{self.bucket_name} has no object {found.key}") from error
            raise
        return found


class Ranges(RandomAccess):
    """An object's bytes, fetched range by range."""

    def __init__(self, found: Any, size: int) -> None:
        super().__init__(size)
        self._object = found

    def fetch(self, at: int, most: int) -> bytes:
        content: bytes = self._object.get(Range=f"bytes={at}-{at + most - 1}")["Body"].read()
        return content
