"""The commands of docs/how-to/back-up.md, as they stand there, bring everything back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from annotation_site import embedded
from annotation_site.catalog.models import Role
from annotation_site.catalog.rounds import current_round
from annotation_site.embedded.postgres_server import program
from annotation_site.verification.carrying_on import carry_on
from annotation_site.verification.models import Judgment, Says
from tests.site.own_processes import environment
from tests.site.painted_projects import painted_project
from tests.site.verified_projects import answer_all

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = Path(settings.BASE_DIR, "docs/how-to/back-up.md")
SECTION = re.compile(r"^## The embedded Postgres\n(.*?)^## ", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"(?:^    .+\n)+", re.MULTILINE)


@pytest.fixture(autouse=True)
def _own_files(settings, tmp_path: Path) -> None:
    place = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "live" / "artifacts"},
    }
    settings.STORAGES = {**settings.STORAGES, "artifacts": place}


def commands() -> tuple[str, str]:
    """What the page says to back up by, and to restore by."""
    (section,) = SECTION.findall(PAGE.read_text())
    back_up, restore = BLOCK.findall(section)
    return back_up, restore


class Installation:
    """A checkout with a `var` of its own and an embedded Postgres in it, in which people type commands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.var = folder, folder / "var"
        self.var.mkdir(parents=True)
        (folder / "manage.py").symlink_to(Path(settings.BASE_DIR, "manage.py"))
        (folder / ".venv").symlink_to(sys.prefix)

    def typed(self, text: str) -> None:
        own = {"MASKGROVE_VAR": str(self.var), "DJANGO_SETTINGS_MODULE": "annotation_site.settings"}
        base = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text], cwd=self.folder, capture_output=True, text=True,
            env={**base, "PYTHONPATH": str(settings.BASE_DIR), **own}, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"

    def contents(self) -> dict[str, Any]:
        """Of its database."""
        try:
            return contents(embedded.ensure_postgres(self.var))
        finally:
            embedded.release(self.var)


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


def copied(project_files: Path, installation: Installation) -> None:
    """Let an installation hold what this test's database and files hold."""
    (project_files / "artifacts").rename(installation.var / "artifacts")
    (installation.var / "secret_key").write_text("a secret of its own, fifty letters long or even longer")
    installation.typed(".venv/bin/python manage.py migrate")
    dump = installation.folder / "test.dump"
    own = environment()["DATABASE_URL"]
    subprocess.run([program("pg_dump"), "--format", "custom", "--file", dump, own], check=True)
    try:
        there = embedded.ensure_postgres(installation.var)
        subprocess.run(
            [program("pg_restore"), "--clean", "--if-exists", "--no-owner", "--dbname", there, dump],
            check=True,
        )
    finally:
        embedded.release(installation.var)


def test_what_the_page_says_brings_database_and_files_back_as_they_were(tmp_path: Path) -> None:
    project = painted_project(tmp_path, images={Role.INITIAL: 2, Role.HELDOUT: 3, Role.POOL: 4}, k_pa=0.05)
    carry_on(current_round(project))
    answer_all(project, says=lambda item: Says.YES)
    assert Judgment.objects.exists()
    back_up, restore = commands()

    first = Installation(tmp_path / "first")
    copied(tmp_path / "live", first)
    before, kept = first.contents(), bytes_under(first.var / "artifacts")
    assert len(kept) >= 3
    assert before["verification_judgment"][0] == Judgment.objects.count()
    first.typed(back_up)

    second = Installation(tmp_path / "second")
    for name in ("maskgrove.dump", "files.tar"):
        (first.folder / name).rename(second.folder / name)
    second.typed(restore.replace("PROJECT", project.slug))
    assert second.contents() == before
    assert bytes_under(second.var / "artifacts") == kept
    assert (second.var / "secret_key").read_text() == (first.var / "secret_key").read_text()
