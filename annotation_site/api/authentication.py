"""`Authorization: Worker <token>`: no cookies, so the page works inside a marketplace's frame as well."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from annotation_site.verification import tokens
from annotation_site.verification.tokens import Holder

SCHEME = "Worker"


class WorkerToken(BaseAuthentication):
    """Both the user and the auth of the request are the token's `Holder`."""

    def authenticate(self, request: Request) -> tuple[Holder, Holder] | None:
        scheme, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme != SCHEME:
            return None
        try:
            holder = tokens.read(token.strip())
        except tokens.TokenExpired as error:
            raise AuthenticationFailed(str(error), code="token-expired") from error
        except tokens.TokenInvalid as error:
            raise AuthenticationFailed(str(error), code="token-invalid") from error
        return holder, holder

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return SCHEME


class WorkerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes it."""

    target_class = WorkerToken
    name = "workerToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f"`{SCHEME} <token>`, the token of a verify page's HIT.",
        }
