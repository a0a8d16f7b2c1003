"""What workers earned and were paid, bonuses, and what they were written. For admins alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site import enqueue
from annotation_site.access.models import Access
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import NOT_BLANK, Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.budget.caps import budget_of
from annotation_site.dashboards.workers.views import member_of
from annotation_site.marketplaces import accounts
from annotation_site.marketplaces.messaging import LONGEST, write_to
from annotation_site.marketplaces.models import Message, Payment
from annotation_site.people.models import Membership

ADMINS = {"GET": Access.ADMIN}


class Earned(serializers.DecimalField):
    """Money as the ledger has it."""

    def __init__(self, **told: Any) -> None:
        super().__init__(max_digits=20, decimal_places=4, **told)


class AccountSerializer(serializers.Serializer[Any]):
    """A worker's money on the project, without fees."""

    earned = Earned(help_text="By the ledger: work that is over, and bonuses.")
    paid = Earned(help_text="By hand, or by the marketplace.")
    declined = Earned(help_text="Rewards that the marketplace was told not to pay; not among the earned.")
    owed = serializers.DecimalField(max_digits=20, decimal_places=2, help_text="In whole cents.")
    currency = serializers.CharField()
    paid_by_hand = serializers.BooleanField(help_text="Whether nobody but you pays them.")


class BonusBody(Body):
    """More than was agreed on."""

    money = serializers.DecimalField(max_digits=10, decimal_places=2, help_text="In whole cents.")
    reason = serializers.RegexField(NOT_BLANK, max_length=200, help_text="The worker may read it.")


class PaymentSerializer(serializers.ModelSerializer[Payment]):
    """Money that somebody of your own was given, outside of this site."""

    class Meta:
        model = Payment
        fields = ("id", "money", "note", "by", "at")


class PaymentBody(Body):
    """What somebody of your own was paid."""

    money = serializers.DecimalField(max_digits=10, decimal_places=2, help_text="No more than they are owed.")
    note = serializers.CharField(max_length=200, allow_blank=True, default="", help_text="How.")


class MessageSerializer(serializers.ModelSerializer[Message]):
    """What a worker was written, and whether it arrived."""

    arrived_at = serializers.DateTimeField(
        allow_null=True, help_text="When the mail went off, or the marketplace took it."
    )
    error = serializers.CharField(help_text="What the marketplace said against it for good.")

    class Meta:
        model = Message
        fields = ("id", "text", "by", "at", "arrived_at", "error")


class MessageBody(Body):
    """What to write."""

    text = serializers.RegexField(NOT_BLANK, max_length=LONGEST)


class AccountView(ProjectView):
    """A view on a worker's account, that admins alone may look at."""

    needs: ClassVar = ADMINS

    def member(self, worker: int) -> Membership:
        return member_of(self.project, worker)

    def done(self) -> dict[str, Any]:
        """By whom, when, and by which request: the same one is done once."""
        return {"by": self.request.user.get_username(), "at": timezone.now(), "once": self.once}

    def account(self, member: Membership) -> Any:
        found = accounts.account_of(member)
        told = {
            "earned": found.earned,
            "paid": found.paid,
            "declined": found.declined,
            "owed": found.owed,
            "currency": budget_of(self.project).currency,
            "paid_by_hand": accounts.is_paid_by_hand(member.worker),
        }
        return AccountSerializer(told).data


class OneAccount(AccountView):
    @operation("read_account", "workers", gives=AccountSerializer)
    def get(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """What a worker earned, was paid, and is owed."""
        return Response(self.account(self.member(worker)))


class Bonus(AccountView):
    @operation("give_bonus", "workers", body=BonusBody, gives=AccountSerializer, status=HTTPStatus.CREATED)
    def post(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """Give a worker more: by the marketplace they came from, else they are owed it from now on."""
        said, member = self.body(BonusBody), self.member(worker)
        accounts.give_member_bonus(membership=member, **said, **self.done())
        enqueue.send("maskgrove.deliver_actions")
        return Response(self.account(member), status=HTTPStatus.CREATED)


class Payments(AccountView):
    @operation("list_payments", "workers", query=PageQuery, gives=paged(PaymentSerializer))
    def get(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """List what somebody of your own was paid, the newest first."""
        own = self.member(worker).payments.all()
        return page(request, own, self.query(PageQuery), lambda one: PaymentSerializer(one).data)

    @operation(
        "note_payment", "workers", body=PaymentBody, gives=PaymentSerializer, status=HTTPStatus.CREATED
    )
    def post(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """Note that somebody of your own was paid, so that nothing is paid twice."""
        said = self.body(PaymentBody)
        made = accounts.note_payment(membership=self.member(worker), **said, **self.done())
        return Response(PaymentSerializer(made).data, status=HTTPStatus.CREATED)


class Messages(AccountView):
    @operation("list_messages", "workers", query=PageQuery, gives=paged(MessageSerializer))
    def get(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """List what a worker was written, the newest first."""
        own = self.member(worker).messages.select_related("action")
        return page(request, own, self.query(PageQuery), lambda one: MessageSerializer(one).data)

    @operation(
        "write_to_worker", "workers", body=MessageBody, gives=MessageSerializer, status=HTTPStatus.CREATED
    )
    def post(self, request: Request, slug: str, worker: int) -> Response:  # noqa: ARG002
        """Write to a worker: by mail, or by the marketplace they came from."""
        said = self.body(MessageBody)
        made = write_to(membership=self.member(worker), **said, **self.done())
        enqueue.send("maskgrove.deliver_actions")
        return Response(MessageSerializer(made).data, status=HTTPStatus.CREATED)
