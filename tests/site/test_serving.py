"""`manage.py serve`: everything runs, comes back when killed, and is gone after Ctrl-C."""

import json
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from annotation_site.local.site import Address, PortTaken, free_port, is_free
from tests.site.processes import is_gone, manage, member, serves, until, unused_port


@pytest.fixture
def served(tmp_path: Path):
    """`serve` in a process of its own, with servers of its own; the process and the site's root."""
    process = manage(tmp_path, "serve", "--port", str(unused_port()), log=tmp_path / "serve.log")
    told = tmp_path / "run" / "supervisor.json"
    until(
        lambda: told.exists() and json.loads(told.read_text() or "{}").get("url"),
        seconds=90,
        waiting_for="the site",
    )
    url = json.loads(told.read_text())["url"]
    until(lambda: serves(url), seconds=90, waiting_for="the site to answer")
    yield process, url
    process.terminate()
    process.wait(timeout=240)


def family(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
def test_ctrl_c_ends_every_process(served) -> None:
    process, url = served
    everyone = family(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=240) == 0
    assert [each for each in everyone if not is_gone(each.pid)] == []
    assert not serves(url)


@pytest.mark.slow
def test_kill_9_of_it_ends_every_process_and_the_next_one_starts(served, tmp_path: Path) -> None:
    process, _ = served
    everyone = family(process)
    process.kill()
    process.wait()
    until(lambda: all(is_gone(each.pid) for each in everyone), seconds=60, waiting_for="every process to end")


@pytest.mark.slow
def test_site_postgres_and_redis_come_back_after_kill_9(served, tmp_path: Path) -> None:
    process, url = served
    for words in (("gunicorn",), ("postgres", "-D"), ("redis-server",), ("celery", "worker")):
        victim = member(process, *words)
        victim.kill()
        until(lambda victim=victim: is_gone(victim.pid), waiting_for="it to be dead")
        until(lambda: serves(url), seconds=60, waiting_for=f"the site without its {words[0]}")
        until(lambda words=words: member(process, *words), seconds=60, waiting_for=f"{words[0]} to run again")
    told = (tmp_path / "serve.log").read_text()
    assert "The site was ended by signal 9" in told
    assert "Postgres does not answer, starts again" in told


def test_a_busy_port_is_refused_when_it_was_asked_for() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(PortTaken, match=f"Port {port} .* is in use"):
            free_port("127.0.0.1", port, print)


def test_without_a_wish_the_next_free_port_is_taken_and_said(monkeypatch) -> None:
    monkeypatch.setattr("annotation_site.local.site.is_free", lambda _host, port: port == 8003)
    said: list[str] = []
    assert free_port("127.0.0.1", None, said.append) == 8003
    assert said == ["Port 8000 is in use; taking 8003."]


def test_an_address_of_this_machine_is_shown_as_localhost() -> None:
    assert Address("127.0.0.1", 8000).url == "http://localhost:8000/"
    assert Address("192.168.0.7", 80).url == "http://192.168.0.7:80/"
