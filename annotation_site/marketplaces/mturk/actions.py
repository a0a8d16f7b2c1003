"""Each thing that Mechanical Turk is told, safe to repeat: by a token, or by reading back what is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from annotation_site.marketplaces.models import Action, Listing, Posting
from annotation_site.marketplaces.mturk.notices import EVENTS, VERSION
from annotation_site.marketplaces.mturk.question import QuestionRefused, external_question
from annotation_site.marketplaces.mturk.requirements import PASSED, requirements
from annotation_site.marketplaces.public import arrival_url
from annotation_site.marketplaces.seam import Refused, Unavailable

Told = dict[str, str]
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
DAY = 24 * 60 * 60
APPROVED_AFTER = 3 * DAY
"""By itself, if this site never comes to it; until then work could be rejected by hand."""
POSTED_FOR = 14 * DAY


def prepare(turk: Any, action: Action) -> Told:
    """The qualification, the HIT types and where news go. The same HIT type again is the same id."""
    listing, given = action.listing, dict(action.listing.remote)
    if listing.wants.get("testers") and "qualification" not in given:
        given["qualification"] = _qualification(turk, listing)
    listing.remote = given
    purposes = [Posting.Purpose.WORK]
    if "qualification" in given:
        purposes.append(Posting.Purpose.TEST)
    for purpose in purposes:
        given[purpose.value] = _hit_type(turk, listing, purpose)
        if settings.MTURK_QUEUE_URL:
            _tell_of(turk, given[purpose.value])
    return given


def _qualification(turk: Any, listing: Listing) -> str:
    """Our own qualification type, found again by its name."""
    name = f"Maskgrove {listing.key}"
    found = turk.list_qualification_types(Query=name, MustBeRequestable=False, MustBeOwnedByCaller=True)
    for kind in found.get("QualificationTypes", []):
        if kind["Name"] == name:
            return str(kind["QualificationTypeId"])
    description = f"Passed the test of: {listing.title}"
    made = turk.create_qualification_type(
        Name=name, Description=description, QualificationTypeStatus="Active"
    )
    return str(made["QualificationType"]["QualificationTypeId"])


def _hit_type(turk: Any, listing: Listing, purpose: str) -> str:
    is_test = purpose == Posting.Purpose.TEST
    made = turk.create_hit_type(
        Title=f"Test: {listing.title}"[:128] if is_test else listing.title,
        Description=listing.description,
        Keywords=listing.keywords,
        Reward=f"{listing.reward_for(purpose):.2f}",
        AssignmentDurationInSeconds=listing.minutes * 60,
        AutoApprovalDelayInSeconds=APPROVED_AFTER,
        QualificationRequirements=requirements(listing, purpose),
    )
    return str(made["HITTypeId"])


def _tell_of(turk: Any, hit_type: str) -> None:
    turk.update_notification_settings(
        HITTypeId=hit_type,
        Active=True,
        Notification={
            "Destination": settings.MTURK_QUEUE_URL,
            "Transport": "SQS",
            "Version": VERSION,
            "EventTypes": list(EVENTS),
        },
    )


def post(turk: Any, action: Action) -> Told:
    """A HIT. The token ends after a day, so a second try looks first whether it is there."""
    posting = _posting(action)
    hit_type = action.listing.remote.get(posting.purpose)
    if hit_type is None:
        raise Unavailable("The HIT types come first.")
    mine = f"{action.token}"
    if action.tries > 1 and (there := _posted(turk, mine)):
        return {"external_id": there}
    try:
        question = external_question(arrival_url(action.listing))
    except QuestionRefused as error:
        raise Refused(str(error)) from error
    made = turk.create_hit_with_hit_type(
        HITTypeId=hit_type,
        MaxAssignments=posting.places,
        LifetimeInSeconds=POSTED_FOR,
        Question=question,
        RequesterAnnotation=mine,
        UniqueRequestToken=mine,
    )
    return {"external_id": made["HIT"]["HITId"]}


def _posted(turk: Any, annotation: str) -> str | None:
    for page in turk.get_paginator("list_hits").paginate(PaginationConfig={"PageSize": 100}):
        for hit in page.get("HITs", []):
            if hit.get("RequesterAnnotation") == annotation:
                return str(hit["HITId"])
    return None


def withdraw(turk: Any, action: Action) -> Told:
    """Nobody can take the HIT from now on; who has it goes on."""
    posting = _posting(action)
    if posting.external_id:
        turk.update_expiration_for_hit(HITId=posting.external_id, ExpireAt=LONG_AGO)
    return {}


def grant(turk: Any, action: Action) -> Told:
    """Note how a worker did in our test, without a mail to them."""
    turk.associate_qualification_with_worker(
        QualificationTypeId=action.listing.remote["qualification"],
        WorkerId=_worker_id(action),
        IntegerValue=PASSED if action.score is None else action.score,
        SendNotification=False,
    )
    return {}


def revoke(turk: Any, action: Action) -> Told:
    """Take our qualification away; who has none is left alone."""
    kind, worker = action.listing.remote["qualification"], _worker_id(action)
    try:
        score = turk.get_qualification_score(QualificationTypeId=kind, WorkerId=worker)
    except turk.exceptions.RequestError:
        return {}
    if score["Qualification"]["Status"] == "Granted":
        turk.disassociate_qualification_from_worker(
            WorkerId=worker, QualificationTypeId=kind, Reason=action.reason
        )
    return {}


def approve(turk: Any, action: Action) -> Told:
    """Pay the reward; what is approved stays so."""
    assignment = _assignment(turk, action)
    if assignment["AssignmentStatus"] == "Rejected":
        raise Refused("It was rejected; approve it after all by hand.")
    if assignment["AssignmentStatus"] != "Approved":
        turk.approve_assignment(AssignmentId=assignment["AssignmentId"])
    return {}


def reject(turk: Any, action: Action) -> Told:
    """Pay nothing. Only ever asked for by a person."""
    assignment = _assignment(turk, action)
    if assignment["AssignmentStatus"] == "Approved":
        raise Refused("It was approved and paid.")
    if assignment["AssignmentStatus"] != "Rejected":
        turk.reject_assignment(AssignmentId=assignment["AssignmentId"], RequesterFeedback=action.reason)
    return {}


def override(turk: Any, action: Action) -> Told:
    """Approve what was rejected."""
    assignment = _assignment(turk, action)
    if assignment["AssignmentStatus"] != "Approved":
        turk.approve_assignment(AssignmentId=assignment["AssignmentId"], OverrideRejection=True)
    return {}


def bonus(turk: Any, action: Action) -> Told:
    """Pay more. A second try reads back what was paid: the token ends after a day."""
    assignment = _assignment(turk, action)
    if action.tries > 1 and _is_paid(turk, action):
        return {}
    turk.send_bonus(
        WorkerId=assignment["WorkerId"],
        AssignmentId=assignment["AssignmentId"],
        BonusAmount=f"{action.money:.2f}",
        Reason=action.reason,
        UniqueRequestToken=f"{action.token}",
    )
    return {}


def _is_paid(turk: Any, action: Action) -> bool:
    """Whether more such bonuses are there than were told before."""
    assert action.submission is not None
    same = {"kind": action.kind, "money": action.money, "reason": action.reason}
    before = Action.objects.filter(submission=action.submission, done_at__isnull=False, **same).count()
    there = 0
    pages = turk.get_paginator("list_bonus_payments").paginate(AssignmentId=action.submission.external_id)
    for page in pages:
        for paid in page.get("BonusPayments", []):
            there += (paid["BonusAmount"], paid["Reason"]) == (f"{action.money:.2f}", action.reason)
    return there > before


def message(turk: Any, action: Action) -> Told:
    """A mail to the worker. It has no token: where the answer is lost, they get it twice."""
    sent = turk.notify_workers(
        Subject=action.listing.title, MessageText=action.reason, WorkerIds=[_worker_id(action)]
    )
    for failed in sent.get("NotifyWorkersFailureStatuses", []):
        told = failed.get("NotifyWorkersFailureMessage", "Mechanical Turk did not pass the message on.")
        raise Unavailable(told) if failed.get("NotifyWorkersFailureCode") == "SoftFailure" else Refused(told)
    return {}


def _assignment(turk: Any, action: Action) -> dict[str, Any]:
    """The assignment as the marketplace has it; nobody is paid whose id it gives to another worker."""
    assert action.submission is not None
    found: dict[str, Any] = turk.get_assignment(AssignmentId=action.submission.external_id)["Assignment"]
    if found["WorkerId"] != action.submission.worker.external_id:
        raise Refused(f"Mechanical Turk knows assignment {found['AssignmentId']} of another worker.")
    return found


def _worker_id(action: Action) -> str:
    assert action.worker is not None
    return action.worker.external_id


def _posting(action: Action) -> Posting:
    assert action.posting is not None
    return action.posting


def _unknown(turk: Any, action: Action) -> Told:  # noqa: ARG001
    raise Refused("Mechanical Turk has no such request: workers return what they do not want.")


VERBS: Mapping[str, Callable[[Any, Action], Told]] = {
    Action.Kind.PREPARE: prepare,
    Action.Kind.POST: post,
    Action.Kind.WITHDRAW: withdraw,
    Action.Kind.GRANT: grant,
    Action.Kind.REVOKE: revoke,
    Action.Kind.APPROVE: approve,
    Action.Kind.REJECT: reject,
    Action.Kind.OVERRIDE: override,
    Action.Kind.BONUS: bonus,
    Action.Kind.RELEASE: _unknown,
    Action.Kind.MESSAGE: message,
}
"""Kind of action -> what it does there."""
