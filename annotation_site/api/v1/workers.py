"""Who answers: how well, how much, and what an admin does about it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse as address_of
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site.access.models import Access
from annotation_site.api.problems import Problem
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import (
    NOT_BLANK,
    Body,
    PageQuery,
    paged,
    paged_response,
)
from annotation_site.api.v1.views import ProjectView
from annotation_site.dashboards.workers.facts import WorkerFacts
from annotation_site.dashboards.workers.selectors import SORTS, Row, Wanted, workers_page
from annotation_site.marketplaces import team
from annotation_site.marketplaces.messaging import Route, route_to
from annotation_site.people.models import Membership, Standing, StandingChange
from annotation_site.people.qualification.policy import vouch
from annotation_site.verification import trust
from annotation_site.verification.keeping import kept_records
from annotation_site.verification.withdrawing import counting_of, resting_on


def _reason() -> serializers.RegexField:
    """Why something is done."""
    return serializers.RegexField(NOT_BLANK, max_length=1000, help_text="Kept with the change.")


class WorkerBrief(serializers.ModelSerializer[Membership]):
    """A worker on the project."""

    name = serializers.CharField(source="worker.name")
    provider = serializers.CharField(source="worker.provider")
    answers = serializers.IntegerField(
        source="work.answers", help_text="Given; also those that stopped counting."
    )

    class Meta:
        model = Membership
        fields = ("id", "name", "provider", "standing", "joined_at", "answers")


class ChangeTold(serializers.ModelSerializer[StandingChange]):
    """Why a standing changed, or what was noted."""

    class Meta:
        model = StandingChange
        fields = ("before", "after", "reason", "by", "at")


class RecordTold(serializers.Serializer[Any]):
    """What the work says of its worker, since they were last reinstated."""

    gold_right = serializers.IntegerField()
    gold_answered = serializers.IntegerField()
    agreed = serializers.IntegerField(help_text="Answers that say what proven workers mostly say there.")
    shared = serializers.IntegerField(help_text="Answers that can be compared so.")
    look_ms = serializers.FloatField(
        allow_null=True, help_text="Milliseconds a mask, the middle one of the latest answers."
    )
    clock_ms = serializers.FloatField(allow_null=True, help_text="The same by the site's own clock.")


class WorkerFactsSerializer(WorkerBrief):
    """A worker with their record and history."""

    record = RecordTold(source="work")
    changes = ChangeTold(source="history", many=True, help_text="The newest first, a hundred at most.")
    link = serializers.CharField(allow_null=True, help_text="Their personal link, for admins alone.")
    email = serializers.CharField(allow_null=True, help_text="Of your own people, for admins alone.")
    route = serializers.ChoiceField(
        choices=[route.value for route in Route], help_text="How they are written to, or why they cannot be."
    )

    class Meta(WorkerBrief.Meta):
        fields = (*WorkerBrief.Meta.fields, "record", "changes", "link", "email", "route")  # type: ignore[assignment]


class WorkerSerializer(WorkerBrief):
    """A worker of the list, with their record."""

    record = RecordTold(source="work")
    last_answer_at = serializers.DateTimeField(source="work.last_at", allow_null=True)
    is_at_work = serializers.BooleanField(help_text="Whether they hold an open page of work.")

    class Meta(WorkerBrief.Meta):
        fields = (*WorkerBrief.Meta.fields, "record", "last_answer_at", "is_at_work")  # type: ignore[assignment]


class WorkerQuery(PageQuery):
    """Which workers, in which order."""

    standing = serializers.ChoiceField(choices=Standing.choices, required=False)
    provider = serializers.CharField(
        max_length=20, required=False, help_text="Where they come from, as prolific; link are your own."
    )
    name = serializers.CharField(
        max_length=120, required=False, help_text="A part of it, or of their number where they have none."
    )
    order = serializers.ChoiceField(
        choices=[f"{sign}{key}" for key in SORTS for sign in ("", "-")],
        default="-joined",
        help_text="With a minus the largest come first; those of whom nothing is known come last.",
    )


class NewWorkerBody(Body):
    """Somebody of your own team, who gets a personal link."""

    name = serializers.RegexField(NOT_BLANK, max_length=120)
    email = serializers.EmailField(max_length=120, required=False)
    vouch = serializers.BooleanField(default=False, help_text="Let them in without the test.")
    mail = serializers.BooleanField(default=False, help_text="Send them their link, to `email`.")


class StopBody(Body):
    """Why a worker is stopped, and what of their answers counts no more."""

    reason = _reason()
    retract = serializers.BooleanField(default=True, help_text="Their answers stop counting,")
    since = serializers.DateTimeField(required=False, help_text="those from then on, or all.")


class StopQuery(serializers.Serializer[Any]):
    """Which answers would not count, and how much is to be told of that."""

    since = serializers.DateTimeField(required=False, help_text="Those from then on, or all.")
    weigh = serializers.BooleanField(
        default=False, help_text="Weigh the decisions anew, too: it takes seconds on a large project."
    )


class RestingSerializer(serializers.Serializer[Any]):
    """What would be lost with a worker's answers."""

    judgments = serializers.IntegerField(help_text="On masks, that count.")
    decisions = serializers.IntegerField(
        allow_null=True, help_text="In force, whose samples hold one of them; null unless `weigh`."
    )
    falling = serializers.IntegerField(
        allow_null=True, help_text="Decisions that would be withdrawn; null unless `weigh`."
    )


class ReinstateBody(Body):
    """Why a worker may answer again."""

    reason = _reason()
    restore = serializers.BooleanField(default=False, help_text="What the stop retracted counts again.")


class NoteBody(Body):
    """What is to be known of a worker."""

    text = _reason()


