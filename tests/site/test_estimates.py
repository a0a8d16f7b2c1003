"""One plan a round: what it rests on, when it counts, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.test import Client

from annotation_site import enqueue
from annotation_site.budget.caps import set_caps
from annotation_site.catalog.models import Project, Round, Tree
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import MOST_DEATHS, Interrupted
from annotation_site.preparing import estimates
from annotation_site.preparing.estimates import ask_for_due, ask_for_estimate, estimated, make_estimate
from annotation_site.preparing.models import Estimate, State
from annotation_site.verification.forecasting import (
    Basis,
    Forecast,
    NothingToForecast,
    basis_of,
    plan_campaign,
)
from pipeline.planning import Plan
from pipeline.progress import Progress
from tests.factories import ProjectFactory
from tests.site.campaigns import opened, project_with_tree
from tests.site.test_forecasting import calibrated
from workers import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def made(project: Project) -> Estimate:
    """The project's estimate, as a worker leaves it."""
    return make_estimate(ask_for_estimate(project))


def known(project: Project) -> tuple[str, Forecast | None]:
    """The state that is told of the project's estimate, and what it says."""
    estimate, found = estimated(current_round(Project.objects.get(pk=project.pk)))
    return estimate.state, found


def test_a_round_is_planned_once() -> None:
    project = calibrated()
    assert known(project) == ("waiting", None)
    (due,) = ask_for_due()
    finished = make_estimate(due).finished_at
    state, found = known(project)
    assert (state, found is not None) == ("done", True)
    assert ask_for_due() == []
    assert made(project).finished_at == finished


def test_there_is_nothing_to_plan_with_before_a_round_is_calibrated() -> None:
    project = project_with_tree([True] * 32)
    ProjectFactory()
    assert known(project) == ("", None)
    assert ask_for_due() == []
    failed = made(project)
    assert "manage.py calibrate" in failed.error
    assert known(project) == ("failed", None)
    calibration = calibrated().rounds.get().calibration
    Round.objects.filter(project=project).update(calibration=calibration)
    assert known(project) == ("waiting", None)
    assert failed in ask_for_due()


def _grow_anew(project: Project) -> None:
    tree = Tree.objects.get(round__project=project)
    tree.masks.all().delete()
    Tree.objects.all().delete()
    tree.pk = None
    tree.save()


def _calibrate_anew(project: Project) -> None:
    round_ = project.rounds.get()
    Round.objects.update(calibration={**round_.calibration, "cohesion": 0.9})


def _set(**values: object) -> Callable[[Project], object]:
    return lambda project: Project.objects.filter(pk=project.pk).update(**values)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        *(
            pytest.param(_set(**values), id=next(iter(values)))
            for values in (
                {"k_iou": 0.5},
                {"k_a": 0.9},
                {"k_pa": 0.3},
                {"n_s": 9},
                {"min_size": 40},
                {"rule": "paper"},
                {"strategy": "breadth_first"},
                {"worker_accuracy": 0.8},
                {"judgments_per_question": 3},
                {"aggregation": "where_it_matters"},
                {"seed": 5},
            )
        ),
        pytest.param(lambda _: Round.objects.update(k_pa=0.2), id="calibrated k_pa"),
        pytest.param(_calibrate_anew, id="calibration"),
        pytest.param(_grow_anew, id="trees"),
    ],
)
def test_an_estimate_of_anything_else_counts_no_more(change: Callable[[Project], object]) -> None:
    project = calibrated()
    round_ = project.rounds.get()
    none = np.zeros(1)
    plan = Plan(*[none] * 5, drawn=none[None]).to_json()
    Estimate.objects.create(round=round_, state=State.DONE, rests_on=basis_of(round_).digest, plan=plan)
    assert known(project)[1] is not None
    change(project)
    assert known(project) == ("waiting", None)
    assert len(ask_for_due()) == 1


def test_pay_gold_and_pages_of_work_are_told_as_they_are_now() -> None:
    project = calibrated(gold_share=0.0)
    made(project)
    before = known(project)[1]
    set_caps(project=project, questions=None, money=None, pay_per_question="0.02")
    Project.objects.update(gold_share=0.5, hit_size=20)
    after = known(project)[1]
    assert before is not None
    assert after is not None
    assert after.steps(1)[0].questions == pytest.approx(2 * before.steps(1)[0].questions, rel=0.01)
    assert after.steps(1)[0].money == after.steps(1)[0].questions * Decimal("0.02")


