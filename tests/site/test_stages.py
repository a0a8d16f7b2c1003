"""A stage is carried out by one process at a time, says how far it is, and goes on where it ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction

from annotation_site.catalog import stages, troubles
from annotation_site.catalog.claims import Claims, Kind, claimed
from annotation_site.catalog.models import Round, StageRun
from annotation_site.catalog.reporting import ClaimLost, Reporter
from annotation_site.catalog.stages import ORDER, Stage, State, run_stage
from pipeline.progress import StopRequested
from tests import factories
from tests.factories import NOON

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def round_() -> Round:
    return factories.RoundFactory(number=1)


def nothing(report: Reporter) -> None:
    """Work that has nothing to do."""


def finish(round_: Round, *done: str) -> None:
    for stage in done:
        stages.mark_done(round_, Stage(stage), message="", at=NOON)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does; a test that waits too long fails."""
    for _ in range(200):
        if condition():
            return
        threading.Event().wait(0.05)
    pytest.fail("It never came to that.")


def test_a_stage_that_ends_well_is_done(round_: Round) -> None:
    def work(report: Reporter) -> None:
        report(0, 3, "Reading")
        report(3, 3, "Read")
        report.note(losses=[2.0, 1.0])

    run = run_stage(round_, Stage.TRAIN, work, clock=lambda: NOON)
    assert (run.state, run.done, run.total, run.message) == (State.DONE, 3, 3, "Read")
    assert run.detail["losses"] == [2.0, 1.0]
    assert run.detail["log"] == [[NOON.isoformat(timespec="seconds"), text] for text in ("Reading", "Read")]
    assert run.started_at == run.heartbeat_at == run.finished_at == NOON


def test_the_log_goes_on_with_the_stage_and_counts_in_place(round_: Round) -> None:
    def work(report: Reporter) -> None:
        for done in range(5):
            report(done, 5, f"{done} of 5")
        logging.getLogger("pipeline.detection").warning("One image is broken.")
        report(5, 5, "End")

    run_stage(round_, Stage.TRAIN, work)
    StageRun.objects.update(state=State.STOPPED)
    lines = [text for _, text in run_stage(round_, Stage.TRAIN, work).detail["log"]]
    assert lines == ["4 of 5", "One image is broken.", "End"] * 2


def test_a_done_stage_is_not_repeated(round_: Round) -> None:
    run_stage(round_, Stage.TRAIN, nothing)
    assert run_stage(round_, Stage.TRAIN, lambda report: pytest.fail("again")).state == State.DONE


def test_progress_is_seen_while_the_work_is_inside_a_transaction(round_: Round) -> None:
    def work(report: Reporter) -> None:
        with transaction.atomic():
            report(5, 9, "Halfway")
            report.note(loss=0.5)
            with Claims() as someone:
                until(lambda: someone.execute("SELECT message FROM catalog_stagerun")[0][0] == "Halfway")
                assert someone.execute("SELECT done, total, state FROM catalog_stagerun") == [
                    (5, 9, "running")
                ]

    assert run_stage(round_, Stage.TRAIN, work).detail["loss"] == 0.5


def test_calling_progress_a_million_times_writes_a_few_times(round_: Round) -> None:
    def work(report: Reporter) -> None:
        for done in range(1_000_000):
            report(done, 1_000_000)

    with Claims() as claims:
        executed = []
        claims.execute = lambda sql, parameters=(), real=claims.execute: (
            executed.append(sql) or real(sql, parameters)
        )
        run = StageRun.objects.create(round=round_, stage=Stage.TRAIN)
        with Reporter(claims, run, clock=lambda: NOON) as report:
            work(report)
    assert len(executed) < 100
    run.refresh_from_db()
    assert run.done == 999_999


def test_getting_further_is_told_from_being_alive(round_: Round) -> None:
    run, now = StageRun.objects.create(round=round_, stage=Stage.TRAIN), [NOON]
    with Claims() as claims:
        report = Reporter(claims, run, clock=lambda: now[0])
        for minute, message in enumerate(("", "", "loading", "loading"), 1):
            now[0] = NOON + timedelta(minutes=minute)
            report(1, 5, message)
            report._write()
    run.refresh_from_db()
    assert run.heartbeat_at == NOON + timedelta(minutes=4)
    assert run.moved_at == NOON + timedelta(minutes=3)


def test_two_processes_never_carry_out_the_same_stage(round_: Round) -> None:
    run = StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.RUNNING)
    with Claims() as another:
        assert another.take(Kind.STAGE, run.pk)
        with pytest.raises(stages.StageBusy, match="another process"):
            run_stage(round_, Stage.TRAIN, nothing)
    assert run_stage(round_, Stage.TRAIN, nothing).state == State.DONE


