"""Buckets as places to import from: S3's by boto3, others by what fsspec has for them.

A URL names a bucket and a prefix and nothing else: where its server is, and by what credentials it is read,
is the business of those who run the site.
"""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from annotation_site.catalog.originals import FILE_SUFFIXES
from annotation_site.catalog.places import FetchedPlace, written


class BucketUnavailable(ValueError):
    """A bucket that cannot be listed or read; the message says what to do."""


class Bucket(Protocol):
    """Named bytes."""

    def listing(self) -> Iterable[str]:
        """The names of all objects below the prefix, without it."""

    def fetch(self, key: str, target: Path) -> None:
        """Copy an object to a file.

        Raises
        ------
        FileNotFoundError
        """


class BucketPlace(FetchedPlace):
    """The objects below a prefix."""

    def __init__(self, url: str, bucket: Bucket) -> None:
        self._url, self._bucket = url, bucket

    def __str__(self) -> str:
        return self._url

    def names(self) -> Iterator[str]:
        return (key for key in self._bucket.listing() if _is_image(key))

    def sought(self, file_name: str) -> tuple[str, ...]:
        path = written(file_name)
        inside = posixpath.normpath(str(path))
        stays = not inside.startswith(("../", "/")) and inside not in ("..", ".")
        return tuple(dict.fromkeys([*([inside] if stays else []), *([path.name] if path.name else [])]))

    def fetch(self, name: str, target: Path) -> None:
        self._bucket.fetch(name, target)

    @contextmanager
    def annotations(self, named: str) -> Iterator[Path | None]:
        """The COCO file of that name, on this machine; None where none is named."""
        if not named:
            yield None
            return
        with TemporaryDirectory(prefix="maskgrove-import-") as folder:
            target = Path(folder, PurePosixPath(named).name or "annotations")
            try:
                self.fetch((*self.sought(named), named)[0], target)
            except FileNotFoundError as error:
                raise BucketUnavailable(f"There is no object {named} in {self}.") from error
            yield target


def _is_image(key: str) -> bool:
    path = PurePosixPath(key)
    return path.suffix.lower() in FILE_SUFFIXES and not any(part.startswith(".") for part in path.parts)


class S3Bucket:
    """A bucket that speaks S3, with the endpoint and the credentials that boto3 finds by itself."""

    def __init__(self, url: str) -> None:
        import boto3

        name, _, prefix = url.removeprefix("s3://").partition("/")
        self._client: Any = boto3.client("s3")
        self._name, self._prefix = name, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""

    def listing(self) -> Iterator[str]:
        from botocore.exceptions import BotoCoreError, ClientError

        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(Bucket=self._name, Prefix=self._prefix):
                for found in page.get("Contents", ()):
                    yield found["Key"].removeprefix(self._prefix)
        except (BotoCoreError, ClientError) as error:
            raise BucketUnavailable(f"The bucket {self._name} cannot be listed ({error}).") from error

    def fetch(self, key: str, target: Path) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self._client.get_object(Bucket=self._name, Key=f"{self._prefix}{key}")["Body"]
            with target.open("wb") as file:
                shutil.copyfileobj(found, file)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
                raise FileNotFoundError(key) from error
            raise BucketUnavailable(f"{key} of {self._name} cannot be read ({error}).") from error
        except BotoCoreError as error:
            raise BucketUnavailable(f"{key} of {self._name} cannot be read ({error}).") from error


class OtherBucket:
    """What fsspec has a file system for, as gs:// by gcsfs, az:// by adlfs, memory://."""

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise BucketUnavailable(f"{url} needs a package that is not installed: {error}") from error

    def listing(self) -> Iterator[str]:
        for path in self._files.find(self._root):
            yield path.removeprefix(self._root).lstrip("/")

    def fetch(self, key: str, target: Path) -> None:
        self._files.get_file(f"{self._root.rstrip('/')}/{key}", str(target))


def bucket_place(url: str) -> BucketPlace:
    """The place of a URL, which is allowed already.

    Raises
    ------
    BucketUnavailable
    """
    try:
        return BucketPlace(url, S3Bucket(url) if url.startswith("s3://") else OtherBucket(url))
    except ImportError as error:
        raise BucketUnavailable(f"{url} needs {error.name}: pip install 'maskgrove[s3]'.") from error
