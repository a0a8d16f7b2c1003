"""Jobs that are rows: one process at a time, stopped whatever they are at, taken over, given up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import pytest

from annotation_site.catalog import jobs, steps
from annotation_site.catalog.claims import Claims
from annotation_site.catalog.jobs import Job, State
from annotation_site.catalog.reporting import ClaimLost
from annotation_site.catalog.stages import MOST_DEATHS, Interrupted
from annotation_site.preparing.models import Estimate, ImportRun
from annotation_site.results.models import ExportFile
from pipeline.progress import Progress
from tests.factories import NOON, ProjectFactory, RoundFactory
from tests.site.campaigns import on_own_connection

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """What ends a process without a word to its row."""


def an_import() -> Job:
    return ImportRun.objects.create(project=ProjectFactory(), place="/photos", shares={}, asked_at=NOON)


def an_estimate() -> Job:
    return Estimate.objects.create(round=RoundFactory())


@pytest.fixture
def job() -> Job:
    return ExportFile.objects.create(project=ProjectFactory(), format="coco", asked_at=NOON)


@pytest.fixture(autouse=True)
def _every_step_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "WRITE_EVERY", 0.0)


def state_of(job: Job) -> str:
    """The state of its row."""
    job.refresh_from_db()
    return job.state


def carried_out(job: Job, work: Callable[[Progress], object]) -> str:
    jobs.carry_out(job, work, clock=lambda: NOON)
    return state_of(job)


def never(_: Progress) -> None:
    pytest.fail("Nobody wants it any more.")


def nothing(_: Progress) -> None:
    """Work that is done at once."""


def killed(progress: Progress, *, done: int = 0) -> None:
    progress(done, 9)
    raise Killed


def interrupted(_: Progress) -> None:
    raise Interrupted("The worker was shut down.")


def die_at(job: Job, *, done: int = 0) -> None:
    """Leave a job as a process does that is killed when it got so far."""
    with pytest.raises(Killed):
        jobs.carry_out(job, partial(killed, done=done))


def test_it_says_how_far_it_is_and_when_it_began_and_ended(job: Job) -> None:
    def work(progress: Progress) -> None:
        progress(1, 2, "one of two")
        there = type(job)._default_manager.get()
        assert (there.state, there.done, there.total, there.message) == ("running", 1, 2, "one of two")

    assert carried_out(job, work) == "done"
    assert (job.begun_at, job.finished_at, job.message) == (NOON, NOON, "")


def test_one_that_somebody_is_at_is_left_alone(job: Job) -> None:
    with Claims() as claims:
        claims.take(job.CLAIM, job.pk)
        assert carried_out(job, never) == "waiting"
        assert not jobs.unattended(type(job)).exists()
    assert jobs.unattended(type(job)).get() == job


def test_one_that_ended_is_not_begun_by_a_late_message(job: Job) -> None:
    for state in jobs.ENDED:
        jobs.change(job, state=state)
        assert carried_out(job, never) == state


def test_one_that_is_deleted_is_not_begun_by_a_late_message(job: Job) -> None:
    type(job)._default_manager.all().delete()
    jobs.carry_out(job, never)


class TestStopping:
    def test_one_that_waits_is_stopped_at_once(self, job: Job) -> None:
        jobs.request_stop(job, at=NOON)
        assert state_of(job) == "stopped"
        assert carried_out(job, never) == "stopped"

    def test_one_whose_process_died_is_stopped_at_once(self, job: Job) -> None:
        die_at(job)
        jobs.request_stop(job, at=NOON)
        assert state_of(job) == "stopped"

    def test_one_that_somebody_is_at_ends_after_the_piece_at_hand(self, job: Job) -> None:
        def work(progress: Progress) -> None:
            progress(1, 9)
            jobs.request_stop(job, at=NOON)
            assert type(job)._default_manager.get().state == "running"
            progress(2, 9)

        assert carried_out(job, work) == "stopped"
        assert job.done == 2

    def test_a_stop_that_its_process_took_along_when_it_died_is_heard_by_the_next(self, job: Job) -> None:
        def stopped_and_killed(_: Progress) -> None:
            jobs.request_stop(job, at=NOON)
            raise Killed

        with pytest.raises(Killed):
            jobs.carry_out(job, stopped_and_killed)
        assert state_of(job) == "running"
        assert carried_out(job, never) == "stopped"

    def test_a_stop_is_not_lost_in_a_shutdown(self, job: Job) -> None:
        def stopped_and_interrupted(progress: Progress) -> None:
            jobs.request_stop(job, at=NOON)
            interrupted(progress)

        carried_out(job, stopped_and_interrupted)
        assert carried_out(job, never) == "stopped"

    def test_one_that_was_stopped_can_be_tried_again(self, job: Job) -> None:
        jobs.request_stop(job, at=NOON)
        assert jobs.try_again(job)
        assert not jobs.try_again(job)
        assert carried_out(job, nothing) == "done"

    def test_a_row_that_is_deleted_ends_the_work(self, job: Job) -> None:
        reached = []

        def work(progress: Progress) -> None:
            type(job)._default_manager.all().delete()
            progress(1, 2)
            reached.append("the next piece")

        jobs.carry_out(job, work)
        assert reached == []


class TestDying:
    def test_it_is_taken_over_and_given_up_when_it_ends_its_processes_again_and_again(self, job: Job) -> None:
        for _ in range(MOST_DEATHS):
            assert jobs.unattended(type(job)).get() == job
            die_at(job)
        assert carried_out(job, never) == "failed"
        assert job.error.startswith(f"Its process died {MOST_DEATHS} times in a row without getting further.")
        assert not jobs.unattended(type(job)).exists()

    def test_fewer_deaths_do_it_no_harm(self, job: Job) -> None:
        for _ in range(MOST_DEATHS - 1):
            die_at(job)
        assert carried_out(job, nothing) == "done"

    def test_one_that_gets_further_each_time_is_not_given_up(self, job: Job) -> None:
        for done in range(1, 3 * MOST_DEATHS):
            die_at(job, done=done)
        assert carried_out(job, nothing) == "done"

    def test_one_that_dies_where_it_died_is_given_up_however_far_that_is(self, job: Job) -> None:
        for done in (5, 7, 6, 7):
            die_at(job, done=done)
        assert carried_out(job, never) == "failed"

    def test_one_that_was_given_up_may_die_as_often_again(self, job: Job) -> None:
        for _ in range(MOST_DEATHS):
            die_at(job)
        jobs.carry_out(job, never)
        assert jobs.try_again(job)
        die_at(job)
        assert carried_out(job, nothing) == "done"

    def test_shutdowns_are_no_deaths(self, job: Job) -> None:
        for _ in range(MOST_DEATHS + 1):
            assert carried_out(job, interrupted) == "waiting"
        assert (job.deaths, job.message) == (0, "The worker was shut down.")
        assert carried_out(job, nothing) == "done"

    def test_whoever_watches_may_interrupt_it(self, job: Job) -> None:
        def ending(*_: object) -> None:
            raise Interrupted("The worker was shut down.")

        jobs.carry_out(job, lambda progress: progress(1, 2), also=ending)
        assert state_of(job) == "waiting"

    def test_work_that_lost_its_claim_ends_and_leaves_the_row_to_whoever_has_it(self, job: Job) -> None:
        def work(progress: Progress) -> None:
            with Claims() as someone:
                someone.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
                    " WHERE datname = current_database() AND locktype = 'advisory'"
                    " AND pid <> pg_backend_pid()"
                )
            progress(1, 2)

        with pytest.raises(ClaimLost, match="The connection to the database broke"):
            jobs.carry_out(job, work)
        assert state_of(job) == "running"
        assert carried_out(job, nothing) == "done"


@pytest.mark.parametrize("make", [an_import, an_estimate])
def test_all_kinds_are_carried_out_alike(make: Callable[[], Job]) -> None:
    job = make()
    die_at(job)
    jobs.request_stop(job, at=NOON)
    assert carried_out(job, never) == "stopped"
    assert jobs.try_again(job)
    for _ in range(MOST_DEATHS):
        die_at(job)
    assert carried_out(job, never) == "failed"
    assert jobs.try_again(job)
    assert carried_out(job, interrupted) == "waiting"
    assert carried_out(job, nothing) == "done"
    assert jobs.discard(job, lambda _: None)


def test_a_failure_is_told_and_can_be_tried_again(job: Job) -> None:
    def failing(_: Progress) -> None:
        raise OSError("No room left")

    jobs.carry_out(job, failing, told=lambda error: f"{error}!")
    assert (state_of(job), job.error) == ("failed", "No room left!")
    assert jobs.try_again(job)
    assert carried_out(job, nothing) == "done"
    assert job.error == ""


class TestDiscarding:
    def test_what_it_left_goes_first_and_nobody_begins_it_meanwhile(self, job: Job) -> None:
        seen = []

        def forget(there: Job) -> None:
            jobs.carry_out(there, never)
            seen.append(there.state)

        assert jobs.discard(job, forget)
        assert seen == ["stopped"]
        assert not type(job)._default_manager.exists()

    def test_one_that_somebody_is_at_is_stopped_and_stays_until_it_ended(self, job: Job) -> None:
        begun, go_on = Event(), Event()

        def work(progress: Progress) -> None:
            begun.set()
            go_on.wait()
            progress(1, 2)

        def forget(there: Job) -> None:
            assert there.state == State.STOPPED

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(on_own_connection, partial(jobs.carry_out, job, work))
            begun.wait()
            assert not jobs.discard(job, forget)
            go_on.set()
            running.result()
        assert state_of(job) == "stopped"
        assert jobs.discard(job, forget)

    def test_one_whose_process_died_is_discarded_at_once(self, job: Job) -> None:
        die_at(job)
        assert jobs.discard(job, lambda _: None)
