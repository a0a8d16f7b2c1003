"""Which workers of Mechanical Turk may take a place."""

from __future__ import annotations

from typing import Any

from annotation_site.marketplaces.models import Environment, Listing, Posting

PERCENT_APPROVED = "000000000000000000L0"
NUMBER_APPROVED = "00000000000000000040"
LOCALE = "00000000000000000071"
MASTERS = {
    Environment.PRODUCTION.value: "2F1QJWKUDD8XADTFD2Q0G6UTO95ALH",
    Environment.SANDBOX.value: "2ARFPLSP75KLA8M8DH1HTEQVJT3SY6",
}
MOST = 10
"""Requirements that a HIT type may have."""
GUARDED = "PreviewAndAccept"
PASSED = 1
"""The least value of our own qualification with which work is given."""

Requirement = dict[str, Any]


def requirements(listing: Listing, purpose: str) -> list[Requirement]:
    """Requirements in the API's words: those the admin chose, and our own qualification.

    The test is for those who never took it; work is for those who passed.
    """
    wants = listing.wants
    found: list[Requirement] = []
    if wants.get("least_rate"):
        found.append(_at_least(PERCENT_APPROVED, wants["least_rate"]))
    if wants.get("least_approved"):
        found.append(_at_least(NUMBER_APPROVED, wants["least_approved"]))
    if wants.get("locales"):
        found.append(_require(LOCALE, "In", LocaleValues=[{"Country": code} for code in wants["locales"]]))
    if wants.get("masters"):
        found.append(_require(MASTERS[listing.environment], "Exists"))
    own = listing.remote.get("qualification")
    if own and purpose == Posting.Purpose.TEST:
        found.append(_require(own, "DoesNotExist"))
    elif own:
        found.append(_at_least(own, PASSED))
    return found


def _at_least(qualification: str, value: int) -> Requirement:
    return _require(qualification, "GreaterThanOrEqualTo", IntegerValues=[int(value)])


def _require(qualification: str, comparator: str, **values: Any) -> Requirement:
    return {
        "QualificationTypeId": qualification,
        "Comparator": comparator,
        "ActionsGuarded": GUARDED,
        **values,
    }
