"""The database or a storage that is away for a moment ends no pipeline."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError

from annotation_site.catalog import jobs, steps, troubles
from annotation_site.catalog.models import Round
from annotation_site.catalog.reporting import Reporter
from annotation_site.catalog.stages import Interrupted, Stage, StageFailed, State, request_stop, run_stage
from annotation_site.file_storage import is_away
from annotation_site.results.models import ExportFile
from pipeline.progress import Progress
from tests.factories import NOON, ProjectFactory, RoundFactory

boto3 = pytest.importorskip("boto3.exceptions")
botocore = pytest.importorskip("botocore.exceptions")
s3transfer = pytest.importorskip("s3transfer.exceptions")
pytestmark = pytest.mark.django_db(transaction=True)


def answered(status: int) -> Exception:
    """What botocore raises for an answer of a bucket."""
    return botocore.ClientError({"ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


PASSING = (
    OperationalError("server closed the connection"),
    InterfaceError("connection already closed"),
    ConnectionResetError(104, "Connection reset by peer"),
    TimeoutError("timed out"),
    answered(503),
    answered(429),
    botocore.EndpointConnectionError(endpoint_url="https://bucket"),
    botocore.ReadTimeoutError(endpoint_url="https://bucket"),
    s3transfer.RetriesExceededError(botocore.IncompleteReadError(actual_bytes=1, expected_bytes=2)),
    boto3.RetriesExceededError(ConnectionResetError(104, "Connection reset by peer")),
)
LASTING = (answered(403), answered(404), ValueError("wrong"), OSError(28, "No space left on device"))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubles, "PAUSES", (0.01, 0.02))
    monkeypatch.setattr(steps, "WRITE_EVERY", 0.0)


@pytest.fixture
def round_() -> Round:
    return RoundFactory(number=1)


def disturbed(error: Exception, *, times: int) -> tuple[Callable[[Progress], None], list[int]]:
    """Work of three pieces that is disturbed at the second one, and the pieces that it did."""
    left, done = [error] * times, list[int]()

    def work(report: Progress) -> None:
        for piece in range(len(done), 3):
            report(piece, 3)
            if piece == 1 and left:
                raise left.pop()
            done.append(piece)

    return work, done


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_a_stage_goes_on_when_the_trouble_has_passed(round_: Round, error: Exception) -> None:
    work, done = disturbed(error, times=2)
    assert run_stage(round_, Stage.TRAIN, work).state == State.DONE
    assert done == [0, 1, 2]


def test_a_job_goes_on_when_the_trouble_has_passed() -> None:
    job = ExportFile.objects.create(project=ProjectFactory(), format="coco", asked_at=NOON)
    work, done = disturbed(answered(500), times=2)
    jobs.carry_out(job, work)
    assert (job.state, done) == ("done", [0, 1, 2])


def test_a_trouble_that_does_not_pass_is_told(round_: Round) -> None:
    work, _ = disturbed(OperationalError("server closed the connection"), times=3)
    with pytest.raises(StageFailed, match="The database is gone"):
        run_stage(round_, Stage.TRAIN, work)
    assert round_.stages.get().state == State.FAILED


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_does_not_pass_by_itself_is_not_waited_for(round_: Round, error: Exception) -> None:
    work, _ = disturbed(error, times=1)
    with pytest.raises(StageFailed):
        run_stage(round_, Stage.TRAIN, work)


def test_troubles_far_apart_are_not_counted_together(round_: Round, monkeypatch) -> None:
    monkeypatch.setattr(troubles, "CALM", -1.0)
    work, done = disturbed(answered(503), times=9)
    assert run_stage(round_, Stage.TRAIN, work).state == State.DONE
    assert done == [0, 1, 2]


def test_who_waits_says_so_and_hears_a_stop(round_: Round, monkeypatch) -> None:
    monkeypatch.setattr(troubles, "PAUSES", (600.0,))
    monkeypatch.setattr(troubles, "LOOK_EVERY", 0.01)
    work, _ = disturbed(answered(503), times=1)
    heard: list[tuple[int, int, str]] = []

    def also(done: int, total: int, message: str = "") -> None:
        heard.append((done, total, message))
        if message.startswith("Disturbed"):
            request_stop(round_)

    run = run_stage(round_, Stage.TRAIN, work, also=also)
    assert (run.state, run.done) == (State.STOPPED, 1)
    assert heard[-1][:2] == (1, 3)
    assert heard[-1][2].endswith("goes on in 600 s")


def test_a_worker_that_must_end_does_not_wait(round_: Round, monkeypatch) -> None:
    monkeypatch.setattr(troubles, "PAUSES", (600.0,))
    work, _ = disturbed(answered(503), times=1)

    def ending(_done: int, _total: int, message: str = "") -> None:
        if message:
            raise Interrupted("The worker was shut down.")

    assert run_stage(round_, Stage.TRAIN, work, also=ending).state == State.WAITING


def test_without_a_bucket_no_storage_is_away(monkeypatch) -> None:
    error = answered(503)
    for name in ("boto3", "botocore", "s3transfer"):
        monkeypatch.delitem(sys.modules, f"{name}.exceptions")
    assert not is_away(error)


def test_a_reporter_knows_how_far_it_is(round_: Round) -> None:
    def work(report: Reporter) -> None:
        report(2, 5, "Two")
        assert report.reached == (2, 5)

    run_stage(round_, Stage.TRAIN, work)
