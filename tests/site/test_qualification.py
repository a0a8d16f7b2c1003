"""The test before the first HIT: who takes it, what it draws, how it ends."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from annotation_site.catalog.models import Project
from annotation_site.people.members import invite, join
from annotation_site.people.models import Membership, Standing, StandingChange
from annotation_site.people.qualification import attempts, policy
from annotation_site.people.qualification.models import Attempt, AttemptItem, Lesson, QualificationPolicy
from annotation_site.people.qualification.policy import InvalidPolicy, NotQualified
from annotation_site.people.qualification.signals import passed
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.models import Assignment
from tests.factories import NOON, CategoryFactory, ProjectFactory
from tests.site.campaigns import opened, project_with_tree, together
from tests.site.lessons import add_lessons, asked, take, truth


@pytest.fixture
def project(db: None) -> Project:
    project = ProjectFactory()
    CategoryFactory(project=project)
    add_lessons(project)
    return project


@pytest.fixture
def ada(project: Project) -> Membership:
    return invite(project=project, name="Ada")


def test_who_joins_is_new_until_they_pass(project: Project, ada: Membership) -> None:
    assert ada.standing == Standing.NEW
    assert not policy.is_qualified(ada)
    attempt = take(ada)
    assert (attempt.passed, attempt.right, attempt.seen) == (True, 10, 10)
    ada.refresh_from_db()
    assert ada.standing == Standing.QUALIFIED
    assert policy.is_qualified(ada)
    assert "10 of 10" in StandingChange.objects.get(membership=ada).reason


@pytest.mark.parametrize(("wrong", "passes"), [(2, True), (3, False)])
def test_the_pass_mark_decides(ada: Membership, wrong: int, passes: bool) -> None:
    assert take(ada, wrong=wrong).passed is passes
    assert policy.is_qualified(ada) is passes


def test_cannot_tell_is_not_right(ada: Membership) -> None:
    attempt = attempts.begin_attempt(membership=ada, at=NOON)
    for item in asked(attempt):
        attempts.answer(membership=ada, key=item.key, says="unsure", elapsed_ms=900, at=NOON)
    attempt.refresh_from_db()
    assert (attempt.passed, attempt.right) == (False, 0)


def test_half_the_questions_are_right_and_no_mask_comes_twice_while_others_are_left(
    ada: Membership,
) -> None:
    first, second = take(ada, wrong=5), attempts.begin_attempt(membership=ada, at=NOON)
    for attempt in (first, second):
        assert Counter(item.lesson.is_correct for item in asked(attempt)) == {True: 5, False: 5}
    shown = [{item.lesson_id for item in asked(attempt)} for attempt in (first, second)]
    assert shown[0].isdisjoint(shown[1])


@given(
    st.integers(2, 20),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sets(st.integers(0, 23)),
    st.integers(0, 99),
)
def test_a_draw_is_balanced_and_takes_what_was_not_seen_first(
    count: int, right: int, wrong: int, seen: set[int], seed: int
) -> None:
    sides = [True] * right + [False] * wrong
    pool = [
        Lesson(pk=n, is_correct=side, origin="cut", source_id=n % 7, category_id=1)
        for n, side in enumerate(sides)
    ]
    rng = np.random.default_rng(seed)
    drawn = attempts.draw(pool, count=count, seen=dict.fromkeys(seen, 1), rng=rng)
    assert len({lesson.pk for lesson in drawn}) == len(drawn) <= count
    for side, there in ((True, right), (False, wrong)):
        number = sum(lesson.is_correct == side for lesson in drawn)
        assert number in {min(there, count // 2), min(there, (count + 1) // 2)}
        fresh = sum(lesson.is_correct == side and lesson.pk not in seen for lesson in pool)
        new = sum(lesson.is_correct == side and lesson.pk not in seen for lesson in drawn)
        assert new == min(fresh, number)


def test_a_test_that_was_begun_goes_on(ada: Membership) -> None:
    first = attempts.begin_attempt(membership=ada, at=NOON)
    assert attempts.begin_attempt(membership=ada, at=NOON) == first == attempts.open_attempt(ada)


def test_answers_can_be_taken_back_until_the_last_one(ada: Membership) -> None:
    items = asked(attempts.begin_attempt(membership=ada, at=NOON))
    give = partial(attempts.answer, membership=ada, elapsed_ms=900, at=NOON)
    assert give(key=items[0].key, says="yes").remaining == 9
    assert give(key=items[0].key, says="no").remaining == 9
    assert AttemptItem.objects.get(pk=items[0].pk).says == "yes"
    assert attempts.undo(membership=ada, key=items[0].key).remaining == 10
    for item in items:
        give(key=item.key, says=truth(item))
    assert give(key=items[0].key, says="unsure").remaining == 0
    with pytest.raises(attempts.TestOver):
        attempts.undo(membership=ada, key=items[0].key)
    assert Attempt.objects.get().right == 10


def test_nobody_answers_the_test_of_another(project: Project, ada: Membership) -> None:
    item = asked(attempts.begin_attempt(membership=ada, at=NOON))[0]
    other = invite(project=project, name="Bo")
    with pytest.raises(attempts.UnknownTestItem):
        attempts.answer(membership=other, key=item.key, says="yes", elapsed_ms=1, at=NOON)
    with pytest.raises(attempts.UnknownTestItem):
        attempts.undo(membership=other, key=item.key)


def test_no_attempt_is_left_after_the_last(ada: Membership) -> None:
    for left in (2, 1, 0):
        take(ada, wrong=10)
        assert policy.attempts_left(ada) == left
    with pytest.raises(NotQualified) as refused:
        attempts.begin_attempt(membership=ada, at=NOON)
    assert refused.value.left == 0


def test_who_passed_or_is_stopped_takes_no_test(ada: Membership) -> None:
    take(ada)
    with pytest.raises(attempts.NothingToPass):
        attempts.begin_attempt(membership=ada, at=NOON)
    Membership.objects.update(standing=Standing.STOPPED)
    with pytest.raises(WorkerStopped):
        attempts.begin_attempt(membership=ada, at=NOON)


def test_a_changed_test_asks_again_and_gives_all_attempts_back(project: Project, ada: Membership) -> None:
    take(ada)
    policy.set_policy(project=project, questions=10, pass_mark=0.8, attempts=5)
    assert policy.is_qualified(ada)
    policy.set_policy(project=project, questions=10, pass_mark=0.9, attempts=5)
    assert not policy.is_qualified(ada)
    assert policy.attempts_left(ada) == 5
    take(ada)
    policy.ask_everyone_again(project=project)
    assert not policy.is_qualified(ada)


def test_a_test_of_an_older_version_lets_nobody_in(project: Project, ada: Membership) -> None:
    begun = asked(attempts.begin_attempt(membership=ada, at=NOON))
    policy.ask_everyone_again(project=project)
    for item in begun:
        attempts.answer(membership=ada, key=item.key, says=truth(item), elapsed_ms=900, at=NOON)
    assert not policy.is_qualified(ada)
    assert attempts.begin_attempt(membership=ada, at=NOON).number == 1


def test_without_enough_masks_workers_are_let_in_and_it_is_known(project: Project) -> None:
    for lesson in Lesson.objects.filter(is_correct=False)[:6]:
        Lesson.objects.filter(pk=lesson.pk).update(left_out_at=NOON)
    known = policy.readiness(project)
    assert (known.right, known.wrong, known.needed, known.lacks_masks) == (10, 4, 5, True)
    assert invite(project=project, name="Bo").standing == Standing.QUALIFIED


def test_a_test_that_is_switched_off_keeps_nobody_out(project: Project, ada: Membership) -> None:
    policy.set_policy(project=project, questions=0, pass_mark=0.8, attempts=3)
    policy.admit(membership=ada, at=NOON)
    ada.refresh_from_db()
    assert ada.standing == Standing.QUALIFIED


def test_who_is_vouched_for_need_not_take_it_even_when_it_changes(project: Project, ada: Membership) -> None:
    policy.vouch(membership=ada, reason="knows the task", at=NOON)
    policy.vouch(membership=ada, reason="again", at=NOON)
    policy.ask_everyone_again(project=project)
    policy.admit(membership=ada, at=NOON)
    ada.refresh_from_db()
    assert ada.standing == Standing.QUALIFIED


def test_coming_back_changes_no_standing(project: Project) -> None:
    first = join(project=project, provider="market", external_id="A1")
    take(first)
    assert join(project=project, provider="market", external_id="A1").standing == Standing.QUALIFIED


@pytest.mark.parametrize(
    ("values", "reason"),
    [((1, 0.8, 3), "2 to 50"), ((51, 0.8, 3), "2 to 50"), ((10, 0.4, 3), "0.5"), ((10, 0.8, 0), "1 to 20")],
)
def test_a_test_that_nobody_could_mean_is_refused(project: Project, values: tuple, reason: str) -> None:
    questions, pass_mark, tries = values
    with pytest.raises(InvalidPolicy, match=reason):
        policy.set_policy(project=project, questions=questions, pass_mark=pass_mark, attempts=tries)
    assert not QualificationPolicy.objects.exists()


@pytest.mark.parametrize("for_good", [True, False])
def test_a_photo_that_could_not_be_seen_does_not_count_and_for_good_is_asked_no_more(
    ada: Membership, for_good: bool
) -> None:
    items = asked(attempts.begin_attempt(membership=ada, at=NOON))
    attempts.note_unseen(items[0].key, at=NOON, for_good=for_good)
    for item in items:
        says = "unsure" if item == items[0] else truth(item)
        attempts.answer(membership=ada, key=item.key, says=says, elapsed_ms=900, at=NOON)
    ended = Attempt.objects.get()
    assert (ended.passed, ended.right, ended.seen) == (True, 9, 9)
    assert Lesson.objects.get(pk=items[0].lesson_id).left_out_at == (NOON if for_good else None)


def test_a_result_cannot_be_half_written(ada: Membership) -> None:
    attempt = attempts.begin_attempt(membership=ada, at=NOON)
    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.filter(pk=attempt.pk).update(finished_at=NOON)


@pytest.mark.django_db(transaction=True)
def test_passing_is_told_once_it_is_stored(project: Project, ada: Membership) -> None:
    heard = []

    def hear(sender: object, *, attempt: Attempt, **told: object) -> None:
        heard.append((Attempt.objects.get(pk=attempt.pk).passed, told["membership"]))

    def fail(sender: object, **_: object) -> None:
        raise RuntimeError("The marketplace is away.")

    passed.connect(fail)
    passed.connect(hear)
    try:
        take(ada, wrong=10)
        assert heard == []
        take(ada)
        assert heard == [(True, ada)]
        assert policy.is_qualified(ada)
    finally:
        passed.disconnect(fail)
        passed.disconnect(hear)


@pytest.mark.django_db(transaction=True)
def test_however_many_tabs_begin_at_once_there_is_one_attempt(ada: Membership) -> None:
    begun = together([partial(attempts.begin_attempt, membership=ada, at=NOON)] * 6)
    assert len({attempt.pk for attempt in begun}) == 1
    assert Attempt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_last_answer_given_twice_at_once_ends_the_attempt_once(ada: Membership) -> None:
    policy.set_policy(project=ada.project, questions=2, pass_mark=1.0, attempts=1)
    items = asked(attempts.begin_attempt(membership=ada, at=NOON))
    give = partial(attempts.answer, membership=ada, elapsed_ms=900, at=NOON)
    together([partial(give, key=item.key, says=truth(item)) for item in items * 3])
    assert Attempt.objects.get().passed
    assert StandingChange.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_more_attempts_than_there_are_cannot_be_had_by_haste(ada: Membership) -> None:
    policy.set_policy(project=ada.project, questions=2, pass_mark=1.0, attempts=2)

    def fail_for_ever() -> None:
        while True:
            take(ada, wrong=2)

    results = together([fail_for_ever] * 4)
    assert Attempt.objects.count() == 2
    assert all(isinstance(result, NotQualified) for result in results)


class TestClaiming:
    """No question is given to who has not passed."""

    @pytest.fixture
    def project(self, db: None) -> Project:
        project = opened(project_with_tree([True] * 40))
        add_lessons(project)
        return project

    def test_a_newcomer_is_refused(self, project: Project, ada: Membership) -> None:
        with pytest.raises(NotQualified):
            claim_hit(membership=ada, at=NOON)
        assert not Assignment.objects.exists()

    def test_who_passed_gets_a_hit(self, project: Project, ada: Membership) -> None:
        take(ada)
        assert claim_hit(membership=ada, at=NOON).items.exists()

    def test_a_page_that_was_begun_is_ended_before_a_new_test(
        self, project: Project, ada: Membership
    ) -> None:
        take(ada)
        begun = claim_hit(membership=ada, at=NOON)
        policy.ask_everyone_again(project=project)
        assert claim_hit(membership=ada, at=NOON) == begun
