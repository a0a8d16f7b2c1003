"""Each thing that Prolific is told, safe to repeat: what is there is read back first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from annotation_site.marketplaces.models import Action, Environment, Listing
from annotation_site.marketplaces.prolific.calls import call, pages, submission, submission_path
from annotation_site.marketplaces.prolific.codes import completion_codes
from annotation_site.marketplaces.public import arrival_url
from annotation_site.marketplaces.seam import Refused, Unavailable
from annotation_site.people.models import Worker

Told = dict[str, str]
IDS = "PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
CENTS = 100
LEAST_REJECTION = 100
"""Characters that a rejection has to say at least."""


def prepare(action: Action) -> Told:
    """The study, as a draft; found again by its internal name."""
    listing = action.listing
    if "study" in listing.remote:
        return {}
    for study in pages("studies/"):
        if study.get("internal_name") == _internal_name(listing):
            return {"study": str(study["id"])}
    return {"study": str(call("POST", "studies/", json=_study(listing))["id"])}


def _internal_name(listing: Listing) -> str:
    return f"maskgrove-{listing.key}"


def _study(listing: Listing) -> dict[str, Any]:
    return {
        "name": listing.title,
        "internal_name": _internal_name(listing),
        "description": listing.description,
        "external_study_url": f"{arrival_url(listing)}?{IDS}",
        "prolific_id_option": "url_parameters",
        "completion_codes": completion_codes(listing),
        "total_available_places": listing.places,
        "estimated_completion_time": _minutes(listing),
        "maximum_allowed_time": listing.minutes,
        "reward": int(listing.reward * CENTS),
        "device_compatibility": ["desktop", "tablet", "mobile"],
        "filters": listing.wants.get("filters", []),
    }


def _minutes(listing: Listing) -> int:
    return max(1, int(listing.wants.get("estimated_minutes", 3)))


def post(action: Action) -> Told:
    """Publish the study; in the sandbox it stays a draft, which its own researchers can preview."""
    study = _study_of(action)
    is_real = action.listing.environment == Environment.PRODUCTION
    if is_real and call("GET", f"studies/{study}/")["status"] == "UNPUBLISHED":
        call("POST", f"studies/{study}/transition/", json={"action": "PUBLISH"})
    return {"external_id": study}


def withdraw(action: Action) -> Told:
    """Nobody new comes from now on."""
    study = _study_of(action)
    if call("GET", f"studies/{study}/")["status"] in ("ACTIVE", "PAUSED"):
        call("POST", f"studies/{study}/transition/", json={"action": "STOP"})
    return {}


def approve(action: Action) -> Told:
    """Pay the reward; what is approved stays so."""
    status = _status(action)
    if status in ("APPROVED", "PARTIALLY APPROVED"):
        return {}
    if status != "AWAITING REVIEW":
        raise Refused(f"The submission is {status.lower()} at Prolific and cannot be approved.")
    _transition(action, {"action": "APPROVE"})
    return {}


def reject(action: Action) -> Told:
    """Pay nothing. Only ever asked for by a person."""
    if len(action.reason) < LEAST_REJECTION:
        raise Refused(f"Prolific wants a reason of at least {LEAST_REJECTION} characters.")
    if _status(action) != "REJECTED":
        told = {"message": action.reason, "rejection_category": "LOW_EFFORT"}
        _transition(action, {"action": "REJECT", **told})
    return {}


def override(action: Action) -> Told:
    """Approve what was rejected."""
    if _status(action) != "APPROVED":
        _transition(action, {"action": "APPROVE"})
    return {}


def bonus(action: Action) -> Told:
    """Pay more: set it up, then let it go. Prolific knows no tokens, so a second try looks first."""
    if action.tries > 1 and _is_paid(action):
        return {}
    line = f"{_submission_id(action)},{action.money:.2f}"
    made = call(
        "POST", "submissions/bonus-payments/", json={"study_id": _study_of(action), "csv_bonuses": line}
    )
    call("POST", f"bulk-bonus-payments/{made['id']}/pay/")
    return {}


def _is_paid(action: Action) -> bool:
    """Whether more such bonuses are there than were told before."""
    assert action.money is not None
    cents = int(action.money * CENTS)
    told = Action.objects.filter(submission=action.submission, kind=action.kind, money=action.money)
    there = submission(_submission_id(action)).get("bonus_payments") or []
    return sum(int(paid) == cents for paid in there) > int(told.filter(done_at__isnull=False).count())


def release(action: Action) -> Told:
    """Ask the participant to return it, which costs neither side anything."""
    if _status(action) in ("ACTIVE", "AWAITING REVIEW"):
        body = {"request_return_reasons": [action.reason or "Other"]}
        call("POST", f"{submission_path(_submission_id(action))}/request-return/", json=body)
    return {}


def message(action: Action) -> Told:
    """Write to the participant. A second try looks first whether it is there."""
    assert action.worker is not None
    if action.tries > 1 and _is_written(action, action.worker):
        return {}
    told = {
        "recipient_id": action.worker.external_id, "body": action.reason, "study_id": _study_of(action),
    }  # fmt: skip
    call("POST", "messages/", json=told)
    return {}


def _is_written(action: Action, worker: Worker) -> bool:
    """Whether more such messages are there than were told before."""
    told = Action.objects.filter(worker=worker, kind=action.kind, reason=action.reason, done_at__isnull=False)
    there = call("GET", "messages/", params={"user_id": worker.external_id}).get("results", [])
    return [found.get("body") for found in there].count(action.reason) > told.count()


def nothing(action: Action) -> Told:  # noqa: ARG001
    """Prolific has no such thing; this site remembers who passed and who was stopped."""
    return {}


def _transition(action: Action, body: dict[str, Any]) -> None:
    call("POST", f"{submission_path(_submission_id(action))}/transition/", json=body)


def _status(action: Action) -> str:
    """The submission's status; nobody is paid whose id Prolific gives to another participant."""
    found = submission(_submission_id(action))
    assert action.submission is not None
    if found.get("participant_id", found.get("participant")) != action.submission.worker.external_id:
        raise Refused(f"Prolific knows submission {_submission_id(action)} of another participant.")
    return str(found["status"]).replace("_", " ").upper()


def _submission_id(action: Action) -> str:
    assert action.submission is not None
    return action.submission.external_id


def _study_of(action: Action) -> str:
    study: str | None = action.listing.remote.get("study")
    if study is None:
        raise Unavailable("The study comes first.")
    return study


VERBS: Mapping[str, Callable[[Action], Told]] = {
    Action.Kind.PREPARE: prepare,
    Action.Kind.POST: post,
    Action.Kind.WITHDRAW: withdraw,
    Action.Kind.GRANT: nothing,
    Action.Kind.REVOKE: nothing,
    Action.Kind.APPROVE: approve,
    Action.Kind.REJECT: reject,
    Action.Kind.OVERRIDE: override,
    Action.Kind.BONUS: bonus,
    Action.Kind.RELEASE: release,
    Action.Kind.MESSAGE: message,
}
"""Kind of action -> what it does there."""
