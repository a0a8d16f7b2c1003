"""Commands find, start and leave servers without being told to; progress is drawn wherever it goes."""

import io
from pathlib import Path

from rich.console import Console

from annotation_site import embedded
from annotation_site.local import site
from annotation_site.local.board import Board
from tests.site.processes import manage, until


def test_a_command_that_touches_no_data_starts_no_server(tmp_path: Path) -> None:
    assert manage(tmp_path, "check", log=tmp_path / "log").wait(timeout=120) == 0
    assert not (tmp_path / "postgres").exists()


def test_a_command_starts_the_server_it_needs_and_takes_it_along(tmp_path: Path) -> None:
    assert manage(tmp_path, "migrate", log=tmp_path / "log").wait(timeout=240) == 0
    server = embedded.postgres(tmp_path)
    until(lambda: not server.answers(), waiting_for="Postgres to end with its last user")
    assert (server.data / "PG_VERSION").exists()


def test_where_urls_are_set_there_is_no_server_to_look_after(settings) -> None:
    settings.DATABASE_URL, settings.REDIS_EMBEDDED = "postgresql://elsewhere/x", False
    assert site.embedded_servers() == []
    assert site.has_database()


def test_site_and_worker_get_the_same_servers_and_files(settings, tmp_path: Path) -> None:
    settings.VAR, settings.DATABASE_URL = tmp_path, ""
    web, *workers = site.programs(site.Address("127.0.0.1", 8123))
    assert "127.0.0.1:8123" in web.command
    assert web.environment["DATABASE_URL"] == embedded.postgres(tmp_path).url
    shared = ("DATABASE_URL", "REDIS_URL", "MASKGROVE_VAR")
    for worker in workers:
        assert [web.environment[name] for name in shared] == [worker.environment[name] for name in shared]


def test_what_is_due_has_a_worker_of_its_own() -> None:
    _, *workers = site.programs(site.Address("127.0.0.1", 8123))
    served = [program.command[program.command.index("--queues") + 1] for program in workers]
    assert sorted(served) == ["cpu,gpu", "io"]
    assert [program.name for program in workers if "--beat" in program.command] == [
        "The worker for what is due"
    ]


def test_static_files_are_collected_once_and_again_when_one_changed(settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    assert site.static_files_changed()
    collected = tmp_path / "staticfiles.json"
    collected.write_text("{}")
    assert not site.static_files_changed()


def test_a_log_gets_plain_lines_and_a_terminal_bars(capsys) -> None:
    with Board(Console(file=io.StringIO(), force_terminal=False)) as board:
        board.work("Detect")(3, 3, "done")
    assert capsys.readouterr().out == "Detect: 3 of 3, done\n"
    screen = io.StringIO()
    with Board(Console(file=screen, force_terminal=True, width=120)) as board:
        board.work("Detect")(1, 3, "first")
        board.work("Detect")(2, 3, "second")
    assert "2/3" in screen.getvalue()
    assert "second" in screen.getvalue()
