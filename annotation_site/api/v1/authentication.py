"""`Authorization: Bearer mg_…`, a person's API token; or the session of their browser."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from annotation_site.api import tokens
from annotation_site.api.models import ApiToken

SCHEME = "Bearer"


class BearerToken(BaseAuthentication):
    """The user is the token's person, the auth the token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if not scheme:
            return None  # The browser's session may do.
        if scheme.lower() != SCHEME.lower():
            raise AuthenticationFailed(f"Say Authorization: {SCHEME} mg_…", code="token-invalid")
        try:
            token = tokens.find(secret.strip(), at=timezone.now())
        except tokens.TokenInvalid as error:
            raise AuthenticationFailed(str(error), code="token-invalid") from error
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return SCHEME


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes it."""

    target_class = BearerToken
    name = "apiToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of the page API tokens, with scope read, write or admin.",
        }
