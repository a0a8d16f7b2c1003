"""What all views of the API share: who may, how often, how a request is read and a reply is sent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control, set_response_etag
from rest_framework.authentication import SessionAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.throttling import BaseThrottle
from rest_framework.utils.mediatypes import media_type_matches
from rest_framework.views import APIView

from annotation_site.access.models import Access
from annotation_site.api import tokens
from annotation_site.api.models import ApiToken, KeptReply, Scope
from annotation_site.api.problems import Problem
from annotation_site.api.v1 import idempotency
from annotation_site.api.v1.authentication import BearerToken
from annotation_site.api.v1.idempotency import AnsweredBefore
from annotation_site.api.v1.refusals import refusal
from annotation_site.catalog.archived import ProjectArchived
from annotation_site.catalog.models import Project
from annotation_site.limits import MINUTE, is_too_often

SAFE = ("GET", "HEAD", "OPTIONS")
LONGEST_JSON = 1_000_000
"""Bytes of a body that is no upload."""


class ApiThrottle(BaseThrottle):
    """So many requests a minute by each token, or each person who is signed in; fewer of them writes."""

    def allow_request(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        token = token_of(request)
        who = f"token-{token.pk}" if token else f"user-{request.user.pk}"
        scopes = ("api",) if request.method in SAFE else ("api", "api-write")
        return not any(is_too_often(scope, who, most=settings.RATE_LIMITS[scope]) for scope in scopes)

    def wait(self) -> float:
        return float(MINUTE)


class Json(BaseContentNegotiation):
    """JSON is spoken whatever is asked for; photos and exports are what they are."""

    def select_parser(self, request: Request, parsers: Sequence[BaseParser]) -> BaseParser | None:  # type: ignore[override]
        return next(
            (one for one in parsers if media_type_matches(one.media_type, request.content_type)), None
        )

    def select_renderer(  # type: ignore[override]
        self,
        request: Request,  # noqa: ARG002
        renderers: Sequence[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """A view for people and their programs."""

    content_negotiation_class = Json

    authentication_classes = (BearerToken, SessionAuthentication)
    permission_classes = (IsAuthenticated,)
    throttle_classes = (ApiThrottle,)
    _kept: KeptReply | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.admit(request, **kwargs)
        _check_length(request)
        if request.method not in SAFE:
            self._kept = idempotency.begin(request, at=timezone.now())

    def admit(self, request: Request, **_places: Any) -> None:
        """Refuse who may not; called before anything else of the request is looked at."""
        if request.method not in SAFE:
            check_scope(request, Access.ADMIN)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, AnsweredBefore):
            return exc.response
        return super().handle_exception(refusal(exc) or exc)

    def raise_uncaught_exception(self, exc: Exception) -> Any:
        if self._kept is not None:  # It may be tried again with the same key.
            self._kept.delete()
        return super().raise_uncaught_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finished: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)
        if self._kept is not None and isinstance(finished, Response):
            idempotency.end(self._kept, finished)
        if (
            isinstance(finished, Response)
            and request.method in SAFE
            and finished.status_code == HTTPStatus.OK
        ):
            finished.add_post_render_callback(partial(_only_if_changed, request._request))
        patch_cache_control(finished, private=True, no_cache=True)
        return finished

    @property
    def once(self) -> uuid.UUID:
        """What this request is known by, so that it is done once; see `idempotency.once`."""
        return idempotency.once(self._kept)

    def query(self, serializer: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """What the address asks for."""
        given = serializer(data=self.request.query_params.dict(), context={"view": self})
        given.is_valid(raise_exception=True)
        asked: dict[str, Any] = given.validated_data
        return asked

    def body(self, serializer: type[BaseSerializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        """What the request says."""
        given = serializer(data=self.request.data, partial=partial, context={"view": self})
        given.is_valid(raise_exception=True)
        said: dict[str, Any] = given.validated_data
        return said

    def check_match(self, now: Mapping[str, Any]) -> None:
        """Refuse a change whose If-Match is not the ETag of what is there now, as GET would tell it.

        Raises
        ------
        Problem
        """
        wanted = self.request.headers.get("If-Match")
        if wanted is None or wanted.strip() == "*":
            return
        there: Any = Response(now)
        there.accepted_renderer, there.accepted_media_type = JSONRenderer(), "application/json"
        there.renderer_context = self.get_renderer_context()
        set_response_etag(there.render())
        if there["ETag"] not in [tag.strip() for tag in wanted.split(",")]:
            detail = "Somebody changed it since you read it: read it again."
            raise Problem(HTTPStatus.PRECONDITION_FAILED, "changed-meanwhile", detail)


class ProjectView(ApiView):
    """A view of `projects/<slug>/…`. Projects that are not somebody's do not exist for them."""

    needs: ClassVar[Mapping[str, Access]] = {}
    """Method -> the least access; else viewers read, and admins write."""
    while_archived: ClassVar[Collection[str]] = ()
    """Methods by which an archived project is changed, too; all others only read it."""
    project: Project
    access: Access

    def admit(self, request: Request, **places: Any) -> None:
        least = Access.VIEWER if request.method in SAFE else Access.ADMIN
        method = "GET" if request.method == "HEAD" else str(request.method)
        self.project, self.access = project_for(request, places["slug"], self.needs.get(method, least))
        if self.project.is_archived and request.method not in (*SAFE, *self.while_archived):
            raise ProjectArchived(self.project)

    @contextmanager
    def matching(self, tell: Callable[[], Mapping[str, Any]], *rows: QuerySet[Any]) -> Iterator[None]:
        """A transaction for a change, entered only if If-Match is the ETag of what is there.

        Until it ends nobody else changes that: the project's row is held, and then `rows`.

        Parameters
        ----------
        tell : what GET would tell; called with the rows held
        rows : that others change without holding the project's

        Raises
        ------
        Problem
        """
        with transaction.atomic():
            for held in (Project.objects.filter(pk=self.project.pk), *rows):
                list(held.order_by("pk").select_for_update(no_key=True).values_list("pk"))
            self.check_match(tell())
            yield


