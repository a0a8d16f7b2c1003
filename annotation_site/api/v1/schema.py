"""How the OpenAPI document describes operations: what each view says, and what all of them share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from annotation_site.api.problems import ProblemSerializer

V1 = "/api/v1/"
TAGS = {
    "account": "who asks, and their tokens",
    "projects": "parameters, state, how far they are",
    "images": "photos",
    "imports": "images brought in",
    "instructions": "what workers are told, and their test",
    "predictions": "on held-out images; those of another model; K_pa",
    "stages": "train, detect, cluster, calibrate, open",
    "rounds": "one after the other",
    "trees": "nodes, their scores and quality",
    "masks": "by filter, with all that is known of one",
    "decisions": "with their evidence",
    "verdicts": "by hand",
    "gold": "masks whose answer is known",
    "workers": "their record, standing, pay, and how they join",
    "listings": "offers on marketplaces, and who came by them",
    "budget": "caps, pay, ledger, estimate",
    "exports": "files to take away",
    "results": "report and dataset",
    "people": "access and invitations",
    "webhooks": "addresses that are told what happens",
    "history": "who changed what",
    "system": "the machine room, for superusers",
    "worker": "what the verify page calls",
}
"""What operations are listed under, in order."""
View = TypeVar("View", bound=Callable[..., Any])
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
READING = {
    401: "No token, or one that opens nothing.",
    403: "Not allowed with this token or this access.",
    404: "Nothing there that you may know of.",
    429: "Too many requests: wait as Retry-After says.",
}
PLACES: dict[str, dict[str, Any]] = {
    "string": {"pattern": "^[-a-zA-Z0-9_]+$", "maxLength": 80},
    "integer": {"minimum": 0, "maximum": 2**63 - 1},
}
"""What an address has room for, by type."""
WRITING = {
    409: "Not as things stand, or the same request is under way.",
    413: "The body is too large.",
    415: "The body is of another type.",
    422: "Understood and refused, or an Idempotency-Key that was used for another request.",
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeated with its key within a day, a request is answered as it was, and not done again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[!-~]+$"},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of what you read: 412 if somebody changed it since.",
    "schema": {"type": "string"},
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of what you have: 304 if it has not changed.",
    "schema": {"type": "string"},
}


def operation(
    name: str,
    tag: str,
    *,
    query: Any = None,
    body: Any = None,
    gives: Any = None,
    status: int = HTTPStatus.OK,
    conflict: str = "",
    places: Sequence[OpenApiParameter] = (),
) -> Callable[[View], View]:
    """Describe an operation: its id, what it takes, and what it gives: a serializer, a file, or nothing.

    Parameters
    ----------
    conflict : what a 409 tells
    places : parts of its address that the URL configuration does not say enough about
    """
    if gives is None:
        responses: dict[Any, Any] = {int(HTTPStatus.NO_CONTENT): OpenApiResponse(description="Done.")}
    elif isinstance(gives, str):
        responses = {(int(status), gives): OpenApiTypes.BINARY}
    else:
        responses = {int(status): gives}
    if conflict:
        responses[int(HTTPStatus.CONFLICT), "application/problem+json"] = OpenApiResponse(
            ProblemSerializer, description=conflict
        )
    return extend_schema(
        operation_id=name,
        tags=[tag],
        parameters=[*([] if query is None else [query]), *places],
        request=body,
        responses=responses,
    )


def complete(result: dict[str, Any], **_given: Any) -> dict[str, Any]:
    """What all operations share: how they refuse, and the headers they know. A hook of drf-spectacular."""
    schemas = result["components"]["schemas"]
    for path, operations in result["paths"].items():
        for method, operation_ in operations.items():
            if path.startswith(V1):
                _add_shared(method, operation_)
            for response in operation_["responses"].values():
                _as_problem(response)
    for name, described in schemas.items():
        is_body = name.endswith("Body")
        if is_body:
            described["additionalProperties"] = False
        for field in described.get("properties", {}).values():
            _as_decimal(field, signed=not is_body)
    _forget_enum_ids(result)
    result["tags"] = [{"name": name, "description": told} for name, told in TAGS.items()]
    return result


def _forget_enum_ids(part: Any) -> None:
    """Marks that drf-spectacular leaves for a hook of its own, which would make components of choices."""
    if isinstance(part, dict):
        part.pop("x-spec-enum-id", None)
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _forget_enum_ids(below)


def _add_shared(method: str, described: dict[str, Any]) -> None:
    described["summary"] = described.pop("description", "").rstrip(".")
    refusals, parameters = dict(READING), described.setdefault("parameters", [])
    for one in parameters:
        if one["in"] == "path":
            one["schema"] |= PLACES[one["schema"]["type"]]
    if any(one["in"] == "query" for one in parameters) or method != "get":
        refusals[400] = "Not as this document says."
    if method == "get":
        parameters.append(IF_NONE_MATCH)
        if any("image/jpeg" in told.get("content", {}) for told in described["responses"].values()):
            refusals[503] = "The storage of photos is away: wait as Retry-After says."
        described["responses"]["304"] = {"description": "You have it already."}
    else:
        refusals |= WRITING
        parameters.append(IDEMPOTENCY_KEY)
    if method == "patch":
        refusals[412] = "Somebody changed it since you read it."
        parameters.append(IF_MATCH)
    for status, told in sorted(refusals.items()):
        described["responses"].setdefault(str(status), {"description": told, "content": PROBLEM})


def _as_decimal(field: dict[str, Any], *, signed: bool) -> None:
    """Of decimals only what is one: by itself their pattern would take "" and "." too."""
    places = re.findall(r"\\d\{0,(\d+)\}", field.get("pattern", ""))
    if field.get("format") == "decimal" and len(places) == 2:
        whole, part = places
        field["pattern"] = f"^{'-?' if signed else ''}[0-9]{{1,{whole}}}(\\.[0-9]{{1,{part}}})?$"


def _as_problem(response: dict[str, Any]) -> None:
    """Problems have a media type of their own."""
    content = response.get("content", {})
    if (
        content.get("application/json", {}).get("schema", {}).get("$ref")
        == PROBLEM["application/problem+json"]["schema"]["$ref"]
    ):
        response["content"] = PROBLEM
