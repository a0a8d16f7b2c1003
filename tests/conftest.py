"""No test asserts on seconds, those of Hypothesis included.

Its deadline failed whichever example came first: that one connects to Postgres or compiles a kernel, the same
example is quick when it is tried again, and Hypothesis calls that flaky.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("maskgrove", settings.default, deadline=None)
settings.load_profile("maskgrove")


@pytest.fixture
def bucket() -> Iterator[str]:
    """The STORAGE_URL of an empty bucket on a real S3 server."""
    from tests.site.buckets import new_bucket

    with new_bucket() as url:
        yield url


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """The tests' database, whose log of changes may be emptied with all other tables after a test."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_is_never_emptied")


@pytest.fixture
def own_storages(tmp_path, settings) -> None:
    """Images and artifacts in folders of this test alone."""
    place = "django.core.files.storage.FileSystemStorage"
    own = {
        name: {"BACKEND": place, "OPTIONS": {"location": tmp_path / name}} for name in ("images", "artifacts")
    }
    settings.STORAGES = {**settings.STORAGES, **own}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that workers were asked for."""
    from annotation_site import enqueue

    tasks: list[str] = []
    monkeypatch.setattr(enqueue, "send", tasks.append)
    return tasks
