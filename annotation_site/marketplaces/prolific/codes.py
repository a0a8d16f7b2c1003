"""Completion codes: what a participant brings back to Prolific. Made from the listing, kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.crypto import salted_hmac

from annotation_site.marketplaces.models import Listing
from annotation_site.marketplaces.seam import Ending

CODE_TYPES: Mapping[str, str] = {
    Ending.DONE: "COMPLETED",
    Ending.SCREENED_OUT: "FAILED_SCREENER",
    Ending.NOTHING_LEFT: "NO_PLACES",
}
"""How a visit ended -> what kind of code the study has for it."""


def code(listing: Listing, ending: str) -> str:
    """The code of an ending; nobody can make it without this site's secret key."""
    made = salted_hmac("maskgrove.prolific", f"{listing.key}:{ending}", algorithm="sha256")
    return made.hexdigest()[:10].upper()


def completion_codes(listing: Listing) -> list[dict[str, object]]:
    """The codes in the API's words. This site approves by itself, so all of them wait for it."""
    return [
        {"code": code(listing, ending), "code_type": kind, "actions": [{"action": "MANUALLY_REVIEW"}]}
        for ending, kind in CODE_TYPES.items()
    ]