class Workers(ProjectView):
    @operation("list_workers", "workers", query=WorkerQuery, gives=paged(WorkerSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the workers by standing, provider or name, in an order; by itself the newest first."""
        asked = self.query(WorkerQuery)
        wanted = Wanted(
            standing=asked.get("standing", ""),
            provider=asked.get("provider", ""),
            name=asked.get("name", ""),
            sort=asked["order"],
            after=int(asked["cursor"]) if "cursor" in asked else None,
        )
        found = workers_page(self.project, wanted, size=asked["limit"])
        told = [WorkerSerializer(_listed(row)).data for row in found.rows]
        return paged_response(request, told, None if found.next is None else str(found.next))

    @operation(
        "invite_worker", "workers", body=NewWorkerBody, gives=WorkerFactsSerializer, status=HTTPStatus.CREATED
    )
    def post(self, request: Request, slug: str) -> Response:
        """Make a worker of your own team; send them the link that is told, or have it mailed."""
        said = self.body(NewWorkerBody)
        if not said["name"].isprintable():
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "name-unprintable", "A name is one line of text.")
        if said["mail"] and "email" not in said:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "address-missing", "Say in `email` where to.")
        member = team.invite(project=self.project, name=said["name"], email=said.get("email", ""))
        if said["vouch"]:
            _vouch(self, member)
        if said["mail"]:
            team.send_link(member=member, email=said["email"], url=_link(self, member))
        told = _facts(self, member.pk)
        address = reverse("api:worker", args=[slug, member.pk], request=request)
        return Response(told, status=HTTPStatus.CREATED, headers={"Location": address})


class OneWorker(ProjectView):
    @operation("read_worker", "workers", gives=WorkerFactsSerializer)
    def get(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """A worker: gold, agreement, pace, and why their standing changed."""
        return Response(_facts(self, worker))


class Link(ProjectView):
    @operation("rotate_link", "workers", gives=WorkerFactsSerializer)
    def post(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """Give a worker another personal link; the old one leads nowhere from now on."""
        team.rotate_link(_member(self, worker))
        return Response(_facts(self, worker))


class Vouch(ProjectView):
    @operation("vouch_for_worker", "workers", gives=WorkerFactsSerializer)
    def post(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """Let a worker answer without the test, now and after changes of it. Safe to repeat."""
        _vouch(self, _member(self, worker))
        return Response(_facts(self, worker))


class Stop(ProjectView):
    needs: ClassVar = {"GET": Access.ADMIN}

    @operation("foresee_stop", "workers", query=StopQuery, gives=RestingSerializer)
    def get(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """What rests on a worker's answers, and would fall if they did not count. Nothing is changed."""
        asked, member = self.query(StopQuery), _member(self, worker)
        since = asked.get("since")
        if asked["weigh"]:
            return Response(RestingSerializer(resting_on(membership=member, since=since)).data)
        unweighed = {"judgments": counting_of(member, since).count(), "decisions": None, "falling": None}
        return Response(RestingSerializer(unweighed).data)

    @operation("stop_worker", "workers", body=StopBody, gives=WorkerFactsSerializer)
    def post(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """No new HIT for them; what they did is paid. Decisions that fall without their answers reopen."""
        said, member = self.body(StopBody), _member(self, worker)
        trust.stop_worker(membership=member, by=request.user.get_username(), at=timezone.now(), **said)
        return Response(_facts(self, worker))


class Reinstate(ProjectView):
    @operation("reinstate_worker", "workers", body=ReinstateBody, gives=WorkerFactsSerializer)
    def post(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """Let a stopped worker answer again; they are judged by what they do from now on."""
        said, member = self.body(ReinstateBody), _member(self, worker)
        trust.reinstate_worker(membership=member, by=request.user.get_username(), at=timezone.now(), **said)
        return Response(_facts(self, worker))


class Note(ProjectView):
    @operation("note_worker", "workers", body=NoteBody, gives=WorkerFactsSerializer)
    def post(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """Note something among the changes of a standing, which stays as it is."""
        said, member = self.body(NoteBody), _member(self, worker)
        trust.note_worker(membership=member, by=request.user.get_username(), at=timezone.now(), **said)
        return Response(_facts(self, worker))


def _members(view: ProjectView) -> QuerySet[Membership]:
    return Membership.objects.filter(project=view.project).select_related("worker", "project")


def _member(view: ProjectView, pk: int) -> Membership:
    return get_object_or_404(_members(view), pk=pk)


def _listed(row: Row) -> Membership:
    """A member with what the list tells of it."""
    member: Any = row.member
    member.work, member.is_at_work = row.record, row.is_at_work
    return row.member


def _with_work(members: Sequence[Membership]) -> Sequence[Membership]:
    """The members, each with its record."""
    records = kept_records(members)
    for member in members:
        member.work = records[member.pk]  # type: ignore[attr-defined]
    return members


def _facts(view: ProjectView, pk: int) -> Any:
    member: Any = _with_work([_member(view, pk)])[0]
    member.history = member.changes.order_by("-at", "-pk")[:100]
    is_admin = view.access.includes(Access.ADMIN)
    member.link = _link(view, member) if is_admin else None
    member.email = WorkerFacts(member).email if is_admin else None
    member.route = route_to(member).value
    return WorkerFactsSerializer(member).data


def _link(view: ProjectView, member: Membership) -> str:
    return view.request.build_absolute_uri(address_of("pages:landing", args=[member.secret]))


def _vouch(view: ProjectView, member: Membership) -> None:
    reason = f"{view.request.user.get_username()} vouches for them"
    vouch(membership=member, reason=reason, at=timezone.now())
