"""A kept connection is asked nothing before a request, and still found out when its server is gone."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.db import connection

from annotation_site.connections.base import DatabaseWrapper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def kept() -> Iterator[DatabaseWrapper]:
    own = DatabaseWrapper(connection.settings_dict | {"CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": 60})
    own.ensure_connection()
    yield own
    own.close()


def end(own: DatabaseWrapper) -> None:
    """End its server process, and wait until it is gone."""
    pid = own.connection.info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_quiet_connection_is_taken_without_a_statement(kept: DatabaseWrapper) -> None:
    with patch.object(kept.connection, "cursor", side_effect=AssertionError("a statement is sent")):
        assert kept.is_usable()


def test_one_that_the_server_has_ended_is_not_usable(kept: DatabaseWrapper) -> None:
    end(kept)
    assert not kept.is_usable()


def test_one_that_is_closed_here_is_not_usable(kept: DatabaseWrapper) -> None:
    kept.connection.close()
    assert not kept.is_usable()


def test_a_message_of_the_server_is_no_end(kept: DatabaseWrapper) -> None:
    with kept.cursor() as cursor:
        cursor.execute("LISTEN something")
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY something")
    assert kept.is_usable()


def test_the_next_request_gets_a_new_connection(kept: DatabaseWrapper) -> None:
    end(kept)
    kept.close_if_unusable_or_obsolete()
    kept.health_check_done = False
    with kept.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
