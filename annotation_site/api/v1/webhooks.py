"""Webhooks: the addresses of a project, what was sent to each, and what came of it. For admins alone."""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site import enqueue
from annotation_site.access.models import Access
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import NOT_BLANK, Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.webhooks import delivering, webhooks
from annotation_site.webhooks.models import Attempt, Delivery, Kind, Webhook

ADMINS = {"GET": Access.ADMIN}
SECRETS = ("secret", "earlier_secret")
TELL = "maskgrove.tell_webhooks"


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    """An address that is told what happens."""

    kinds = serializers.ListField(child=serializers.ChoiceField(choices=Kind.values))
    is_enabled = serializers.BooleanField(help_text="Else it is told nothing more.")
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)

    class Meta:
        model = Webhook
        fields = (
            "id", "url", "description", "kinds", "is_enabled", "disabled_at", "disabled_because", "failures",
            "failing_since", "earlier_until", "created_at", "created_by",
        )  # fmt: skip
        extra_kwargs: ClassVar = {
            "earlier_until": {"help_text": "Until then the secret before this one signs, too."}
        }


class SignedWebhookSerializer(WebhookSerializer):
    """A webhook and its new secret."""

    secret = serializers.CharField(help_text="Signs what is sent. It is told in this reply alone.")

    class Meta(WebhookSerializer.Meta):
        fields = (*WebhookSerializer.Meta.fields, "secret")  # type: ignore[assignment]


