"""The JSON protocol of AWS as botocore speaks it, held against botocore's own model of the service both ways."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from tests.standins.serving import Answer, Request

Operation = Callable[..., dict[str, Any]]


class RequestError(Exception):
    """The service says no; `code` is its own."""

    def __init__(self, message: str, code: str = "AWS.MechanicalTurk.InvalidParameterValue") -> None:
        super().__init__(message)
        self.code = code


class Service:
    """Answers `X-Amz-Target: <prefix>.<Operation>` by functions named as the operations.

    `calls` holds every request in order: (operation, parameters).
    """

    def __init__(self, name: str, operations: Mapping[str, Operation]) -> None:
        self.model = botocore.session.get_session().get_service_model(name)
        self.operations = operations
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.broken: list[Exception] = []
        """Faults of the next requests: each is raised after the request was carried out."""

    def answer(self, request: Request) -> Answer:
        target = request.headers["X-Amz-Target"].rpartition(".")[2]
        operation = self.model.operation_model(target)
        given = typed(json.loads(request.body or b"{}"), operation.input_shape)
        found = ParamValidator().validate(given, operation.input_shape)
        assert not found.has_errors(), f"{target}: {found.generate_report()}"
        self.calls.append((target, given))
        try:
            told = self.operations[target](**given)
            if self.broken:
                raise self.broken.pop(0)
        except RequestError as error:
            return self._error(400, "RequestError", str(error), TurkErrorCode=error.code)
        except ConnectionError as error:
            return self._error(500, "ServiceFault", str(error))
        if operation.output_shape is not None:
            found = ParamValidator().validate(told, operation.output_shape)
            assert not found.has_errors(), f"{target} answers: {found.generate_report()}"
        return self._json(200, told)

    def times(self, operation: str) -> int:
        """How often an operation was asked for."""
        return sum(name == operation for name, _ in self.calls)

    def _error(self, status: int, kind: str, message: str, **more: str) -> Answer:
        return self._json(status, {"__type": kind, "Message": message, **more})

    def _json(self, status: int, told: dict[str, Any]) -> Answer:
        version = self.model.metadata.get("jsonVersion", "1.0")
        body = json.dumps(told, default=lambda at: at.timestamp()).encode()
        return Answer(body, status, f"application/x-amz-json-{version}")


def typed(value: Any, shape: Any) -> Any:
    """JSON as the types of a shape: times are numbers on the wire."""
    if shape is None or value is None:
        return value
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(float(value), UTC)
    if shape.type_name == "structure":
        return {name: typed(inner, shape.members.get(name)) for name, inner in value.items()}
    if shape.type_name == "list":
        return [typed(inner, shape.member) for inner in value]
    return value