def test_an_open_round_goes_by_the_rules_that_it_was_opened_with() -> None:
    project = calibrated()
    made(project)
    opened(project)
    Project.objects.update(k_a=0.9, strategy="breadth_first")
    assert known(project)[1] is not None
    assert ask_for_due() == []


def test_what_changes_while_it_is_worked_out_leaves_it_an_estimate_of_what_was() -> None:
    project = calibrated()

    def change(*_: object) -> None:
        Project.objects.update(k_a=0.9)

    assert make_estimate(ask_for_estimate(project), also=change).state == State.DONE
    assert known(project) == ("waiting", None)
    (due,) = ask_for_due()
    assert make_estimate(due).state == State.DONE
    assert known(project)[1] is not None
    assert ask_for_due() == []


def test_only_the_latest_round_of_a_project_is_planned_by_itself() -> None:
    project = calibrated()
    project.rounds.create(number=2)
    assert ask_for_due() == []


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(enqueue, "_send", lambda task, arguments, **_: found.append((task, *arguments)))
    return found


def work_off(sent: list[tuple[Any, ...]]) -> int:
    """Do what was left to workers; how much that was."""
    taken = [sent.pop(0) for _ in range(len(sent))]
    for task, *arguments in taken:
        tasks.app.tasks[task](*arguments)
    return len(taken)


@pytest.mark.parametrize("error", [NothingToForecast, ValueError, KeyError, MemoryError, ZeroDivisionError])
def test_one_that_fails_stops_no_other_and_is_not_tried_again(
    sent: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    admin_client: Client,
    error: type[Exception],
) -> None:
    bad, good = calibrated(), calibrated()

    def planned(round_: Round, basis: Basis, *, progress: Progress) -> Plan:
        if round_.project_id == bad.pk:
            raise error("It cannot be.")
        return plan_campaign(round_, basis, progress=progress)

    monkeypatch.setattr(estimates, "plan_campaign", planned)
    tasks.plan_ahead()
    assert work_off(sent) == 2
    assert [known(project)[0] for project in (bad, good)] == ["failed", "done"]
    tasks.plan_ahead()
    tasks.resume_preparing()
    assert work_off(sent) == 0
    cache.clear()
    for page in ("", "setup/?part=estimate"):
        assert "It cannot be." in admin_client.get(f"/projects/{bad.slug}/{page}").content.decode()
    monkeypatch.setattr(estimates, "plan_campaign", plan_campaign)
    assert made(bad).state == State.DONE


def test_a_strategy_that_cannot_be_planned_with_says_why(sent: list[tuple[Any, ...]]) -> None:
    project = calibrated(strategy="oracle")
    tasks.plan_ahead()
    work_off(sent)
    assert known(project)[0] == "failed"
    assert "which only simulations know" in Estimate.objects.get().error
    assert "choose 'expected_yield'" in Estimate.objects.get().error


def test_one_whose_processes_die_is_given_up(sent: list[tuple[Any, ...]]) -> None:
    project = calibrated()
    estimate = ask_for_estimate(project)

    class Killed(BaseException):
        """What ends a process without a word to its row."""

    def die(*_: object) -> None:
        raise Killed

    for _ in range(MOST_DEATHS):
        with pytest.raises(Killed):
            make_estimate(estimate, also=die)
    assert make_estimate(estimate).state == State.FAILED
    assert "memory" in estimate.error
    tasks.plan_ahead()
    tasks.resume_preparing()
    assert sent == []


def test_a_worker_that_must_end_leaves_it_to_others(sent: list[tuple[Any, ...]]) -> None:
    project = calibrated()

    def shut_down(*_: object) -> None:
        raise Interrupted("The worker ends.")

    assert make_estimate(ask_for_estimate(project), also=shut_down).state == State.WAITING
    tasks.resume_preparing()
    assert work_off(sent) == 1
    assert known(project)[0] == "done"
