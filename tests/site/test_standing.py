"""What gold says of a worker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation_site.people.members import UnknownLink, invite, join, join_by_code, member_of
from annotation_site.people.models import Membership, Standing, TrustPolicy, Worker
from annotation_site.people.standing import GoldRecord, assess
from tests.factories import NOON, JoinLinkFactory, ProjectFactory

counts = st.integers(0, 200)


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
        (4, 5, Standing.ACTIVE),  # too few to judge
        (10, 0, Standing.ACTIVE),
        (9, 1, Standing.ACTIVE),
        (6, 4, Standing.PROBATION),
        (4, 6, Standing.STOPPED),
        (50, 50, Standing.STOPPED),
        (190, 10, Standing.ACTIVE),
    ],
)
def test_a_standing_follows_from_the_upper_bound(right: int, wrong: int, expected: Standing) -> None:
    assert assess(GoldRecord(right, wrong), TrustPolicy(), current=Standing.ACTIVE)[0] == expected


def test_a_watched_worker_who_does_well_is_active_again() -> None:
    assert assess(GoldRecord(90, 4), TrustPolicy(), current=Standing.PROBATION)[0] == Standing.ACTIVE


def test_who_is_stopped_stays_so_whatever_the_gold_says() -> None:
    assert assess(GoldRecord(100, 0), TrustPolicy(), current=Standing.STOPPED) == (Standing.STOPPED, "")


def test_the_reason_names_the_counts() -> None:
    _, reason = assess(GoldRecord(4, 6), TrustPolicy(), current=Standing.ACTIVE)
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
