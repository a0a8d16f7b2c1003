"""Errors as problem details (RFC 9457): a stable type to branch on, a detail to show."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details, as the OpenAPI document describes them."""

    type = serializers.CharField(help_text="What to branch on, e.g. unknown-item.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="May be shown.")
    errors = serializers.JSONField(  # type: ignore[assignment]  # A property of serializers has that name.
        required=False, help_text="By field, where the type is invalid."
    )


class Problem(APIException):
    """A refusal with a type of its own."""

    def __init__(self, status: HTTPStatus, type_: str, detail: str) -> None:
        self.status_code = status
        super().__init__(detail, code=type_)


def as_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """What REST framework answers for an exception, as problem details; None for unexpected ones."""
    response = exception_handler(error, context)
    if response is None:
        return None
    response.data = _details(error, response)
    response.content_type = "application/problem+json"
    return response


def _details(error: Exception, response: Response) -> dict[str, Any]:
    problem = {"title": HTTPStatus(response.status_code).phrase, "status": response.status_code}
    if isinstance(error, ValidationError):
        return {"type": "invalid", **problem, "detail": "Some fields are wrong.", "errors": response.data}
    detail = response.data.get("detail", "") if isinstance(response.data, dict) else ""
    code = detail.code if isinstance(detail, ErrorDetail) else "error"
    return {"type": str(code).replace("_", "-"), **problem, "detail": str(detail)}
