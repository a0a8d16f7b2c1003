"""What is offered on a marketplace, who came from there, and what it was told: all of it kept.

A marketplace's HIT is only a place. Which questions somebody gets there is decided when they open it.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from annotation_site.catalog.models import Project
from annotation_site.people.models import Membership, Worker
from annotation_site.verification.models import Assignment

TEST_REWARD = "0.05"
"""Of a test that is a posting of its own, where nothing else is said."""


class Environment(models.TextChoices):
    """Where a marketplace's money is: nowhere in its sandbox."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


class Listing(models.Model):
    """A project as one marketplace offers it. Keys to the account there are settings, never rows."""

    class State(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"
        ENDED = "ended"

    project = models.ForeignKey(Project, models.CASCADE, related_name="listings")
    provider = models.CharField(max_length=12, help_text="A key of providers.PROVIDERS.")
    environment = models.CharField(max_length=10, choices=Environment.choices, default=Environment.SANDBOX)
    key = models.UUIDField(unique=True, default=uuid.uuid4, help_text="In the address given there.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    title = models.CharField(max_length=120)
    description = models.CharField(max_length=1000)
    keywords = models.CharField(max_length=200, blank=True)
    reward = models.DecimalField(
        max_digits=8, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))],
        help_text="For a page of work, without the marketplace's fee.",
    )  # fmt: skip
    currency = models.CharField(max_length=3, default="USD")
    places = models.PositiveIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(10_000)], help_text="Pages of work offered."
    )
    minutes = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(5), MaxValueValidator(1440)],
        help_text="Until a place that was accepted goes back.",
    )  # fmt: skip
    wants = models.JSONField(default=dict, blank=True, help_text="What only this provider knows of.")
    remote = models.JSONField(default=dict, blank=True, help_text="Ids that the marketplace gave.")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "provider", "environment"],
                condition=~Q(state="ended"),
                name="one_listing_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} on {self.realm}"

    @property
    def pays(self) -> bool:
        """Whether real money is paid there."""
        return self.environment == Environment.PRODUCTION

    def reward_for(self, purpose: str) -> Decimal:
        """What a place promises: a page of work, or the test where that is a posting of its own."""
        if purpose == Posting.Purpose.TEST:
            return Decimal(str(self.wants.get("test_reward", TEST_REWARD)))
        return Decimal(self.reward)

    @property
    def realm(self) -> str:
        """Where worker ids mean someone: those of a sandbox are given anew in production."""
        sandboxed = self.environment == Environment.SANDBOX
        return f"{self.provider}-sandbox" if sandboxed else self.provider


class Posting(models.Model):
    """A HIT of MTurk, a study of Prolific: some places of a listing."""

    class Purpose(models.TextChoices):
        WORK = "work"
        TEST = "test", "qualification"

    listing = models.ForeignKey(Listing, models.CASCADE, related_name="postings")
    purpose = models.CharField(max_length=4, choices=Purpose.choices, default=Purpose.WORK)
    number = models.PositiveIntegerField()
    places = models.PositiveIntegerField()
    external_id = models.CharField(max_length=64, blank=True, help_text="Empty until it is posted.")
    posted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["listing", "purpose", "number"], name="postings_are_numbered"),
            models.UniqueConstraint(
                fields=["listing", "external_id"], condition=~Q(external_id=""), name="one_posting_per_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing}: {self.purpose} {self.number}"


ENDED = ("approved", "rejected", "returned")
"""States of a submission of which nothing more is to come, unless its worker takes the place again."""


class SubmissionQuerySet(models.QuerySet["Submission"]):
    """Submissions by what can still become of them."""

    def going(self) -> Self:
        """Held by their worker there, as far as is known."""
        return self.filter(state=Submission.State.ARRIVED)

    def unbooked(self) -> Self:
        """Ended, and the ledger does not say yet what that comes to."""
        return self.filter(state__in=ENDED, booked_at__isnull=True)

    def held(self) -> Self:
        """Locked until the transaction ends, and joined with all that paying for them asks for."""
        joined = self.select_related("listing__project", "posting", "assignment", "worker")
        return joined.select_for_update(no_key=True, of=("self",))


class Submission(models.Model):
    """One worker at one place: an assignment of MTurk, a submission of Prolific. One page of work at most."""

    objects = SubmissionQuerySet.as_manager()

    class State(models.TextChoices):
        ARRIVED = "arrived"
        RETURNED = "returned"
        HANDED_IN = "handed_in", "handed in"
        APPROVED = "approved"
        REJECTED = "rejected"

    listing = models.ForeignKey(Listing, models.CASCADE, related_name="submissions")
    posting = models.ForeignKey(Posting, models.CASCADE, related_name="submissions")
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="submissions")
    external_id = models.CharField(max_length=64, help_text="The marketplace's; it may give it to others.")
    assignment = models.OneToOneField(
        Assignment, models.SET_NULL, null=True, blank=True, related_name="submission",
        help_text="The page of work that was opened at this place.",
    )  # fmt: skip
    state = models.CharField(max_length=9, choices=State.choices, default=State.ARRIVED)
    arrived_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the marketplace itself said that this worker holds the place."
    )
    handed_in_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    booked_at = models.DateTimeField(
        null=True, blank=True, help_text="When the ledger was brought in line with its state."
    )
    discarded_at = models.DateTimeField(
        null=True, blank=True,
        help_text="When its worker's answers stopped counting, as nobody vouched for them; else empty.",
    )  # fmt: skip

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["listing", "worker", "external_id"], name="one_submission_per_identity"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["listing", "state", "id"], name="submissions_by_state"),
            models.Index(
                fields=["id"],
                condition=Q(state__in=ENDED, booked_at__isnull=True),
                name="submissions_to_book",
            ),
            models.Index(
                fields=["worker"], condition=Q(discarded_at__isnull=False), name="submissions_discarded"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker} at {self.external_id}"

    @property
    def is_confirmed(self) -> bool:
        """The marketplace said so since its worker last took it: what it said before is of earlier work."""
        return self.confirmed_at is not None and self.confirmed_at >= self.arrived_at

    @property
    def reference(self) -> str:
        """What the ledger and the outbox call it."""
        return f"submission:{self.pk}"


