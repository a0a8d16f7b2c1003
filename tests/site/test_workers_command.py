"""manage.py workers: who works on a project, and what an admin decides about them."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from annotation_site.people.models import Standing, StandingChange
from annotation_site.verification.models import Judgment
from tests.site.campaigns import Person, opened, project_with_clusters

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Person:
    person = Person.of(opened(project_with_clusters([0.9] * 6, gold=20)))
    person.work()
    return person


def workers(person: Person, *options: str) -> str:
    out = io.StringIO()
    call_command("workers", person.member.project.slug, *options, stdout=out)
    return out.getvalue()


def test_workers_are_listed_with_what_is_known_of_them(ada: Person) -> None:
    gold = Judgment.objects.filter(of_gold=True).count()
    told = f"{ada.member.pk:>6}  qualified  Ada: gold {gold}/{gold}, agrees 0/0, 1.4 s a mask"
    assert gold
    assert told in workers(ada)


def test_an_admin_stops_and_reinstates_a_worker_with_a_reason(ada: Person) -> None:
    number = str(ada.member.pk)
    assert "stopped" in workers(ada, "--stop", number, "--because", "many complaints", "--by", "eve")
    assert not Judgment.objects.counting().filter(of_gold=False).exists()
    told = workers(ada, "--reinstate", number, "--because", "a mistake", "--restore")
    assert "qualified" in told
    assert "a mistake (command line)" in told
    assert Judgment.objects.counting().filter(of_gold=False).exists()
    workers(ada, "--note", number, "--because", "wrote to them")
    reasons = StandingChange.objects.order_by("pk").values_list("reason", "by")
    assert list(reasons) == [
        ("many complaints", "eve"),
        ("a mistake", "command line"),
        ("wrote to them", "command line"),
    ]


@pytest.mark.parametrize("counted", [["--keep-answers"], ["--since", "2999-01-01T00:00"]])
def test_an_admin_chooses_what_stops_counting(ada: Person, counted: list[str]) -> None:
    before = Judgment.objects.counting().count()
    workers(ada, "--stop", str(ada.member.pk), "--because", "left the company", *counted)
    ada.member.refresh_from_db()
    assert ada.member.standing == Standing.STOPPED
    assert Judgment.objects.counting().count() == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--stop", "{number}"], "Say why"),
        (["--stop", "0", "--because", "x"], "has no worker 0"),
        (["--stop", "{number}", "--because", "x", "--since", "yesterday"], "is no time"),
        (["--stop", "{number}", "--because", "x", "--since", "2026-13-45T99:00"], "is no time"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    ada: Person, options: list[str], told: str
) -> None:
    given = [option.format(number=ada.member.pk) for option in options]
    with pytest.raises(CommandError, match=told):
        workers(ada, *given)
    assert not StandingChange.objects.exists()
