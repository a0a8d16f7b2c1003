"""Connections to Mechanical Turk and to its queue, from settings. boto3 comes with the extra `mturk`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.conf import settings

from annotation_site.marketplaces.models import Environment
from annotation_site.marketplaces.seam import NotConfigured, Refused, Unavailable

ENDPOINTS = {
    Environment.SANDBOX.value: "https://mturk-requester-sandbox.us-east-1.amazonaws.com",
    Environment.PRODUCTION.value: "https://mturk-requester.us-east-1.amazonaws.com",
}
PASSING = {
    "ServiceFault", "Throttling", "ThrottlingException", "RequestLimitExceeded", "ServiceUnavailable",
    "InternalFailure", "RequestTimeout",
}  # fmt: skip
"""Codes of errors that pass by themselves."""


def requester(environment: str) -> Any:
    """The client of the requester API.

    Raises
    ------
    NotConfigured
        When boto3 is not installed, keys are missing, or production was not asked for.
    """
    if environment == Environment.PRODUCTION and not settings.MTURK_PRODUCTION:
        raise NotConfigured("MTURK_PRODUCTION is not set: only the sandbox is used.")
    endpoint = settings.MTURK_ENDPOINT_URL or ENDPOINTS[environment]
    return _client("mturk", endpoint, settings.MTURK_ACCESS_KEY_ID, settings.MTURK_SECRET_ACCESS_KEY)


def queue() -> Any:
    """The client of SQS, where Mechanical Turk leaves its news. Raises NotConfigured."""
    endpoint = settings.MTURK_QUEUE_ENDPOINT_URL or None
    return _client("sqs", endpoint, settings.MTURK_ACCESS_KEY_ID, settings.MTURK_SECRET_ACCESS_KEY)


@cache
def _client(service: str, endpoint: str | None, key: str, secret: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise NotConfigured("Install boto3: pip install 'maskgrove[mturk]'.") from error
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=key or None,
        aws_secret_access_key=secret or None,
        config=Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 2}),
    )


@contextmanager
def told_apart() -> Iterator[None]:
    """Errors of boto3 as the seam's: what passes, what is refused, what is not set up.

    Raises
    ------
    Unavailable, Refused, NotConfigured
    """
    from botocore import exceptions as boto

    try:
        yield
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise NotConfigured("Set MTURK_ACCESS_KEY_ID and MTURK_SECRET_ACCESS_KEY.") from error
    except boto.ParamValidationError as error:
        raise Refused(f"Mechanical Turk cannot be asked that: {error}") from error
    except boto.ClientError as error:
        raise _of_client(error) from error
    except boto.BotoCoreError as error:
        raise Unavailable(f"Mechanical Turk cannot be reached: {error}") from error


def _of_client(error: Any) -> Refused | Unavailable:
    told = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    text = f"Mechanical Turk says: {told.get('Message', error)}"
    passes = told.get("Code") in PASSING or status >= 500 or status == 429
    return Unavailable(text) if passes else Refused(text)