def test_of_many_that_start_at_once_one_works(round_: Round) -> None:
    entered, busy = [], []
    barrier = threading.Barrier(4)

    def attempt() -> None:
        barrier.wait()
        try:
            run_stage(round_, Stage.TRAIN, lambda report: entered.append(1) or until(lambda: len(busy) == 3))
        except stages.StageBusy:
            busy.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(entered), len(busy)) == (1, 3)


def test_a_stage_whose_process_died_is_known_and_taken_over(round_: Round) -> None:
    run = StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.RUNNING, done=4, total=9)
    with Claims() as alive:
        alive.take(Kind.STAGE, run.pk)
        assert stages.orphaned([run]) == []
    assert stages.orphaned([run]) == [run]
    assert run_stage(round_, Stage.TRAIN, nothing).state == State.DONE


def test_a_stage_is_asked_to_stop_and_goes_on_later(round_: Round) -> None:
    def work(report: Reporter) -> None:
        report(1, 5, "One piece")
        with Claims() as someone:
            someone.execute("UPDATE catalog_stagerun SET stop_requested = true")
        for _ in range(400):
            report(2, 5, "Two pieces")
            threading.Event().wait(0.05)
        pytest.fail("nobody stopped it")

    run = run_stage(round_, Stage.TRAIN, work)
    assert (run.state, run.done, run.total) == (State.STOPPED, 2, 5)
    assert not run.stop_requested
    assert run_stage(round_, Stage.TRAIN, nothing).state == State.DONE


def test_requesting_a_stop_reaches_running_stages_only(round_: Round) -> None:
    waiting = StageRun.objects.create(round=round_, stage=Stage.TRAIN)
    running = StageRun.objects.create(round=round_, stage=Stage.DETECT, state=State.RUNNING)
    assert stages.request_stop(round_) == 1
    waiting.refresh_from_db()
    running.refresh_from_db()
    assert (waiting.stop_requested, running.stop_requested) == (False, True)


def test_a_stop_that_a_dead_process_did_not_hear_holds_for_who_takes_over(round_: Round) -> None:
    StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.RUNNING, done=4, total=9)
    assert stages.request_stop(round_) == 1
    run = run_stage(round_, Stage.TRAIN, lambda report: pytest.fail("It was stopped."))
    assert (run.state, run.stop_requested, run.done) == (State.STOPPED, False, 4)
    assert run_stage(round_, Stage.TRAIN, nothing).state == State.DONE


def test_an_old_stop_does_not_end_a_stage_that_failed_since(round_: Round) -> None:
    StageRun.objects.create(round=round_, stage=Stage.TRAIN, state=State.FAILED, stop_requested=True)
    assert run_stage(round_, Stage.TRAIN, nothing).state == State.DONE


def test_whoever_watches_may_stop_it_too(round_: Round) -> None:
    def watch(done: int, total: int, message: str = "") -> None:
        if done == 2:
            raise StopRequested("Stopped by Ctrl-C.")

    def work(report: Reporter) -> None:
        for done in range(5):
            report(done, 5)

    run = run_stage(round_, Stage.TRAIN, work, also=watch)
    assert (run.state, run.message, run.done) == (State.STOPPED, "Stopped by Ctrl-C.", 2)


def test_an_interrupted_stage_stays_due(round_: Round) -> None:
    def work(report: Reporter) -> None:
        raise stages.Interrupted("The worker is shutting down.")

    run = run_stage(round_, Stage.TRAIN, work)
    assert (run.state, run.message) == (State.WAITING, "The worker is shutting down.")
    assert stages.next_stage(round_) == Stage.TRAIN


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (stages.StageError("Import images first."), "Import images first."),
        (MemoryError("8 GB"), "smaller batch size"),
        (OSError(28, "No space left on device"), "No space left"),
        (OperationalError("server closed the connection"), "The database is gone, or was for a moment"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero. The log"),
    ],
)
def test_a_failure_says_what_a_person_can_do(
    round_: Round, error: Exception, told: str, caplog, monkeypatch
) -> None:
    monkeypatch.setattr(troubles, "PAUSES", ())

    def work(report: Reporter) -> None:
        raise error

    with pytest.raises(stages.StageFailed, match="train of"):
        run_stage(round_, Stage.TRAIN, work)
    run = round_.stages.get()
    assert run.state == State.FAILED
    assert told in run.error
    assert ("Traceback" in caplog.text) is not isinstance(error, stages.StageError)
    assert run_stage(round_, Stage.TRAIN, nothing).error == ""


