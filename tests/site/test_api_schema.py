"""The API does what its OpenAPI document says, whatever it is sent, and by whomever."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode

from tests.site.api_ground import V1, ApiGround, bearer

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
EXAMPLES = 16
"""Of each operation: some as the document has it, some that are wrong in one place. The seed is fixed."""
DOCUMENT: dict[str, Any] = SchemaGenerator().get_schema(public=True)
OPERATIONS = [
    pytest.param(path, method, id=described["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, described in methods.items()
    if path.startswith(V1)
]
CONFIG = {
    # Postgres has no room for NUL in a text: 400. Tokens are given below.
    "generation": {"allow-x00": False, "with-security-parameters": False},
    # What is well-formed may still be refused: as things stand (409), or for what it says (422).
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", "304", "401", "404", "409", "412", "422"]}
    },
}


@pytest.fixture
def ground() -> Iterator[ApiGround]:
    """The ground; requests leave the test's connection open, as Django's own client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield ApiGround.laid()
    for signal in signals:
        signal.connect(close_old_connections)


def documented(ground: ApiGround, path: str, method: str) -> Any:
    """An operation of the document, at places that there are."""
    document = deepcopy(DOCUMENT)
    for one in document["paths"][path][method]["parameters"]:
        if one["in"] == "path":
            one["schema"] = {"enum": [ground.places[one["name"]]]}
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(CONFIG))
    schema.app = get_wsgi_application()
    return schema[path][method.upper()]


def check(cases: Any, judge: Any, *, examples: int) -> None:
    """Judge some cases, always the same ones."""

    @seed(2021)
    @settings(
        max_examples=examples, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(case=cases)
    def judged(case: Any) -> None:
        assume("?" not in case.formatted_path)  # The test's WSGI client takes it for a query.
        judge(case)

    judged()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_operation_is_as_documented(ground: ApiGround, path: str, method: str) -> None:
    operation, headers = documented(ground, path, method), {"Authorization": bearer(ground.asking(path))}
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))
    check(cases, lambda case: case.call_and_validate(headers=headers), examples=EXAMPLES)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_operation_refuses_strangers_as_documented(ground: ApiGround, path: str, method: str) -> None:
    operation = documented(ground, path, method)

    def refused(case: Any) -> None:
        answer = case.call_and_validate(headers={"Authorization": "Bearer mg_guessed"})
        assert answer.status_code == 401
        assert answer.json()["type"] == "token-invalid"

    check(operation.as_strategy(generation_mode=GenerationMode.POSITIVE), refused, examples=1)
