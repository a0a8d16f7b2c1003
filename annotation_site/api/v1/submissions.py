"""How a listing goes at its marketplace: who came and handed in, and what the marketplace is told."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site import enqueue
from annotation_site.api.v1.accounts import BonusBody
from annotation_site.api.v1.listings import ListingView
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import NOT_BLANK, Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.marketplaces import by_hand, paying, reconciling
from annotation_site.marketplaces.models import Action, Submission
from annotation_site.marketplaces.progress import progress_of
from annotation_site.people.models import Membership

UNEXPLAINED = "unexplained"
OF_STATE: Mapping[str, Q] = {
    "waiting": Q(done_at__isnull=True, failed_at__isnull=True),
    "done": Q(done_at__isnull=False),
    "failed": Q(failed_at__isnull=False),
}
"""Which actions are in a state."""
DELIVER = "maskgrove.deliver_actions"


class ProgressSerializer(serializers.Serializer[Any]):
    """A listing in numbers."""

    postings = serializers.IntegerField(help_text="HITs of Mechanical Turk, studies of Prolific.")
    posted = serializers.IntegerField(help_text="Of them, those that the marketplace has.")
    waiting = serializers.IntegerField(help_text="Things that it is still to be told.")
    failed = serializers.IntegerField(help_text="Things that it refused.")
    submissions = serializers.DictField(child=serializers.IntegerField(), help_text="How many in each state.")


class SubmissionSerializer(serializers.ModelSerializer[Submission]):
    """One worker at one place."""

    listing = serializers.IntegerField(source="listing_id")
    worker = serializers.IntegerField(source="member", allow_null=True, help_text="As among `workers`.")
    worker_name = serializers.CharField(source="worker.external_id", help_text="The marketplace's.")
    purpose = serializers.CharField(source="posting.purpose", help_text="work, or test.")
    work_begun_at = serializers.DateTimeField(source="assignment.opened_at", allow_null=True, default=None)
    work_ended_at = serializers.DateTimeField(source="assignment.finished_at", allow_null=True, default=None)

    class Meta:
        model = Submission
        fields = (
            "id", "listing", "worker", "worker_name", "external_id", "purpose", "state", "arrived_at",
            "confirmed_at", "handed_in_at", "ended_at", "work_begun_at", "work_ended_at",
        )  # fmt: skip


class SubmissionQuery(PageQuery):
    """Which submissions."""

    state = serializers.ChoiceField(
        choices=[*Submission.State.values, UNEXPLAINED],
        required=False,
        help_text="Unexplained ones were handed in without the work, or before its end: a person decides.",
    )


class ActionSerializer(serializers.ModelSerializer[Action]):
    """Something that the marketplace is told, until it knows it."""

    submission = serializers.IntegerField(source="submission_id", allow_null=True)

    class Meta:
        model = Action
        fields = (
            "id", "kind", "submission", "money", "reason", "asked_at", "due_at", "tries", "done_at",
            "failed_at", "error",
        )  # fmt: skip


class ActionQuery(PageQuery):
    """Which actions."""

    state = serializers.ChoiceField(choices=list(OF_STATE), required=False)


class Progress(ListingView):
    @operation("read_progress", "listings", gives=ProgressSerializer)
    def get(self, request: Request, slug: str, listing: int) -> Response:  # noqa: ARG002
        """How far a listing is: what is posted, who came, what failed."""
        return Response(ProgressSerializer(progress_of(self.listing(listing))).data)


class Submissions(ListingView):
    @operation("list_submissions", "listings", query=SubmissionQuery, gives=paged(SubmissionSerializer))
    def get(self, request: Request, slug: str, listing: int) -> Response:  # noqa: ARG002
        """List who came by a listing, the newest first."""
        asked, found = self.query(SubmissionQuery), self.listing(listing)
        rows: QuerySet[Submission] = found.submissions.all()
        if asked.get("state") == UNEXPLAINED:
            rows = reconciling.unexplained(found)
        elif "state" in asked:
            rows = rows.filter(state=asked["state"])
        return page(request, _joined(rows), asked, lambda one: SubmissionSerializer(one).data)


class SubmissionView(ProjectView):
    """A view that does something about a submission."""

    def submission(self, pk: int) -> Submission:
        return get_object_or_404(_joined(Submission.objects.filter(listing__project=self.project)), pk=pk)

    def told(self, pk: int, status: HTTPStatus = HTTPStatus.OK) -> Response:
        """How it stands, after the marketplace is to be told something."""
        enqueue.send(DELIVER)
        return Response(SubmissionSerializer(self.submission(pk)).data, status=status)


class Approve(SubmissionView):
    @operation("approve_submission", "listings", gives=SubmissionSerializer)
    def post(self, request: Request, slug: str, submission: int) -> Response:  # noqa: ARG002
        """Have the marketplace pay for what was handed in, also after it was rejected. Safe to repeat."""
        by_hand.approve_by_hand(submission=self.submission(submission), at=timezone.now())
        return self.told(submission)


class RejectionBody(Body):
    """Why somebody is not paid."""

    reason = serializers.RegexField(
        NOT_BLANK, max_length=1000, help_text="The worker reads it; Prolific wants 100 characters or more."
    )


class Reject(SubmissionView):
    @operation("reject_submission", "listings", body=RejectionBody, gives=SubmissionSerializer)
    def post(self, request: Request, slug: str, submission: int) -> Response:  # noqa: ARG002
        """Have the marketplace pay nothing; the site itself never does. Safe to repeat."""
        said, found = self.body(RejectionBody), self.submission(submission)
        by_hand.reject_by_hand(submission=found, reason=said["reason"], at=timezone.now())
        return self.told(submission)


class AskToReturn(SubmissionView):
    @operation("ask_to_return", "listings", gives=SubmissionSerializer)
    def post(self, request: Request, slug: str, submission: int) -> Response:  # noqa: ARG002
        """Ask the worker to give the place back, who is not paid for it then. Safe to repeat."""
        by_hand.ask_to_return(submission=self.submission(submission), at=timezone.now())
        return self.told(submission)


class SubmissionBonus(SubmissionView):
    @operation(
        "give_submission_bonus",
        "listings",
        body=BonusBody,
        gives=SubmissionSerializer,
        status=HTTPStatus.CREATED,
    )
    def post(self, request: Request, slug: str, submission: int) -> Response:  # noqa: ARG002
        """Pay a bonus for work that was approved."""
        said, by = self.body(BonusBody), request.user.get_username()
        found, once = self.submission(submission), str(self.once)
        paying.give_bonus(submission=found, reference=once, by=by, at=timezone.now(), **said)
        return self.told(submission, HTTPStatus.CREATED)


class Actions(ListingView):
    @operation("list_actions", "listings", query=ActionQuery, gives=paged(ActionSerializer))
    def get(self, request: Request, slug: str, listing: int) -> Response:  # noqa: ARG002
        """List what the marketplace is told, the newest first."""
        asked = self.query(ActionQuery)
        rows = self.listing(listing).actions.filter(OF_STATE[asked["state"]] if "state" in asked else Q())
        return page(request, rows, asked, lambda one: ActionSerializer(one).data)


class RetryAction(ProjectView):
    @operation("retry_action", "listings", gives=ActionSerializer)
    def post(self, request: Request, slug: str, action: int) -> Response:  # noqa: ARG002
        """Tell the marketplace again what it refused. Safe to repeat."""
        own = Action.objects.filter(listing__project=self.project)
        by_hand.try_again(action=get_object_or_404(own, pk=action), at=timezone.now())
        enqueue.send(DELIVER)
        return Response(ActionSerializer(own.get(pk=action)).data)


def _joined(rows: QuerySet[Submission]) -> QuerySet[Submission]:
    members = Membership.objects.filter(worker=OuterRef("worker"), project=OuterRef("listing__project"))
    joined = rows.select_related("listing__project", "worker", "posting", "assignment")
    return joined.annotate(member=Subquery(members.values("pk")))
