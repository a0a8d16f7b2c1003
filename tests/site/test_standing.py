"""What gold says of a worker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation_site.people.members import UnknownLink, invite, join, join_by_code, member_of
from annotation_site.people.models import Membership, Standing, TrustPolicy, Worker
from annotation_site.people.standing import AgreementRecord, GoldRecord, PaceRecord, Record, assess
from tests.factories import NOON, JoinLinkFactory, ProjectFactory

counts = st.integers(0, 200)


def by_gold(right: int, wrong: int, *, current: Standing) -> tuple[Standing, str]:
    return assess(Record(gold=GoldRecord(right, wrong)), TrustPolicy(), current=current)


@given(counts, counts)
def test_the_bounds_hold_the_observed_accuracy_between_them(right: int, wrong: int) -> None:
    record = GoldRecord(right, wrong)
    assert 0 <= record.at_least <= record.at_most <= 1
    if record.answered:
        assert record.at_least <= right / record.answered <= record.at_most


@given(counts, counts)
def test_a_right_answer_never_lowers_what_may_be_expected(right: int, wrong: int) -> None:
    assert GoldRecord(right + 1, wrong).at_most >= GoldRecord(right, wrong).at_most
    assert GoldRecord(right, wrong + 1).at_least <= GoldRecord(right, wrong).at_least


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        (4, 5, Standing.QUALIFIED),  # too few to judge
        (10, 0, Standing.QUALIFIED),  # may still be as bad as 74 %
        (11, 0, Standing.ACTIVE),
        (9, 1, Standing.QUALIFIED),
        (6, 4, Standing.PROBATION),
        (4, 6, Standing.STOPPED),
        (50, 50, Standing.STOPPED),
        (190, 10, Standing.ACTIVE),
    ],
)
def test_a_standing_is_lost_by_the_upper_bound_and_earned_by_the_lower(
    right: int, wrong: int, expected: Standing
) -> None:
    assert by_gold(right, wrong, current=Standing.QUALIFIED)[0] == expected


@pytest.mark.parametrize("current", [Standing.QUALIFIED, Standing.ACTIVE])
def test_who_is_neither_proven_nor_doubtful_stays_what_they_are(current: Standing) -> None:
    assert by_gold(9, 1, current=current) == (current, "")


@pytest.mark.parametrize(
    ("agreed", "shared", "expected", "standing"),
    [
        (10, 39, 0.95, Standing.ACTIVE),  # too few to judge
        (38, 40, 0.95, Standing.ACTIVE),
        (60, 100, 0.95, Standing.PROBATION),
        (50, 100, 0.95, Standing.STOPPED),
        (50, 100, 0.8, Standing.PROBATION),  # the others agree less among themselves
    ],
)
def test_agreement_is_judged_by_how_far_the_others_agree(
    agreed: int, shared: int, expected: float, standing: Standing
) -> None:
    record = Record(agreement=AgreementRecord(agreed, shared, expected))
    assert assess(record, TrustPolicy(), current=Standing.ACTIVE)[0] == standing


@pytest.mark.parametrize(
    ("pace", "standing"),
    [
        (PaceRecord(39, 90.0), Standing.ACTIVE),  # too few to judge
        (PaceRecord(40, 90.0), Standing.STOPPED),
        (PaceRecord(40, 300.0), Standing.PROBATION),
        (PaceRecord(40, 1400.0, 1900.0), Standing.ACTIVE),
        (PaceRecord(40, 1400.0, 120.0), Standing.STOPPED),
        (PaceRecord(40, 300.0, 1900.0), Standing.PROBATION),
    ],
)
def test_speed_is_judged_by_the_page_and_by_the_clock(pace: PaceRecord, standing: Standing) -> None:
    assert assess(Record(pace=pace), TrustPolicy(), current=Standing.ACTIVE)[0] == standing


def test_the_sites_clock_can_be_left_out() -> None:
    record = Record(pace=PaceRecord(40, 1400.0, 5.0))
    assert assess(record, TrustPolicy(check_clock=False), current=Standing.ACTIVE)[0] == Standing.ACTIVE


def test_every_doubt_is_named_and_the_worst_one_counts() -> None:
    record = Record(gold=GoldRecord(4, 6), pace=PaceRecord(40, 300.0), agreement=AgreementRecord(10, 60, 0.9))
    standing, reason = assess(record, TrustPolicy(), current=Standing.ACTIVE)
    assert standing == Standing.STOPPED
    assert "gold answers right" in reason
    assert "agrees with proven workers" in reason
    assert "300 ms" not in reason


def test_a_watched_worker_who_does_well_is_active_again() -> None:
    assert by_gold(90, 4, current=Standing.PROBATION)[0] == Standing.ACTIVE
    assert by_gold(10, 1, current=Standing.PROBATION)[0] == Standing.QUALIFIED


def test_who_is_stopped_stays_so_whatever_the_gold_says() -> None:
    assert by_gold(100, 0, current=Standing.STOPPED) == (Standing.STOPPED, "")


def test_the_reason_names_the_counts() -> None:
    _, reason = by_gold(4, 6, current=Standing.ACTIVE)
    assert reason == "4 of 10 gold answers right, so at most 70% accurate; 75% is needed."


@pytest.mark.django_db
class TestJoining:
    def test_a_marketplaces_worker_is_one_person_on_every_visit(self) -> None:
        project, other = ProjectFactory(), ProjectFactory()
        first, again = (join(project=project, provider="prolific", external_id="p1") for _ in range(2))
        assert first == again
        assert join(project=other, provider="prolific", external_id="p1").worker == first.worker
        assert (Worker.objects.count(), Membership.objects.count()) == (1, 2)

    def test_ids_of_different_marketplaces_are_different_people(self) -> None:
        project = ProjectFactory()
        for provider in ("prolific", "mturk"):
            join(project=project, provider=provider, external_id="p1")
        assert Worker.objects.count() == 2

    def test_everyone_who_joins_by_a_link_is_someone_new(self) -> None:
        link = JoinLinkFactory()
        people = {join_by_code(code=link.code, name="Ada").worker_id for _ in range(3)}
        assert len(people) == 3

    def test_a_revoked_link_lets_nobody_in(self) -> None:
        link = JoinLinkFactory(revoked_at=NOON)
        with pytest.raises(UnknownLink):
            join_by_code(code=link.code)

    def test_a_personal_link_is_found_by_its_secret_alone(self) -> None:
        member = invite(project=ProjectFactory(), name="Ada")
        assert member_of(member.secret) == member
        assert len(member.secret) >= 20
        with pytest.raises(UnknownLink):
            member_of(str(member.pk))
