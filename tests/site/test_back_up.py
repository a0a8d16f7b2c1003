"""What docs/how-to/back-up.md says brings everything back: the database by pg_dump, the files by tar."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from annotation_site.catalog.models import Role
from annotation_site.catalog.rounds import current_round
from annotation_site.embedded.postgres_server import program
from annotation_site.verification.carrying_on import carry_on
from annotation_site.verification.models import Judgment, Says
from tests.site.own_processes import environment
from tests.site.painted_projects import painted_project
from tests.site.verified_projects import answer_all

pytestmark = pytest.mark.django_db(transaction=True)

RESTORED = "maskgrove_restored"


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path: Path) -> None:
    place = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "var" / "artifacts"},
    }
    settings.STORAGES = {**settings.STORAGES, "artifacts": place}


def run(name: str, *words: str) -> None:
    done = subprocess.run([program(name), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def contents(url: str) -> dict[str, Any]:
    """Table -> number of rows and a digest of all of them, and which constraints there are."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        digest = sql.SQL(
            "SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"
        )
        found: dict[str, Any] = {
            table: connection.execute(digest.format(sql.Identifier(table))).fetchone() for (table,) in tables
        }
        found["constraints"] = connection.execute(
            "SELECT conname, contype::text FROM pg_constraint ORDER BY 1, 2"
        ).fetchall()
    return found


def bytes_under(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_database_and_files_come_back_as_they_were(tmp_path: Path) -> None:
    project = painted_project(tmp_path, images={Role.INITIAL: 2, Role.HELDOUT: 3, Role.POOL: 4}, k_pa=0.05)
    carry_on(current_round(project))
    answer_all(project, says=lambda item: Says.YES)
    assert Judgment.objects.exists()
    url = environment()["DATABASE_URL"]
    restored = urlsplit(url)._replace(path=f"/{RESTORED}").geturl()
    before, files = contents(url), bytes_under(tmp_path / "var")
    assert len(files) >= 3

    dump = tmp_path / "maskgrove.dump"
    run("pg_dump", "--format", "custom", "--file", str(dump), url)
    with tarfile.open(tmp_path / "files.tar", "w") as archive:
        archive.add(tmp_path / "var", "var")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {RESTORED}")
        try:
            run("pg_restore", "--clean", "--if-exists", "--no-owner", "--dbname", restored, str(dump))
            assert contents(restored) == before
        finally:
            connection.execute(f"DROP DATABASE {RESTORED} WITH (FORCE)")
    with tarfile.open(tmp_path / "files.tar") as archive:
        archive.extractall(tmp_path / "again", filter="data")
    assert bytes_under(tmp_path / "again" / "var") == files
