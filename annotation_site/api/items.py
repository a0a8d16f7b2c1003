"""Answers to the items of a HIT. What is told back never depends on what kind of item it was."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from annotation_site.api.authentication import WorkerToken
from annotation_site.api.problems import Problem, ProblemSerializer
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification import answering
from annotation_site.verification.answering import Answer as Answered
from annotation_site.verification.models import Says
from annotation_site.verification.tokens import Holder

LONGEST_MS = 24 * 3_600_000


class AnswerThrottle(SimpleRateThrottle):
    """At most the setting ANSWER_RATE from each HIT; unlimited where it is empty."""

    scope = "answers"

    def get_cache_key(self, request: Request, view: APIView) -> str:  # noqa: ARG002
        return f"answers:{_holder(request).assignment_id}"


class GivenSerializer(serializers.Serializer[Any]):
    """What the worker says, and for how long they looked."""

    says = serializers.ChoiceField(choices=Says.choices)
    elapsed_ms = serializers.IntegerField(
        min_value=0, max_value=LONGEST_MS, help_text="Time that the mask was visible and in focus."
    )


class TakenSerializer(serializers.Serializer[Any]):
    """What stands now."""

    says = serializers.CharField(allow_null=True, help_text="The answer that stands; null after an undo.")
    remaining = serializers.IntegerField(help_text="Items of the HIT without an answer.")
    late = serializers.BooleanField(help_text="The HIT was over. The answer is kept and counts where it can.")


REFUSALS = {401: ProblemSerializer, 403: ProblemSerializer, 404: ProblemSerializer, 429: ProblemSerializer}


class ItemView(APIView):
    """What both verbs share: who may, and how refusals are told."""

    authentication_classes = (WorkerToken,)
    throttle_classes = (AnswerThrottle,)

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


def _taken(answer: Answered) -> Response:
    return Response(TakenSerializer(answer).data)


def _refusal(error: Exception) -> Problem | None:
    match error:
        case answering.UnknownItem():
            return Problem(HTTPStatus.NOT_FOUND, "unknown-item", str(error))
        case WorkerStopped():
            return Problem(HTTPStatus.FORBIDDEN, "worker-stopped", str(error))
        case answering.UndoTooLate():
            return Problem(HTTPStatus.CONFLICT, "undo-too-late", str(error))
    return None
