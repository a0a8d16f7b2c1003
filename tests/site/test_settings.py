"""Settings come from the environment or from files beside it, and production passes Django's own checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from annotation_site.environment import Environment
from tests.site.own_processes import environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def secret(tmp_path: Path, monkeypatch) -> Path:
    path = tmp_path / "secret"
    path.write_text("from a file\n")
    monkeypatch.setenv("SOME_SECRET_FILE", str(path))
    return path


def test_a_secret_may_be_a_file(secret: Path) -> None:
    assert Environment()("SOME_SECRET") == "from a file"
    secret.write_text("17")
    assert Environment().int("SOME_SECRET", default=3) == 17


def test_the_variable_itself_comes_first_unless_it_is_empty(secret: Path, monkeypatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "")
    assert Environment()("SOME_SECRET", default="") == "from a file"
    monkeypatch.setenv("SOME_SECRET", "set")
    assert Environment()("SOME_SECRET") == "set"


def test_a_file_that_is_not_there_is_named(secret: Path) -> None:
    secret.unlink()
    with pytest.raises(ImproperlyConfigured, match=r"SOME_SECRET_FILE .*secret.* cannot be read"):
        Environment()("SOME_SECRET", default="")


def test_production_passes_the_checks_of_a_deployment(tmp_path: Path) -> None:
    files = {"SECRET_KEY": "0123456789" * 6 + "abcdefgh", "DATABASE_PASSWORD": "secret"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    unlike_tests = {"DJANGO_ALLOW_ASYNC_UNSAFE"}  # Set by the browser tests that share this process.
    production = {
        **{name: value for name, value in environment().items() if name not in unlike_tests},
        **{f"{name}_FILE": str(tmp_path / name) for name in files},
        "BEHIND_TLS": "true",
        "ALLOWED_HOSTS": "label.example.org",
        "CSRF_TRUSTED_ORIGINS": "https://label.example.org",
        "STORAGE_URL": "s3://bucket/prefix?endpoint_url=https://minio.example.org",
    }
    words = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(
        words, cwd=settings.BASE_DIR, env=production, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (
        0, "System check identified no issues (0 silenced).",
    ), done.stderr  # fmt: skip
