"""News from Mechanical Turk by way of an SQS queue: hints where to look, and what cannot be looked up."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings

from annotation_site.marketplaces.models import Submission
from annotation_site.marketplaces.mturk import clients
from annotation_site.marketplaces.seam import News

VERSION = "2014-08-15"
EVENTS = {
    "AssignmentSubmitted": "",
    "AssignmentApproved": "",
    "AssignmentRejected": "",
    "AssignmentReturned": Submission.State.RETURNED.value,
    "AssignmentAbandoned": Submission.State.RETURNED.value,
}
"""Event -> what it makes of a submission; empty where the API tells, which is asked then."""
MOST = 10

logger = logging.getLogger(__name__)


def received() -> Iterator[News]:
    """Read the queue until it is empty. A message leaves it once all of its news were taken in."""
    queue = clients.queue()
    while messages := _next(queue):
        for message in messages:
            yield from _news(message["Body"])
            with clients.told_apart():
                queue.delete_message(
                    QueueUrl=settings.MTURK_QUEUE_URL, ReceiptHandle=message["ReceiptHandle"]
                )


def _next(queue: Any) -> list[dict[str, Any]]:
    with clients.told_apart():
        answer = queue.receive_message(QueueUrl=settings.MTURK_QUEUE_URL, MaxNumberOfMessages=MOST)
    found: list[dict[str, Any]] = answer.get("Messages", [])
    return found


def _news(body: str) -> Iterator[News]:
    """What a message tells; one that nobody understands is logged, and not read again."""
    try:
        for event in json.loads(body)["Events"]:
            if event["EventType"] in EVENTS:
                at = datetime.fromisoformat(event["EventTimestamp"])
                yield News(event["HITId"], event.get("AssignmentId", ""), EVENTS[event["EventType"]], at)
    except (ValueError, KeyError, TypeError):
        logger.exception("A message of Mechanical Turk's queue is not understood: %.200s", body)
