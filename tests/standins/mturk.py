"""A stand-in for Mechanical Turk: the requester API, its queue, and the page on which workers work."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from itertools import count
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from tests.standins.aws import RequestError, Service
from tests.standins.serving import Answer, Request, Server

XSD = "{http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2006-07-14/ExternalQuestion.xsd}"
PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"
LARGEST_QUESTION = 65_535


@dataclass
class Hit:
    id: str
    type: dict[str, Any]
    url: str
    max_assignments: int
    annotation: str
    expires: datetime


@dataclass
class Assignment:
    id: str
    hit: Hit
    worker: str
    status: str = "Accepted"
    fields: dict[str, str] = field(default_factory=dict)
    feedback: str = ""


class MTurkStandIn:
    """One requester's account. `at_site` maps the public origin that is posted to where the site listens."""

    def __init__(self, *, at_site: dict[str, str] | None = None, balance: str = "100.00") -> None:
        self.at_site = at_site or {}
        self.balance = Decimal(balance)
        self.ids = count(1)
        self.types: dict[str, dict[str, Any]] = {}
        self.hits: dict[str, Hit] = {}
        self.assignments: dict[str, Assignment] = {}
        self.qualifications: dict[str, str] = {}
        self.scores: dict[tuple[str, str], int] = {}
        self.revoked: set[tuple[str, str]] = set()
        self.bonuses: list[dict[str, Any]] = []
        self.tokens: dict[str, str] = {}
        self.written: list[tuple[str, str]] = []
        self.messages: list[dict[str, Any]] = []
        self.notified: dict[str, dict[str, Any]] = {}
        self.api = Service("mturk", {name: getattr(self, name) for name in OPERATIONS})
        self.queue = Service(
            "sqs", {"ReceiveMessage": self.ReceiveMessage, "DeleteMessage": self.DeleteMessage}
        )
        self.server = Server(self._answer)
        self.url = self.server.url

    def close(self) -> None:
        self.server.close()

    # ── what workers see ──────────────────────────────────────────────────────────────────────

    def _answer(self, request: Request) -> Answer:
        target = request.headers.get("X-Amz-Target", "")
        if target.startswith("AmazonSQS."):
            return self.queue.answer(request)
        if target:
            return self.api.answer(request)
        if request.path == "/mturk/externalSubmit":
            return self._submit(request)
        if request.path == "/accept":
            return self._accept(request)
        if request.path == "/work":
            return self._work(request)
        return Answer(status=204 if request.path == "/favicon.ico" else 404)

    def _work(self, request: Request) -> Answer:
        """A HIT as a worker sees it: our page in a frame, as a preview until they accept."""
        hit = self.hits[request.query["hit"]]
        held = request.query.get("assignment", PREVIEW)
        told = {"assignmentId": held, "hitId": hit.id}
        if held != PREVIEW:
            told |= {"workerId": request.query["worker"], "turkSubmitTo": self.url}
        origin, path = hit.url.split("/", 3)[:3], hit.url.split("/", 3)[3]
        site = self.at_site.get("/".join(origin), "/".join(origin))
        source = f"{site}/{path}{'&' if '?' in path else '?'}{urlencode(told)}"
        accept = (
            f'<form method="post" action="/accept"><input type="hidden" name="hit" value="{hit.id}">'
            f'<input type="hidden" name="worker" value="{escape(request.query["worker"])}">'
            "<button>Accept</button></form>"
        )
        title = escape(hit.type["Title"])
        page = f"""<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>{title}</title>
          <style>body {{ margin: 0; display: grid; grid-template-rows: auto 1fr; height: 100vh; font: 15px sans-serif }}
          header {{ display: flex; gap: 1em; padding: .6em 1em; background: #232f3e; color: #fff; align-items: center }}
          h1 {{ font-size: 1em }} iframe {{ border: 0; width: 100%; height: 100% }}</style>
          <header><h1>{title}</h1> <span>Reward {hit.type["Reward"]}</span> {accept if held == PREVIEW else ""}</header>
          <main><iframe name="work" title="{title}" src="{escape(source)}"></iframe></main>"""
        return Answer(page.encode())

    def _accept(self, request: Request) -> Answer:
        held = self.accept(request.form["hit"], request.form["worker"])
        query = urlencode({"hit": held.hit.id, "worker": held.worker, "assignment": held.id})
        return Answer(status=303, headers={"Location": f"/work?{query}"})

    def _submit(self, request: Request) -> Answer:
        """What a browser posts when the work is done; an id alone is no answer."""
        form = request.form
        assignment = self.assignments.get(form.pop("assignmentId", ""))
        if request.method != "POST" or assignment is None or not form:
            return Answer(b"<h1>There was a problem submitting your results</h1>", 400)
        if assignment.status == "Accepted":
            assignment.status, assignment.fields = "Submitted", form
            self._notify(assignment, "AssignmentSubmitted")
        return Answer(b'<!doctype html><html lang="en"><title>Done</title><h1>Submitted. Thank you!</h1>')

    # ── what happens there ────────────────────────────────────────────────────────────────────

    def accept(self, hit_id: str, worker: str) -> Assignment:
        """A worker takes a place, if the HIT's requirements let them."""
        hit = self.hits[hit_id]
        assert self.may_accept(hit, worker), f"{worker} does not meet the requirements of {hit.type['Title']}"
        taken = [held for held in self.assignments.values() if held.hit is hit and held.status != "Returned"]
        assert len(taken) < hit.max_assignments
        assert hit.expires > datetime.now(UTC)
        assert worker not in {held.worker for held in taken}
        assignment = Assignment(self._id("3ASSIGNMENT"), hit, worker)
        self.assignments[assignment.id] = assignment
        self._notify(assignment, "AssignmentAccepted")
        return assignment

    def may_accept(self, hit: Hit, worker: str) -> bool:
        """Whether the requirements about qualifications of this account hold."""
        for needed in hit.type.get("QualificationRequirements", []):
            kind = needed["QualificationTypeId"]
            if kind not in self.qualifications.values():
                continue
            score = self.scores.get((kind, worker))
            least = needed.get("IntegerValues", [0])[0]
            holds = score is None if needed["Comparator"] == "DoesNotExist" else (score or 0) >= least
            if not holds:
                return False
        return True

    def give_back(self, assignment_id: str) -> None:
        """A worker returns a place."""
        assignment = self.assignments[assignment_id]
        assignment.status = "Returned"
        self._notify(assignment, "AssignmentReturned")

    def _notify(self, assignment: Assignment, event: str) -> None:
        wanted = self.notified.get(assignment.hit.type["HITTypeId"], {}).get("EventTypes", [])
        if event not in wanted:
            return
        told = {
            "EventType": event, "EventTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "HITId": assignment.hit.id, "AssignmentId": assignment.id,
            "HITTypeId": assignment.hit.type["HITTypeId"],
        }  # fmt: skip
        body = json.dumps({"EventDocVersion": "2014-08-15", "Events": [told]})
        self.messages.append({"Body": body, "MessageId": self._id("M"), "ReceiptHandle": self._id("R")})

    def _id(self, prefix: str) -> str:
        return f"{prefix}{next(self.ids):08d}"

    # ── the requester API, operations named as there ──────────────────────────────────────────

    def CreateQualificationType(self, *, Name, Description, QualificationTypeStatus, **_):
        if Name in self.qualifications:
            raise RequestError("You have already created a QualificationType with this name.")
        self.qualifications[Name] = self._id("3QUALIFICATION")
        return {"QualificationType": self._qualification(Name)}

    def _qualification(self, name):
        return {
            "QualificationTypeId": self.qualifications[name],
            "Name": name,
            "QualificationTypeStatus": "Active",
        }

    def ListQualificationTypes(self, *, MustBeRequestable, Query="", **_):
        found = [self._qualification(name) for name in self.qualifications if Query in name]
        return {"NumResults": len(found), "QualificationTypes": found}

    def CreateHITType(self, **terms):
        for known, there in self.types.items():
            if {**terms, "HITTypeId": known} == there:
                return {"HITTypeId": known}
        known = self._id("3HITTYPE")
        assert len(terms.get("QualificationRequirements", [])) <= 10
        self.types[known] = {**terms, "HITTypeId": known}
        return {"HITTypeId": known}

    def CreateHITWithHITType(self, *, HITTypeId, Question, MaxAssignments=1, LifetimeInSeconds, **more):
        token = more.get("UniqueRequestToken", "")
        if token in self.tokens:
            raise RequestError(f"The HIT {self.tokens[token]} exists.", "AWS.MechanicalTurk.HITAlreadyExists")
        assert len(Question.encode()) <= LARGEST_QUESTION
        question = ElementTree.fromstring(Question)
        assert question.tag == f"{XSD}ExternalQuestion"
        url = question.findtext(f"{XSD}ExternalURL")
        if not url.startswith("https://"):
            raise RequestError("The ExternalURL must be https.")
        kind = self.types[HITTypeId]
        self._hold(self._cost(kind["Reward"], MaxAssignments) * MaxAssignments)
        expires = datetime.now(UTC) + timedelta(seconds=LifetimeInSeconds)
        hit = Hit(self._id("3HIT"), kind, url, MaxAssignments, more.get("RequesterAnnotation", ""), expires)
        self.hits[hit.id] = hit
        if token:
            self.tokens[token] = hit.id
        return {"HIT": self._hit(hit)}

    def _cost(self, reward: str, places: int = 1) -> Decimal:
        """A reward with the fee on it."""
        share = Decimal("0.4") if places >= 10 else Decimal("0.2")
        return Decimal(reward) + max(Decimal(reward) * share, Decimal("0.01"))

    def _hold(self, money: Decimal) -> None:
        if money > self.balance:
            raise RequestError(
                "This Requester has insufficient funds.", "AWS.MechanicalTurk.InsufficientFunds"
            )
        self.balance -= money

    def _hit(self, hit: Hit):
        return {
            "HITId": hit.id, "HITTypeId": hit.type["HITTypeId"], "MaxAssignments": hit.max_assignments,
            "RequesterAnnotation": hit.annotation, "HITStatus": "Assignable", "Expiration": hit.expires,
        }  # fmt: skip

    def ListHITs(self, **page):
        return self._page("HITs", [self._hit(hit) for hit in self.hits.values()], **page)

    def UpdateExpirationForHIT(self, *, HITId, ExpireAt):
        self.hits[HITId].expires = ExpireAt
        return {}

    def UpdateNotificationSettings(self, *, HITTypeId, Notification, Active=True):
        self.notified[HITTypeId] = Notification
        return {}

    def ListAssignmentsForHIT(self, *, HITId, **page):
        kept = ("Submitted", "Approved", "Rejected")
        found = [a for a in self.assignments.values() if a.hit.id == HITId and a.status in kept]
        return self._page("Assignments", [self._told(assignment) for assignment in found], **page)

    def GetAssignment(self, *, AssignmentId):
        found = self.assignments.get(AssignmentId)
        if found is None or found.status in ("Accepted", "Returned"):
            raise RequestError(f"Assignment {AssignmentId} does not exist.")
        return {"Assignment": self._told(found), "HIT": self._hit(found.hit)}

    def _told(self, assignment: Assignment):
        return {
            "AssignmentId": assignment.id, "WorkerId": assignment.worker, "HITId": assignment.hit.id,
            "AssignmentStatus": assignment.status, "SubmitTime": datetime.now(UTC),
        }  # fmt: skip

    def _page(self, name, everything, *, MaxResults=10, NextToken="0", **_):
        begin = int(NextToken)
        found = everything[begin : begin + MaxResults]
        more = {"NextToken": str(begin + MaxResults)} if begin + MaxResults < len(everything) else {}
        return {name: found, "NumResults": len(found), **more}

    def ApproveAssignment(self, *, AssignmentId, OverrideRejection=False, **_):
        assignment = self.assignments[AssignmentId]
        allowed = ("Submitted", "Rejected") if OverrideRejection else ("Submitted",)
        if assignment.status not in allowed:
            raise RequestError(f"This assignment is {assignment.status}.")
        assignment.status = "Approved"
        return {}

    def RejectAssignment(self, *, AssignmentId, RequesterFeedback):
        assignment = self.assignments[AssignmentId]
        if assignment.status != "Submitted":
            raise RequestError(f"This assignment is {assignment.status}.")
        assignment.status, assignment.feedback = "Rejected", RequesterFeedback
        return {}

    def SendBonus(self, *, WorkerId, BonusAmount, AssignmentId, Reason, UniqueRequestToken=""):
        if UniqueRequestToken in self.tokens:
            raise RequestError("That bonus was paid.", "AWS.MechanicalTurk.DuplicateRequest")
        assert self.assignments[AssignmentId].worker == WorkerId
        self._hold(self._cost(BonusAmount))
        self.tokens[UniqueRequestToken] = AssignmentId
        told = {
            "WorkerId": WorkerId,
            "BonusAmount": BonusAmount,
            "AssignmentId": AssignmentId,
            "Reason": Reason,
        }
        self.bonuses.append(told)
        return {}

    def ListBonusPayments(self, *, AssignmentId="", HITId="", **page):
        found = [paid for paid in self.bonuses if paid["AssignmentId"] == AssignmentId]
        return self._page("BonusPayments", found, **page)

    def NotifyWorkers(self, *, Subject, MessageText, WorkerIds):
        assert len(Subject) <= 200
        assert len(MessageText) <= 4096
        known = {assignment.worker for assignment in self.assignments.values()}
        self.written += [(worker, MessageText) for worker in WorkerIds if worker in known]
        failed = [
            {
                "NotifyWorkersFailureCode": "HardFailure",
                "NotifyWorkersFailureMessage": f"{worker} never worked for you.",
                "WorkerId": worker,
            }
            for worker in WorkerIds
            if worker not in known
        ]
        return {"NotifyWorkersFailureStatuses": failed}

    def AssociateQualificationWithWorker(self, *, QualificationTypeId, WorkerId, IntegerValue=1, **_):
        self.scores[QualificationTypeId, WorkerId] = IntegerValue
        self.revoked.discard((QualificationTypeId, WorkerId))
        return {}

    def DisassociateQualificationFromWorker(self, *, WorkerId, QualificationTypeId, Reason=""):
        del self.scores[QualificationTypeId, WorkerId]
        self.revoked.add((QualificationTypeId, WorkerId))
        return {}

    def GetQualificationScore(self, *, QualificationTypeId, WorkerId):
        key = QualificationTypeId, WorkerId
        if key not in self.scores and key not in self.revoked:
            raise RequestError("You requested a Qualification that does not exist.")
        status = "Revoked" if key in self.revoked else "Granted"
        told = {"QualificationTypeId": QualificationTypeId, "WorkerId": WorkerId, "Status": status}
        return {"Qualification": {**told, "IntegerValue": self.scores.get(key, 0)}}

    # ── the queue ─────────────────────────────────────────────────────────────────────────────

    def ReceiveMessage(self, *, QueueUrl, MaxNumberOfMessages=1, **_):
        found = self.messages[:MaxNumberOfMessages]
        digests = [hashlib.md5(message["Body"].encode()).hexdigest() for message in found]
        return {"Messages": [{**m, "MD5OfBody": d} for m, d in zip(found, digests, strict=True)]}

    def DeleteMessage(self, *, QueueUrl, ReceiptHandle):
        self.messages = [message for message in self.messages if message["ReceiptHandle"] != ReceiptHandle]
        return {}


OPERATIONS = (
    "CreateQualificationType", "ListQualificationTypes", "CreateHITType", "CreateHITWithHITType", "ListHITs",
    "UpdateExpirationForHIT", "UpdateNotificationSettings", "ListAssignmentsForHIT", "GetAssignment",
    "ApproveAssignment", "RejectAssignment", "SendBonus", "ListBonusPayments",
    "NotifyWorkers", "AssociateQualificationWithWorker", "DisassociateQualificationFromWorker", "GetQualificationScore",
)  # fmt: skip