def project_for(request: Request, slug: str, needed: Access) -> tuple[Project, Access]:
    """The project and what may be done on it, for somebody whose access, and token, are good for that much.

    Raises
    ------
    Http404
        Where there is none, or none that they may know of.
    Problem
        When they may look, but not do this (403).
    """
    project = Project.objects.filter(slug=slug).first()
    had = None if project is None else tokens.access_for(project, request.user, token_of(request))
    if project is None or had is None:
        raise Http404(f"There is no project {slug}.")
    if not had.includes(needed):
        check_scope(request, needed)
        detail = f"This needs {needed.value} access to the project; yours is {had.value}."
        raise Problem(HTTPStatus.FORBIDDEN, "access-insufficient", detail)
    return project, had


def check_scope(request: Request, needed: Access) -> None:
    """Refuse a token that is not good for so much.

    Raises
    ------
    Problem
    """
    token = token_of(request)
    if token is not None and not Scope(token.scope).access.includes(needed):
        wanted = next(scope for scope in Scope if scope.access is needed)
        detail = f"This needs a token of scope {wanted.value}; yours has {token.scope}."
        raise Problem(HTTPStatus.FORBIDDEN, "scope-insufficient", detail)


def check_unrestricted(request: Request) -> None:
    """Refuse a token that is for some projects alone.

    Raises
    ------
    Problem
    """
    token = token_of(request)
    if token is not None and token.is_restricted:
        detail = "This needs a token for all of your projects; yours is for some of them."
        raise Problem(HTTPStatus.FORBIDDEN, "token-restricted", detail)


def token_of(request: Request) -> ApiToken | None:
    """The token of a request; None where a browser's session stands for it."""
    return request.auth if isinstance(request.auth, ApiToken) else None


def _check_length(request: Request) -> None:
    announced = request.META.get("CONTENT_LENGTH") or "0"
    is_upload = str(request.content_type).startswith(("multipart/", "application/octet-stream"))
    if not is_upload and announced.isdecimal() and int(announced) > LONGEST_JSON:
        detail = f"A body of JSON has {LONGEST_JSON:,} bytes at most."
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)


def _only_if_changed(request: HttpRequest, response: Any) -> Any:
    """The reply with its ETag, or 304 without a body to who has it already."""
    set_response_etag(response)
    return get_conditional_response(request, etag=response["ETag"], response=response)
