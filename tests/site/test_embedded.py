"""Postgres and Redis from wheels: shared, gone with their last user, back after kill -9 with all data."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
import redis as redis_client

from annotation_site import embedded
from annotation_site.embedded.postgres_server import Postgres, working_in
from annotation_site.embedded.redis_server import Redis
from annotation_site.embedded.server import ServerFailed, in_wheel
from tests.site.processes import is_gone, until, written

USER = """
import pathlib, sys, time
from annotation_site.embedded.postgres_server import Postgres
server = Postgres(pathlib.Path(sys.argv[1]))
server.ensure()
pathlib.Path(sys.argv[2]).write_text("uses it")
time.sleep(600)
"""


@pytest.fixture
def postgres(tmp_path: Path):
    server = Postgres(tmp_path / "postgres", embedded.NOT_DURABLE)
    server.ensure()
    yield server
    server.release()


@pytest.fixture
def redis(tmp_path: Path):
    server = Redis(tmp_path / "redis")
    server.ensure()
    yield server
    server.release()


@pytest.fixture
def other_user(tmp_path: Path):
    """A second process that uses the same Postgres."""
    words = [sys.executable, "-c", USER, str(tmp_path / "postgres"), str(tmp_path / "uses")]
    process = subprocess.Popen(words)
    written(tmp_path / "uses")
    yield process
    process.kill()
    process.wait()


def query(server: Postgres, statement: str) -> object:
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def postmaster(server: Postgres) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


def client(server: Redis) -> redis_client.Redis:
    return redis_client.Redis.from_url(server.url, decode_responses=True)


def test_its_url_is_known_before_it_runs(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    assert server.url.startswith("postgresql://maskgrove@/maskgrove?host=")
    assert not server.directory.exists()


def test_it_has_its_database_at_once(postgres: Postgres) -> None:
    assert query(postgres, "SELECT current_database()") == "maskgrove"
    assert query(postgres, "SHOW server_encoding") == "UTF8"


def test_nobody_else_reaches_it(postgres: Postgres) -> None:
    assert query(postgres, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(postgres.socket_directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(postgres.data.stat().st_mode) == 0o700


def test_it_never_runs_as_root(postgres: Postgres) -> None:
    assert psutil.Process(postmaster(postgres)).uids().real != 0


def test_a_second_process_attaches_and_keeps_it_alive(postgres: Postgres, other_user) -> None:
    first = postmaster(postgres)
    postgres.release()
    assert postgres.answers()
    postgres.ensure()
    assert postmaster(postgres) == first


def test_it_ends_with_its_last_user_even_one_that_was_killed(postgres: Postgres, other_user) -> None:
    pid = postmaster(postgres)
    postgres.release()
    other_user.kill()
    until(lambda: is_gone(pid), waiting_for="Postgres to end")


def test_it_is_back_with_its_data_after_kill_9(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    server.ensure()
    query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(postmaster(server), signal.SIGKILL)
    until(lambda: not server.answers(), waiting_for="Postgres to be gone")
    server.ensure()
    assert query(server, "SELECT answer FROM kept") == 42
    server.release()


def test_a_pid_file_whose_number_another_process_has_now_is_no_obstacle(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres", embedded.NOT_DURABLE)
    server.ensure()
    left = (server.data / "postmaster.pid").read_text().splitlines()
    server.release()
    (server.data / "postmaster.pid").write_text("\n".join([str(os.getppid()), *left[1:]]) + "\n")
    server.ensure()
    assert query(server, "SELECT 1") == 1
    server.release()


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18")
    server = Postgres(tmp_path / "postgres", embedded.NOT_DURABLE)
    server.ensure()
    assert query(server, "SELECT 1") == 1
    server.release()
    assert not unfinished.exists()


def test_a_path_too_long_for_a_socket_gets_one_under_tmp(tmp_path: Path) -> None:
    server = Postgres(tmp_path / ("deep" * 30) / "postgres", embedded.NOT_DURABLE)
    assert server.socket_directory.parent == Path("/tmp")
    server.ensure()
    assert query(server, "SELECT 1") == 1
    assert stat.S_IMODE(server.socket_directory.stat().st_mode) == 0o700
    server.release()
    assert not server.socket_directory.exists()


def test_a_path_that_settings_could_not_quote_gets_a_socket_under_tmp(tmp_path: Path) -> None:
    assert Postgres(tmp_path / "it's, all" / "postgres").socket_directory.parent == Path("/tmp")


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres", {**embedded.NOT_DURABLE, "shared_buffers": "much"})
    with pytest.raises(ServerFailed, match="invalid value for parameter"):
        server.ensure()
    server.release()


def test_a_missing_wheel_is_named() -> None:
    with pytest.raises(ServerFailed, match="no_such_wheel is not installed: `pip install no_such_wheel`"):
        in_wheel("no_such_wheel", "bin/server")


def test_processes_are_known_by_where_they_work(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], cwd=tmp_path) as sleeper:
        assert working_in(tmp_path) == [sleeper.pid]
        sleeper.kill()


def test_redis_keeps_what_it_acknowledged_over_kill_9(redis: Redis) -> None:
    with client(redis) as connection:
        connection.set("kept", "yes")
        connection.config_set("appendfsync", "always")
        pid = connection.info("server")["process_id"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not redis.answers(), waiting_for="Redis to be gone")
    redis.ensure()
    with client(redis) as connection:
        assert connection.get("kept") == "yes"


def test_redis_listens_on_its_socket_only(redis: Redis) -> None:
    with client(redis) as connection:
        assert connection.config_get("port") == {"port": "0"}
    assert stat.S_IMODE(redis.socket_directory.stat().st_mode) == 0o700


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    made = embedded.secret_key(tmp_path)
    assert len(made) >= 50
    assert embedded.secret_key(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
