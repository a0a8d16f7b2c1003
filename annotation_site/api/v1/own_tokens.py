"""One's API tokens: listed, made, revoked. What makes tokens is never good for less than they are."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site.access.granting import projects_of
from annotation_site.access.models import Access
from annotation_site.api import tokens
from annotation_site.api.models import ApiToken, Scope
from annotation_site.api.tokens import TokenRefused
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import NOT_BLANK, Body, PageQuery, page, paged
from annotation_site.api.v1.views import ApiView, check_scope, check_unrestricted, token_of
from annotation_site.catalog.models import Project


class ApiTokenSerializer(serializers.ModelSerializer[ApiToken]):
    """A token that was not revoked; the token itself is told once, to whoever makes it."""

    projects: serializers.SlugRelatedField[Project] = serializers.SlugRelatedField(
        slug_field="slug", many=True, read_only=True
    )
    made_with = serializers.IntegerField(
        source="made_with_id", allow_null=True, help_text="The token that made it, with which it ends."
    )

    class Meta:
        model = ApiToken
        fields = (
            "id", "name", "scope", "is_restricted", "projects", "hint", "created_at", "expires_at",
            "last_used_at", "made_with",
        )  # fmt: skip


class NewApiTokenSerializer(ApiTokenSerializer):
    """A new token."""

    secret = serializers.CharField(help_text="What to send as Authorization: Bearer; told now and not again.")

    class Meta(ApiTokenSerializer.Meta):
        fields = (*ApiTokenSerializer.Meta.fields, "secret")  # type: ignore[assignment]


class TokenBody(Body):
    """What a token is for."""

    name = serializers.RegexField(NOT_BLANK, max_length=80, help_text="What it is for, as a nightly import.")
    scope = serializers.ChoiceField(choices=Scope.choices)
    expires_at = serializers.DateTimeField(
        required=False, help_text="By itself never, or with the token that makes it."
    )
    projects = serializers.ListField(
        child=serializers.RegexField(r"^[-a-zA-Z0-9_]+$", max_length=80),
        required=False,
        min_length=1,
        max_length=100,
        help_text="Slugs of those that it is for alone; by itself all of yours, also those to come.",
    )


class TokenView(ApiView):
    """For a person's session, or their tokens that are good for all that the person may."""

    def admit(self, request: Request, **places: Any) -> None:
        token = token_of(request)
        if token is not None and request.method == "DELETE" and places.get("token_id") == token.pk:
            return  # Any token may put an end to itself.
        check_scope(request, Access.OWNER)
        check_unrestricted(request)


class Tokens(TokenView):
    @operation("list_tokens", "account", query=PageQuery, gives=paged(ApiTokenSerializer))
    def get(self, request: Request) -> Response:
        """List your tokens that were not revoked, the newest first."""
        own = tokens.in_use(request.user)
        return page(request, own, self.query(PageQuery), lambda one: ApiTokenSerializer(one).data)

    @operation(
        "make_token", "account", body=TokenBody, gives=NewApiTokenSerializer, status=HTTPStatus.CREATED
    )
    def post(self, request: Request) -> Response:
        """Make a token, which this reply tells and none after it. One that a token makes ends with that."""
        said = self.body(TokenBody)
        assert isinstance(request.user, User)
        made, secret = tokens.issue(
            user=request.user,
            name=said["name"],
            scope=Scope(said["scope"]),
            at=timezone.now(),
            expires_at=said.get("expires_at"),
            projects=_named(request.user, said["projects"]) if "projects" in said else None,
            made_with=token_of(request),
        )
        told: Any = made
        told.secret = secret
        address = reverse("api:own-token", args=[made.pk], request=request)
        headers = {"Location": address}
        return Response(NewApiTokenSerializer(told).data, status=HTTPStatus.CREATED, headers=headers)


class OneToken(TokenView):
    @operation("read_token", "account", gives=ApiTokenSerializer)
    def get(self, request: Request, token_id: int) -> Response:
        """Read what one of your tokens is for, and when it was used."""
        return Response(ApiTokenSerializer(get_object_or_404(tokens.in_use(request.user), pk=token_id)).data)

    @operation("revoke_token", "account")
    def delete(self, request: Request, token_id: int) -> Response:
        """Let a token, and those it made, open nothing any more. Any token may revoke itself."""
        token = get_object_or_404(ApiToken, pk=token_id, user=request.user.pk)
        tokens.revoke(token=token, at=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


def _named(user: User, slugs: Sequence[str]) -> list[Project]:
    """Projects by their slugs.

    Raises
    ------
    TokenRefused
    """
    found = list(projects_of(user).filter(slug__in=slugs))
    missing = sorted(set(slugs) - {project.slug for project in found})
    if missing:
        raise TokenRefused(f"There is no project {missing[0]} that you reach.")
    return found
