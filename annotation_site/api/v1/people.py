"""Who runs a project, and invitations to it."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from django.urls import reverse as address_of
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from annotation_site.access import granting
from annotation_site.access.models import Access, Grant, Invitation
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body, PageQuery, page, paged
from annotation_site.api.v1.views import ProjectView

OWNERS = {"POST": Access.OWNER, "PATCH": Access.OWNER, "DELETE": Access.OWNER}


class PersonSerializer(serializers.ModelSerializer[Grant]):
    """Somebody with access to the project."""

    id = serializers.IntegerField(source="user_id", help_text="The person's.")
    username = serializers.CharField(source="user.username")
    email = serializers.CharField(source="user.email")

    class Meta:
        model = Grant
        fields = ("id", "username", "email", "access")


class AccessBody(Body):
    """What somebody may do."""

    access = serializers.ChoiceField(choices=Access.choices)


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """An invitation that waits for its answer; whoever has the link may accept it, once."""

    link = serializers.CharField()

    class Meta:
        model = Invitation
        fields = ("id", "email", "access", "created_at", "expires_at", "link")


class InvitationBody(AccessBody):
    """Whom to invite, as what."""

    email = serializers.EmailField(max_length=254)


class People(ProjectView):
    @operation("list_people", "people", query=PageQuery, gives=paged(PersonSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List who has access, in the order in which they were given it."""
        own = Grant.objects.filter(project=self.project).select_related("user")
        asked = self.query(PageQuery)
        return page(request, own, asked, lambda one: PersonSerializer(one).data, ascending=True)


class Person(ProjectView):
    needs: ClassVar = OWNERS

    @operation("read_person", "people", gives=PersonSerializer)
    def get(self, request: Request, slug: str, person: int) -> Response:  # noqa: ARG002
        """Read what somebody may do."""
        return Response(self._told(person))

    @operation("change_access", "people", body=AccessBody, gives=PersonSerializer)
    def patch(self, request: Request, slug: str, person: int) -> Response:  # noqa: ARG002
        """Give a person of the project another access. Owners alone may."""
        said = self.body(AccessBody, partial=True)
        with self.matching(partial(self._told, person), Grant.objects.filter(project=self.project)):
            if "access" in said:
                user = get_object_or_404(User, pk=person)
                granting.grant(project=self.project, user=user, access=Access(said["access"]))
        return Response(self._told(person))

    @operation("remove_person", "people")
    def delete(self, request: Request, slug: str, person: int) -> Response:  # noqa: ARG002
        """Take all access away from a person. Owners alone may; one of them stays."""
        granting.revoke(
            project=self.project, user=get_object_or_404(User, pk=person, grants__project=self.project)
        )
        return Response(status=HTTPStatus.NO_CONTENT)

    def _told(self, pk: int) -> Any:
        own = Grant.objects.select_related("user")
        return PersonSerializer(get_object_or_404(own, project=self.project, user=pk)).data


class Invitations(ProjectView):
    needs: ClassVar = {**OWNERS, "GET": Access.OWNER}

    @operation("list_invitations", "people", query=PageQuery, gives=paged(InvitationSerializer))
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """List the invitations that wait, the newest first, with their links. Owners alone may."""
        waiting = granting.open_invitations(self.project, at=timezone.now())
        return page(request, waiting, self.query(PageQuery), self._told)

    @operation(
        "invite_person", "people", body=InvitationBody, gives=InvitationSerializer, status=HTTPStatus.CREATED
    )
    def post(self, request: Request, slug: str) -> Response:
        """Make an invitation; send its link, which is good for one person and two weeks. Owners alone may."""
        said = self.body(InvitationBody)
        access = Access(said["access"])
        made = granting.invite(project=self.project, email=said["email"], access=access, at=timezone.now())
        address = reverse("api:invitation", args=[slug, made.pk], request=request)
        return Response(self._told(made), status=HTTPStatus.CREATED, headers={"Location": address})

    def _told(self, waiting: Invitation) -> Any:
        link = address_of("dashboards:invitation", args=[waiting.secret])
        waiting.link = self.request.build_absolute_uri(link)  # type: ignore[attr-defined]
        return InvitationSerializer(waiting).data


class OneInvitation(ProjectView):
    needs: ClassVar = OWNERS

    @operation("revoke_invitation", "people")
    def delete(self, request: Request, slug: str, invitation: int) -> Response:  # noqa: ARG002
        """Take an invitation back. Owners alone may. Safe to repeat."""
        found = get_object_or_404(Invitation, pk=invitation, project=self.project)
        granting.revoke_invitation(invitation=found, at=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)
