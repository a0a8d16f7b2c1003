"""Where a project finds its workers: listings on marketplaces, drafted, published, ended."""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site import enqueue
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView
from annotation_site.budget.caps import budget_of
from annotation_site.budget.models import Budget
from annotation_site.dashboards.listing_form import form_for
from annotation_site.marketplaces import listings
from annotation_site.marketplaces.models import Environment, Listing
from annotation_site.marketplaces.providers import PROVIDERS


class ListingSerializer(serializers.ModelSerializer[Listing]):
    """A project as one marketplace offers it."""

    wants = serializers.DictField(child=serializers.JSONField())
    cost = serializers.CharField(help_text="Of all places: rewards, fees and tests.")
    obstacles = serializers.ListField(
        child=serializers.CharField(), help_text="Why it cannot be published now."
    )

    class Meta:
        model = Listing
        fields = (
            "id", "provider", "environment", "state", "title", "description", "keywords", "reward",
            "currency", "places", "minutes", "wants", "cost", "obstacles", "created_at", "published_at",
            "ended_at",
        )  # fmt: skip


class WantsBody(Body):
    """What only one marketplace knows of: the first for Mechanical Turk, the last two for Prolific."""

    least_rate = serializers.IntegerField(min_value=0, max_value=100, required=False)
    least_approved = serializers.IntegerField(min_value=0, max_value=1_000_000, required=False)
    locales = serializers.RegexField(
        r"^([A-Za-z]{2}([ ,]+|$))+$", max_length=120, required=False, help_text="US, DE"
    )
    masters = serializers.BooleanField(required=False)
    testers = serializers.IntegerField(min_value=0, max_value=1000, required=False)
    test_reward = serializers.DecimalField(max_digits=6, decimal_places=2, required=False)
    estimated_minutes = serializers.IntegerField(min_value=1, max_value=600, required=False)
    fee_share = serializers.DecimalField(max_digits=4, decimal_places=3, required=False)


class ListingBody(Body, serializers.ModelSerializer[Listing]):
    """The terms of a listing."""

    provider = serializers.ChoiceField(choices=[name for name in PROVIDERS if name != "in-house"])
    environment = serializers.ChoiceField(choices=Environment.choices, default=Environment.SANDBOX.value)
    currency = serializers.RegexField("^[A-Z]{3}$", default="USD")
    minutes = serializers.IntegerField(
        min_value=5, max_value=1440, default=60, help_text="Until a place that was accepted goes back."
    )
    reward = serializers.DecimalField(max_digits=8, decimal_places=2, help_text="For a page of work.")
    wants = WantsBody(required=False)

    class Meta:
        model = Listing
        fields = (
            "provider", "environment", "title", "description", "keywords", "reward", "currency", "places",
            "minutes", "wants",
        )  # fmt: skip


class ListingView(ProjectView):
    """A view on listings of the project."""

    def listings(self) -> QuerySet[Listing]:
        return Listing.objects.filter(project=self.project).select_related("project")

    def listing(self, pk: int) -> Listing:
        return get_object_or_404(self.listings(), pk=pk)

    @cached_property
    def budget(self) -> Budget:
        """Read once, however many listings are told of."""
        return budget_of(self.project)

    def told(self, listing: Any) -> Any:
        listing.cost = f"{listings.estimate(listing).total:.2f}"
        is_draft = listing.state == Listing.State.DRAFT
        listing.obstacles = listings.obstacles(listing, budget=self.budget) if is_draft else []
        return ListingSerializer(listing).data


class Listings(ListingView):
    @operation("list_listings", "listings", query=PageQuery, gives=paged(ListingSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List where the project is offered, or was, the newest first."""
        return page(request, self.listings(), self.query(PageQuery), self.told)

    @operation(
        "draft_listing", "listings", body=ListingBody, gives=ListingSerializer, status=HTTPStatus.CREATED
    )
    def post(self, request: Request, slug: str) -> Response:
        """Keep the terms of a listing, in place of the draft that is there; the reply tells what it costs."""
        said = self.body(ListingBody)
        provider, environment = said.pop("provider"), said.pop("environment")
        form = form_for(provider)({**said, **said.pop("wants", {})}, project=self.project)
        if not form.is_valid():
            told = "; ".join(f"{name}: {' '.join(map(str, texts))}" for name, texts in form.errors.items())
            raise listings.ListingRefused(f"This cannot be offered. {told}")
        made = listings.draft_listing(
            project=self.project,
            provider=provider,
            environment=environment,
            at=timezone.now(),
            terms=form.terms(),
        )
        address = reverse("api:listing", args=[slug, made.pk], request=request)
        return Response(self.told(made), status=HTTPStatus.CREATED, headers={"Location": address})


class OneListing(ListingView):
    @operation("read_listing", "listings", gives=ListingSerializer)
    def get(self, request: Request, slug: str, listing: int) -> Response:  # noqa: ARG002
        """A listing: what it costs, and what stands in its way."""
        return Response(self.told(self.listing(listing)))


class Publish(ListingView):
    @operation("publish_listing", "listings", gives=ListingSerializer)
    def post(self, request: Request, slug: str, listing: int) -> Response:  # noqa: ARG002
        """Let workers tell the marketplace. Safe to repeat."""
        found = self.listing(listing)
        listings.publish(listing=found, at=timezone.now())
        enqueue.send("maskgrove.deliver_actions")
        return Response(self.told(self.listing(listing)))


class End(ListingView):
    @operation("end_listing", "listings", gives=ListingSerializer)
    def post(self, request: Request, slug: str, listing: int) -> Response:  # noqa: ARG002
        """Offer nothing more; whoever holds a place goes on, and is paid. Safe to repeat."""
        listings.end(listing=self.listing(listing), at=timezone.now())
        enqueue.send("maskgrove.deliver_actions")
        return Response(self.told(self.listing(listing)))