class ActionQuerySet(models.QuerySet["Action"]):
    """Actions by whether the marketplace knows of them."""

    def waiting(self) -> Self:
        """Neither done nor given up."""
        return self.filter(done_at__isnull=True, failed_at__isnull=True)


class Action(models.Model):
    """Something a marketplace is to be told: written down first, then delivered until it is known there."""

    objects = ActionQuerySet.as_manager()

    class Kind(models.TextChoices):
        PREPARE = "prepare"
        POST = "post"
        WITHDRAW = "withdraw"
        GRANT = "grant"
        REVOKE = "revoke"
        APPROVE = "approve"
        REJECT = "reject"
        OVERRIDE = "override", "approve after all"
        BONUS = "bonus"
        RELEASE = "release", "ask to return"
        MESSAGE = "message"

    listing = models.ForeignKey(Listing, models.CASCADE, related_name="actions")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    reference = models.CharField(max_length=120, help_text="What it is for; the same is never asked twice.")
    token = models.UUIDField(default=uuid.uuid4, unique=True, help_text="The marketplace's idempotency key.")
    posting = models.ForeignKey(Posting, models.CASCADE, null=True, blank=True, related_name="actions")
    submission = models.ForeignKey(Submission, models.CASCADE, null=True, blank=True, related_name="actions")
    worker = models.ForeignKey(Worker, models.CASCADE, null=True, blank=True, related_name="+")
    money = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    score = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Of a qualification; 0: failed."
    )
    reason = models.TextField(blank=True, help_text="The worker may read it.")
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["listing", "reference"], name="one_action_per_reference"),
            models.CheckConstraint(
                condition=Q(done_at__isnull=True) | Q(failed_at__isnull=True), name="actions_end_once"
            ),
            models.CheckConstraint(condition=~Q(kind="bonus") | Q(money__gt=0), name="a_bonus_is_some_money"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                condition=Q(done_at__isnull=True, failed_at__isnull=True),
                name="actions_to_deliver",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class Contact(models.Model):
    """Where an in-house worker gets mail, to come back by. `links_used` ends a link with its first use."""

    worker = models.OneToOneField(Worker, models.CASCADE, related_name="contact")
    email = models.EmailField()
    links_used = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower(F("email")), name="one_contact_per_address"),
        ]

    def __str__(self) -> str:
        return self.email


class LinkRequest(models.Model):
    """Somebody wants a link mailed to an address: whose it is, if anybody's, is found out when it is sent."""

    email = models.EmailField(help_text="In lower case.")
    door = models.URLField(max_length=300, help_text="The page at which it was asked for.")
    language = models.CharField(max_length=10)
    asked_at = models.DateTimeField()
    is_due = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["email"], name="one_link_request_per_address"),
        ]


class Payment(models.Model):
    """Money that somebody of one's own was given, outside of this site; append-only."""

    membership = models.ForeignKey(Membership, models.PROTECT, related_name="payments")
    money = models.DecimalField(max_digits=10, decimal_places=2)
    note = models.CharField(max_length=200, blank=True, help_text="How, e.g. the transfer's number.")
    by = models.CharField(max_length=150, help_text="Who noted it.")
    once = models.UUIDField(unique=True, help_text="Of the form it came by: the same is noted once.")
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(money__gt=0), name="payments_are_some_money"),
        ]


class Message(models.Model):
    """What a member was written, and how it went: by mail, or by the marketplace through an action."""

    membership = models.ForeignKey(Membership, models.CASCADE, related_name="messages")
    text = models.TextField()
    by = models.CharField(max_length=150)
    once = models.UUIDField(unique=True, help_text="Of the form it came by: the same is sent once.")
    at = models.DateTimeField()
    action = models.OneToOneField(
        Action, models.CASCADE, null=True, blank=True, related_name="message",
        help_text="What the marketplace is asked; empty: it goes by mail.",
    )  # fmt: skip
    sent_at = models.DateTimeField(null=True, blank=True, help_text="By mail.")

    @property
    def arrived_at(self) -> datetime | None:
        """When the mail went off, or the marketplace had taken it; None until then."""
        return self.sent_at if self.action is None else self.action.done_at

    @property
    def error(self) -> str:
        """Why it did not arrive: what the marketplace said for good, or that the mail did not go off."""
        if self.action is None:
            return "" if self.sent_at else _("The mail did not go off.")
        return self.action.error if self.action.failed_at else ""