def test_work_learns_that_its_claim_is_lost(round_: Round) -> None:
    def work(report: Reporter) -> None:
        with Claims() as someone:
            someone.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
                " WHERE datname = current_database() AND locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
        for done in range(400):
            report(done, 400)
            threading.Event().wait(0.05)

    with pytest.raises(ClaimLost, match="run the train stage again"):
        run_stage(round_, Stage.TRAIN, work)
    assert stages.orphaned(round_.stages.all())


def test_stages_are_carried_out_in_order(round_: Round) -> None:
    for stage in ORDER:
        assert stages.next_stage(round_) == stage
        for later in ORDER[ORDER.index(stage) + 1 :]:
            with pytest.raises(stages.StageNotReady, match=r"manage\.py"):
                run_stage(round_, later, nothing)
        run_stage(round_, stage, nothing)
    assert stages.next_stage(round_) is None


def test_imported_predictions_stand_in_for_training_and_detection(round_: Round) -> None:
    stages.mark_done(round_, Stage.DETECT, message="12 masks imported", at=NOON + timedelta(hours=1))
    assert stages.next_stage(round_) == Stage.CLUSTER
    assert run_stage(round_, Stage.CLUSTER, nothing).state == State.DONE


def test_starting_afresh_forgets_the_later_stages(round_: Round) -> None:
    for stage in ORDER[:4]:
        run_stage(round_, stage, nothing)
    Round.objects.update(k_pa=0.6, calibration={"k_pa": 0.6})
    factories.MaskFactory(tree__round=round_)
    assert run_stage(round_, Stage.DETECT, nothing, force=True).state == State.DONE
    assert {run.stage: run.state for run in round_.stages.all()} == {
        "train": "done", "detect": "done", "cluster": "waiting", "calibrate": "waiting",
    }  # fmt: skip
    assert stages.next_stage(round_) == Stage.CLUSTER
    round_.refresh_from_db()
    assert (round_.k_pa, round_.calibration, round_.trees.count()) == (None, None, 0)


def test_an_open_round_is_not_started_afresh(round_: Round) -> None:
    finish(round_, *ORDER)
    for stage in ORDER[:4]:
        with pytest.raises(stages.RoundIsOpen, match="Start a new round"):
            run_stage(round_, stage, nothing, force=True)
    assert {run.state for run in round_.stages.all()} == {"done"}


def test_a_stage_is_not_discarded_under_a_later_one_that_runs(round_: Round) -> None:
    finish(round_, "train", "detect")
    later = StageRun.objects.create(round=round_, stage=Stage.CLUSTER, state=State.RUNNING)
    with Claims() as another:
        another.take(Kind.STAGE, later.pk)
        with pytest.raises(stages.StageBusy, match="cluster"):
            run_stage(round_, Stage.DETECT, nothing, force=True)


def test_claims_of_different_kinds_do_not_meet() -> None:
    with Claims() as one, Claims() as another:
        assert one.take(Kind.STAGE, 7)
        assert another.take(Kind.SHARD, 7)
        assert not another.take(Kind.STAGE, 7)
        assert claimed(Kind.STAGE, [6, 7]) == {7}
        one.give_back(Kind.STAGE, 7)
        assert another.take(Kind.STAGE, 7)


def died(run: StageRun, *, done: int) -> StageRun:
    """The stage as a process that got so far and was killed leaves it."""
    stages._begin(run, at=NOON)
    StageRun.objects.filter(pk=run.pk).update(done=done)
    run.refresh_from_db()
    return run


def test_a_stage_whose_processes_keep_dying_at_one_point_is_given_up(round_: Round) -> None:
    run = StageRun.objects.create(round=round_, stage=Stage.DETECT, total=50)
    for done in (10, 20, 18):
        assert not stages.give_up(died(run, done=done), at=NOON)
    assert stages.give_up(died(run, done=20), at=NOON)
    run.refresh_from_db()
    assert run.state == State.FAILED
    assert "died 3 times in a row without getting beyond 20 of 50" in run.error


def test_dying_now_and_then_is_no_reason_to_give_up(round_: Round) -> None:
    run = StageRun.objects.create(round=round_, stage=Stage.DETECT, total=50)
    assert not any(stages.give_up(died(run, done=done), at=NOON) for done in range(0, 50, 5))


def test_a_person_may_start_a_stage_that_was_given_up(round_: Round) -> None:
    run = StageRun.objects.create(round=round_, stage=Stage.TRAIN)
    for _ in range(3):
        died(run, done=4)
    assert stages.give_up(run, at=NOON)
    assert run_stage(round_, Stage.TRAIN, nothing).detail == {}
