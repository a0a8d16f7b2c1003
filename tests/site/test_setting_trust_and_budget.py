"""Thresholds of standing, caps and terms of pay, set from the command line."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from annotation_site.budget.caps import budget_of, set_caps
from annotation_site.catalog.models import Project
from annotation_site.people.models import TrustPolicy
from annotation_site.people.policies import PolicyRefused, set_policy
from tests.factories import ProjectFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return ProjectFactory()


def run(command: str, project: Project, *options: str) -> str:
    out = io.StringIO()
    call_command(command, project.slug, *options, stdout=out)
    return out.getvalue()


def test_thresholds_are_shown_and_those_given_are_set(project: Project) -> None:
    assert "stop_below             0.75" in run("trust", project)
    told = run("trust", project, "--stop-below", "0.6", "--check-clock", "no")
    assert "stop_below             0.6" in told
    policy = TrustPolicy.objects.get(project=project)
    assert (policy.stop_below, policy.watch_below, policy.check_clock) == (0.6, 0.85, False)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--stop-below", "1.5"], "stop_below"),
        (["--stop-below", "0.9"], "stop_below is above watch_below"),
        (["--stop-faster-ms", "500"], "stop_faster_ms is above watch_faster_ms"),
        (["--check-clock", "maybe"], "yes or no"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(project: Project, options: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run("trust", project, *options)
    assert not TrustPolicy.objects.exclude(stop_below=0.75).exists()


def test_a_threshold_that_there_is_not_is_refused(project: Project) -> None:
    with pytest.raises(PolicyRefused, match="stop_above"):
        set_policy(project=project, stop_above=0.5)


def test_a_budget_is_shown_and_what_is_given_is_set(project: Project) -> None:
    run("budget", project, "--money", "20", "--pay-per-hit", "0.5", "--fee-share", "0.2")
    told = run("budget", project, "--questions", "1000", "--unfinished", "nothing")
    assert "money              20" in told
    assert "spent: 0 questions" in told
    budget = budget_of(project)
    assert (budget.questions, budget.money, budget.unfinished) == (1000, 20, "nothing")
    assert (budget.pay_per_hit, budget.fee_share) == (Decimal("0.5"), Decimal("0.2"))
    assert "money              no cap" in run("budget", project, "--no-cap", "money")


@pytest.mark.parametrize(
    "options", [["--pay-per-hit", "-1"], ["--pay-per-hit", "much"], ["--unfinished", "maybe"]]
)
def test_a_budget_that_makes_no_sense_is_refused(project: Project, options: list[str]) -> None:
    set_caps(project=project, questions=5, money=None)
    with pytest.raises(CommandError):
        run("budget", project, "--questions", "7", *options)
    assert budget_of(project).questions == 5
