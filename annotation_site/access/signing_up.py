"""Who may make an account: whoever was invited to a project, and nobody else."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import HttpRequest
from django.utils import timezone

from annotation_site.access.granting import InvitationOver, invitation

SESSION_KEY = "invitation"
"""Where the browser's session keeps the secret of the invitation it came by."""


def is_invited(request: HttpRequest) -> bool:
    """Whether this browser came by an invitation that still waits for its answer."""
    try:
        invitation(request.session.get(SESSION_KEY, ""), at=timezone.now())
    except InvitationOver:
        return False
    return True


class InvitedAccounts(DefaultAccountAdapter):
    """Accounts with a password."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return is_invited(request)


class InvitedSocialAccounts(DefaultSocialAccountAdapter):
    """Accounts of an identity provider."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: object) -> bool:  # noqa: ARG002
        return is_invited(request)
