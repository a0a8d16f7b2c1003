"""manage.py postgres"""

from __future__ import annotations

import argparse
import os
import subprocess
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from annotation_site.embedded.postgres_server import program

PROGRAMS = ("pg_dump", "pg_restore", "psql")
VARIABLES = {"user": "PGUSER", "password": "PGPASSWORD", "host": "PGHOST", "port": "PGPORT"}
"""How programs are told what may not stand among their words, where everybody on the machine reads it."""


class Command(BaseCommand):
    """Run a program of the Postgres wheel; the connection keeps the embedded server up meanwhile."""

    help = "Run pg_dump, pg_restore or psql of the Postgres wheel on the site's own database."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("program", choices=PROGRAMS)
        parser.add_argument("words", nargs=argparse.REMAINDER, help="What the program is told besides.")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        connection.ensure_connection()
        known = connection.get_connection_params()
        told = {name: str(known[key]) for key, name in VARIABLES.items() if known.get(key)}
        words = [program(options["program"]), f"--dbname={known['dbname']}", *options["words"]]
        done = subprocess.run(words, env={**os.environ, **told}, check=False)
        if done.returncode:
            raise CommandError(f"{options['program']} failed: see above.", returncode=done.returncode)
