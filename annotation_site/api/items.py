"""Answers to the items of a HIT. What is told back never depends on what kind of item it was."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from annotation_site.api import pacing
from annotation_site.api.authentication import WorkerToken
from annotation_site.api.problems import Problem, ProblemSerializer
from annotation_site.people.models import Worker
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification import answering
from annotation_site.verification.answering import Answer as Answered
from annotation_site.verification.models import Says
from annotation_site.verification.tokens import Holder

LONGEST_BODY = 10_000
"""Bytes: an answer has some fifty."""


class AnswerThrottle(SimpleRateThrottle):
    """At most the setting ANSWER_RATE from each worker; unlimited where it is 0, and for simulated ones."""

    scope = "answers"

    def get_cache_key(self, request: Request, view: APIView) -> str:  # noqa: ARG002
        return f"answers:{_holder(request).worker_id}"

    def allow_request(self, request: Request, view: APIView) -> bool:
        # Who is simulated is looked up of those alone who are that quick.
        return bool(super().allow_request(request, view)) or is_simulated(_holder(request).worker_id)


@lru_cache(maxsize=10_000)
def is_simulated(worker_id: int) -> bool:
    """Whether a worker is a program of this site's own; that never changes."""
    return Worker.objects.filter(pk=worker_id, provider=Worker.SIMULATED).exists()


class GivenSerializer(serializers.Serializer[Any]):
    """What the worker says, and for how long they looked."""

    says = serializers.ChoiceField(choices=Says.choices)
    elapsed_ms = serializers.IntegerField(
        min_value=0,
        help_text="Time that the mask was visible and in focus; of more than an hour, one is noted.",
    )


class TakenSerializer(serializers.Serializer[Any]):
    """What stands now."""

    says = serializers.CharField(allow_null=True, help_text="The answer that stands; null after an undo.")
    remaining = serializers.IntegerField(help_text="Items of the HIT without an answer.")
    late = serializers.BooleanField(help_text="The HIT was over. The answer is kept and counts where it can.")


REFUSALS = dict.fromkeys([401, 403, 404, 413, 429], ProblemSerializer)


class ItemView(APIView):
    """What both verbs share: who may, how much they may send, and when and how they are told what of it."""

    authentication_classes = (WorkerToken,)
    throttle_classes = (AnswerThrottle,)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        since = pacing.started()
        response = super().dispatch(request, *args, **kwargs)
        if response.status_code == HTTPStatus.OK:  # Refusals say nothing of the item, and hold no thread.
            pacing.wait_for_slot(since)
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if _length(request) > LONGEST_BODY:
            detail = f"An answer has {LONGEST_BODY} bytes at most."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)
        super().initial(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(_refusal(exc) or exc)


class Answer(ItemView):
    @extend_schema(
        operation_id="answer_item",
        request=GivenSerializer,
        responses={200: TakenSerializer, 400: ProblemSerializer, **REFUSALS},
        tags=["worker"],
    )
    def post(self, request: Request, key: UUID) -> Response:
        """Record the answer to an item. Safe to repeat: while an answer stands, nothing changes it."""
        given = GivenSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        answer = answering.record_answer(
            item_key=key,
            assignment_id=_holder(request).assignment_id,
            at=timezone.now(),
            **given.validated_data,
        )
        return _taken(answer)


class Undo(ItemView):
    @extend_schema(
        operation_id="undo_item",
        request=None,
        responses={200: TakenSerializer, 409: ProblemSerializer, **REFUSALS},
        tags=["worker"],
    )
    def post(self, request: Request, key: UUID) -> Response:
        """Take back the answer to an item while the HIT is not over. Safe to repeat."""
        answer = answering.undo_answer(
            item_key=key, assignment_id=_holder(request).assignment_id, at=timezone.now()
        )
        return _taken(answer)


def _holder(request: Request) -> Holder:
    assert isinstance(request.auth, Holder)  # the one authentication of these views gives nothing else
    return request.auth


def _length(request: Request) -> int:
    """Bytes of the body as announced; the server reads no more than that."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    return int(announced) if announced.isdecimal() else 0


def _taken(answer: Answered) -> Response:
    """As `TakenSerializer` describes it, without the time that making one takes."""
    return Response({"says": answer.says, "remaining": answer.remaining, "late": answer.late})


def _refusal(error: Exception) -> Problem | None:
    match error:
        case answering.UnknownItem():
            return Problem(HTTPStatus.NOT_FOUND, "unknown-item", str(error))
        case WorkerStopped():
            return Problem(HTTPStatus.FORBIDDEN, "worker-stopped", str(error))
        case answering.UndoTooLate():
            return Problem(HTTPStatus.CONFLICT, "undo-too-late", str(error))
    return None
