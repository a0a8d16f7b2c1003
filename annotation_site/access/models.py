"""Who may do what on a project, and invitations to it."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotation_site.catalog.models import Project


class Access(models.TextChoices):
    """What somebody may do on a project; each includes those before it."""

    VIEWER = "viewer", "viewer (looks)"
    ADMIN = "admin", "admin (runs the campaign)"
    OWNER = "owner", "owner (also gives access, and deletes)"

    def includes(self, other: Access) -> bool:
        """Whether who has this may do what `other` may."""
        order = list(Access)
        return order.index(self) >= order.index(other)


class Grant(models.Model):
    """A person's access to a project. Superusers need none."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="grants", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants")
    access = models.CharField(max_length=6, choices=Access.choices)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "user"], name="one_grant_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.access} of {self.project}"


def new_invitation_secret() -> str:
    """192 random bits for a link that gives access."""
    return secrets.token_urlsafe(24)


class Invitation(models.Model):
    """`/invitations/<secret>/`: whoever signs in by it is given access, once."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="invitations")
    email = models.EmailField(help_text="Whom it was sent to; the link is what counts.")
    access = models.CharField(max_length=6, choices=Access.choices)
    secret = models.CharField(max_length=40, unique=True, default=new_invitation_secret)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(accepted_at__isnull=True) | Q(revoked_at__isnull=True),
                name="invitations_end_one_way",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.project}"