class WebhookBody(Body):
    """Whom to tell of what."""

    url = serializers.RegexField(NOT_BLANK, max_length=500, help_text="It begins with https://.")
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=Kind.values), min_length=1)
    description = serializers.CharField(max_length=120, allow_blank=True, default="")


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A message to an address, and how it stands."""

    webhook = serializers.IntegerField(source="webhook_id")

    class Meta:
        model = Delivery
        fields = ("id", "webhook", "message", "kind", "state", "tries", "made_at", "due_at", "ended_at")
        extra_kwargs: ClassVar = {"message": {"help_text": "Its webhook-id, the same for every try."}}


class AttemptTold(serializers.ModelSerializer[Attempt]):
    """One try: what was answered, or why nothing was."""

    headers = serializers.DictField(child=serializers.CharField(), help_text="Of the request.")

    class Meta:
        model = Attempt
        fields = ("at", "status", "response", "error", "elapsed_ms", "headers")


class DeliveryFactsSerializer(DeliverySerializer):
    """A message with what it says and every try, the newest first, fifty at most."""

    body = serializers.SerializerMethodField()
    attempts = AttemptTold(many=True, source="tried")

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "body", "attempts")  # type: ignore[assignment]

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_body(self, delivery: Delivery) -> Any:
        return json.loads(delivery.body)


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    state = serializers.ChoiceField(choices=Delivery.State.values, required=False)


class WebhookView(ProjectView):
    """A view that an admin alone may look at."""

    needs: ClassVar = ADMINS

    def webhooks(self) -> QuerySet[Webhook]:
        return Webhook.objects.filter(project=self.project).select_related("project", "created_by")

    def webhook(self, pk: int) -> Webhook:
        return get_object_or_404(self.webhooks().defer(*SECRETS), pk=pk)

    def delivery(self, pk: int) -> Delivery:
        own = Delivery.objects.filter(webhook__project=self.project)
        return get_object_or_404(own, pk=pk)


class Webhooks(WebhookView):
    @operation("list_webhooks", "webhooks", query=PageQuery, gives=paged(WebhookSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the webhooks, the newest first."""
        own = self.webhooks().defer(*SECRETS)
        return page(request, own, self.query(PageQuery), lambda one: WebhookSerializer(one).data)

    @operation(
        "add_webhook",
        "webhooks",
        body=WebhookBody,
        gives=SignedWebhookSerializer,
        status=HTTPStatus.CREATED,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Have an address told from now on; the reply tells the secret that signs, once."""
        said = self.body(WebhookBody)
        assert isinstance(request.user, User)
        made = webhooks.add_webhook(project=self.project, by=request.user, at=timezone.now(), **said)
        address = reverse("api:webhook", args=[slug, made.pk], request=request)
        told = SignedWebhookSerializer(made).data
        return Response(told, status=HTTPStatus.CREATED, headers={"Location": address})


class OneWebhook(WebhookView):
    @operation("read_webhook", "webhooks", gives=WebhookSerializer)
    def get(self, request: Request, slug: str, webhook: int) -> Response:  # noqa: ARG002
        """Read a webhook; never its secret."""
        return Response(self._told(webhook))

    @operation("change_webhook", "webhooks", body=WebhookBody, gives=WebhookSerializer)
    def patch(self, request: Request, slug: str, webhook: int) -> Response:  # noqa: ARG002
        """Tell another address, or of other kinds; what waits goes there, too."""
        said = self.body(WebhookBody, partial=True)
        with self.matching(partial(self._told, webhook), self.project.webhooks.filter(pk=webhook)):
            found = self.webhook(webhook)
            now = {"url": found.url, "kinds": found.kinds, "description": found.description}
            webhooks.change_webhook(webhook=found, **{**now, **said})
        return Response(self._told(webhook))

    @operation("delete_webhook", "webhooks")
    def delete(self, request: Request, slug: str, webhook: int) -> Response:  # noqa: ARG002
        """Delete a webhook and its deliveries."""
        self.webhook(webhook).delete()
        return Response(status=HTTPStatus.NO_CONTENT)

    def _told(self, pk: int) -> Any:
        return WebhookSerializer(self.webhook(pk)).data


class WebhookSecret(WebhookView):
    @operation("rotate_webhook_secret", "webhooks", gives=SignedWebhookSerializer)
    def post(self, request: Request, slug: str, webhook: int) -> Response:  # noqa: ARG002
        """Give it a new secret, which is told once. For a day the earlier one signs, too."""
        found = get_object_or_404(self.webhooks(), pk=webhook)
        webhooks.rotate_secret(webhook=found, at=timezone.now())
        return Response(SignedWebhookSerializer(found).data)


class DisableWebhook(WebhookView):
    @operation("disable_webhook", "webhooks", gives=WebhookSerializer)
    def post(self, request: Request, slug: str, webhook: int) -> Response:  # noqa: ARG002
        """Tell it nothing more; what waits is given up. Safe to repeat."""
        webhooks.disable(webhook=self.webhook(webhook), at=timezone.now())
        return Response(WebhookSerializer(self.webhook(webhook)).data)


class EnableWebhook(WebhookView):
    @operation("enable_webhook", "webhooks", gives=WebhookSerializer)
    def post(self, request: Request, slug: str, webhook: int) -> Response:  # noqa: ARG002
        """Tell it again what happens from now on. Safe to repeat."""
        webhooks.enable(webhook=self.webhook(webhook))
        return Response(WebhookSerializer(self.webhook(webhook)).data)


class TestWebhook(WebhookView):
    @operation("test_webhook", "webhooks", gives=DeliverySerializer, status=HTTPStatus.ACCEPTED)
    def post(self, request: Request, slug: str, webhook: int) -> Response:
        """Send a message that says nothing but that it arrives, also to an address that is disabled."""
        made = delivering.send_test(self.webhook(webhook), at=timezone.now())
        enqueue.send(TELL)
        address = reverse("api:delivery", args=[slug, made.pk], request=request)
        told = DeliverySerializer(made).data
        return Response(told, status=HTTPStatus.ACCEPTED, headers={"Location": address})


class Deliveries(WebhookView):
    @operation("list_deliveries", "webhooks", query=DeliveryQuery, gives=paged(DeliverySerializer))
    def get(self, request: Request, slug: str, webhook: int) -> Response:  # noqa: ARG002
        """List what was sent to an address, or waits, the newest first."""
        asked = self.query(DeliveryQuery)
        found = self.webhook(webhook).deliveries.defer("body")
        if "state" in asked:
            found = found.filter(state=asked["state"])
        return page(request, found, asked, lambda one: DeliverySerializer(one).data)


class OneDelivery(WebhookView):
    @operation("read_delivery", "webhooks", gives=DeliveryFactsSerializer)
    def get(self, request: Request, slug: str, delivery: int) -> Response:  # noqa: ARG002
        """A message: what it says, how often it was sent, and what was answered."""
        found: Any = self.delivery(delivery)
        found.tried = found.attempts.order_by("-pk")[:50]
        return Response(DeliveryFactsSerializer(found).data)


class Redeliver(WebhookView):
    @operation("redeliver", "webhooks", gives=DeliverySerializer, status=HTTPStatus.ACCEPTED)
    def post(self, request: Request, slug: str, delivery: int) -> Response:  # noqa: ARG002
        """Send a message once more, with the same id."""
        delivering.redeliver(self.delivery(delivery), at=timezone.now())
        enqueue.send(TELL)
        return Response(DeliverySerializer(self.delivery(delivery)).data, status=HTTPStatus.ACCEPTED)
