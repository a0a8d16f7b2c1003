"""Where files are kept: a folder, or a bucket that speaks S3; one setting, STORAGE_URL, says which.

/srv/maskgrove                                        a folder
s3://bucket/prefix                                    Amazon's, with the credentials that boto3 finds
s3://bucket/prefix?endpoint_url=https://minio:9000    another server's
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured

ALIASES = ("images", "artifacts", "crops")
"""The storages that STORAGE_URL is about, each a folder of it."""

OPTIONS = ("endpoint_url", "region_name", "addressing_style", "use_ssl", "verify")
"""Of django-storages, that may stand in the URL; https://django-storages.readthedocs.io has them all."""


def storages_at(url: str, *, var: Path, access_key: str = "", secret_key: str = "") -> dict[str, Any]:
    """Django's STORAGES for images, artifacts and crops.

    Parameters
    ----------
    url : STORAGE_URL; empty for folders of `var`
    access_key, secret_key : for S3; empty for those that boto3 finds by itself

    Raises
    ------
    ImproperlyConfigured
        When the URL is of no known kind, or has options that are not known.
    """
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        folder = Path(parts.path) if url else var
        return {alias: _folder(folder / alias) for alias in ALIASES}
    if parts.scheme != "s3" or not parts.netloc:
        raise ImproperlyConfigured(f"STORAGE_URL is {url!r}: give a folder, or s3://bucket/prefix.")
    given = dict(parse_qsl(parts.query))
    if unknown := sorted(set(given) - set(OPTIONS)):
        raise ImproperlyConfigured(f"STORAGE_URL has unknown options {unknown}; there are {list(OPTIONS)}.")
    options: dict[str, Any] = {"bucket_name": parts.netloc, **given, **_keys(access_key, secret_key)}
    prefix = parts.path.strip("/")
    return {alias: _bucket({**options, "location": f"{prefix}/{alias}".strip("/")}) for alias in ALIASES}


def is_away(error: BaseException) -> bool:
    """Whether a bucket could not be reached, or had too much to do."""
    if isinstance(error, _given_up()):
        return True
    aws = sys.modules.get("botocore.exceptions")
    if aws is None:  # There is no bucket.
        return False
    if isinstance(error, aws.ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return isinstance(error, aws.HTTPClientError | aws.ConnectionError | aws.IncompleteReadError)


def storage_errors() -> tuple[type[Exception], ...]:
    """What reading and writing raises where a folder or a bucket fails, or has no such file."""
    return (OSError, *_raised("botocore.exceptions", "BotoCoreError", "ClientError"), *_given_up())


def _given_up() -> tuple[type[Exception], ...]:
    """What is raised when a download broke off each time it was begun again: by the transfer, or by boto3."""
    modules = ("s3transfer.exceptions", "boto3.exceptions")
    return tuple(kind for module in modules for kind in _raised(module, "RetriesExceededError"))


def _raised(module: str, *names: str) -> tuple[type[Exception], ...]:
    """Exceptions of a module; none where it was never imported, since there is no bucket."""
    found = sys.modules.get(module)
    return tuple(getattr(found, name) for name in names) if found else ()


def _folder(location: Path) -> Mapping[str, Any]:
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": location}}


def _bucket(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"BACKEND": "annotation_site.object_storage.ObjectStorage", "OPTIONS": options}


def _keys(access_key: str, secret_key: str) -> Mapping[str, str]:
    return {"access_key": access_key, "secret_key": secret_key} if access_key else {}
