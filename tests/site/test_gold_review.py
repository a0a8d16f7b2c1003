"""Gold that people make, and gold that turns out to be none."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from annotation_site.audit.models import Entry
from annotation_site.catalog.models import Mask, Project
from annotation_site.people.models import GoldItem, Membership, Standing, WorkRecord
from annotation_site.verification.claiming import NoHit
from annotation_site.verification.gold_review import (
    CannotMark,
    GoldReview,
    mark_gold,
    retire_gold,
    retired_gold,
    review_gold,
    take_back_gold,
)
from annotation_site.verification.leases import look_after
from annotation_site.verification.models import Item, Question, Says
from tests.factories import NOON
from tests.site.campaigns import Person, items, masks_only, opened, project_with_clusters, record_of, truth

pytestmark = pytest.mark.django_db
Origin = GoldItem.Origin


def proven(project: Project, count: int, **kwargs: object) -> list[Person]:
    people = [Person.of(project, f"Person {number}", **kwargs) for number in range(count)]
    Membership.objects.update(standing=Standing.ACTIVE)
    return people


def kept(person: Person) -> WorkRecord:
    return WorkRecord.objects.get(membership=person.member)


def contrary(item: Item) -> Says:
    return Says.NO if truth(item) == Says.YES else Says.YES


def on_bad_gold(item: Item) -> Says:
    """What someone says who is right, where one gold item is not."""
    return contrary(item) if item.question.gold and item.question.gold.source_id == 0 else truth(item)


def test_gold_that_proven_workers_fail_is_retired_with_the_reason_and_held_against_nobody(
    django_capture_on_commit_callbacks,
) -> None:
    project = opened(project_with_clusters([0.9] * 30, gold=4, hit_size=20, gold_share=0.2))
    people = proven(project, 4, says=on_bad_gold)
    for person in people:
        person.work()
    bad = GoldItem.objects.get(source_id=0)
    assert record_of(people[0].member).gold.wrong == 1
    with django_capture_on_commit_callbacks(execute=True):
        assert review_gold(project=project, at=NOON) == GoldReview(agreed=0, retired=1)
    assert review_gold(project=project, at=NOON) == GoldReview(agreed=0, retired=0)
    assert [item.pk for item in retired_gold(project)] == [bad.pk]
    bad.refresh_from_db()
    assert bad.retired_because == "4 of 4 proven workers answered otherwise"
    assert record_of(people[0].member).gold.wrong == 0
    assert WorkRecord.objects.get(membership=people[0].member).gold_wrong == 0
    assert not [item for item in items(people[0].open()) if item.question.gold_id == bad.pk]


def test_what_unproven_workers_fail_stays_and_so_does_what_few_fail() -> None:
    project = opened(project_with_clusters([0.9] * 30, gold=4, hit_size=20, gold_share=0.2))
    spammers = [Person.of(project, f"Spammer {number}", says=contrary) for number in range(4)]
    for person in spammers:
        person.work()
    people = proven(project, 0)
    Membership.objects.update(standing=Standing.QUALIFIED)
    for person in [*people, Person.of(project, "Ada", says=on_bad_gold)]:
        person.work()
        Membership.objects.filter(pk=person.member.pk).update(standing=Standing.ACTIVE)
    assert review_gold(project=project, at=NOON).retired == 0


def test_questions_that_many_proven_workers_agree_on_become_gold_half_of_it_right() -> None:
    project = opened(project_with_clusters([1.0, 0.0], size=16, judgments_per_question=5, gold_share=0))
    for person in proven(project, 3):
        while True:
            try:
                person.work()
            except NoHit:
                break
    assert review_gold(project=project, at=NOON).agreed > 0
    made = GoldItem.objects.filter(project=project, origin=Origin.AGREED)
    assert made.filter(is_correct=True).count() == made.filter(is_correct=False).count()
    ious = dict(Mask.objects.values_list("pk", "iou"))
    assert all((ious[item.source_id] >= 0.75) == item.is_correct for item in made)
    assert review_gold(project=project, at=NOON).agreed == 0


def test_what_anybody_doubts_does_not_become_gold() -> None:
    project = opened(project_with_clusters([1.0, 0.0], size=16, judgments_per_question=5, gold_share=0))
    doubter = Person.of(project, "Dee", says=contrary)
    for person in (doubter, *proven(project, 3)):
        person.work()
    assert review_gold(project=project, at=NOON).agreed == 0


def test_a_mask_that_an_admin_marks_is_asked_as_gold_and_never_twice_of_the_same_worker() -> None:
    project = opened(project_with_clusters([0.9] * 2, gold=0, hit_size=20, gold_share=0.5))
    masks = [question.mask for question in Question.objects.select_related("mask").order_by("pk")]
    for mask in masks:
        mark_gold(mask=mask, is_correct=mask.iou >= 0.75, by="eve")
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    for person in (ada, ben):
        for seed in range(6):
            try:
                person.open(seed)
                person.work()
            except NoHit:
                break
        mine = Question.objects.filter(items__assignment__worker=person.member.worker)
        as_gold = list(mine.filter(gold__isnull=False).values_list("gold__source_id", flat=True))
        as_mask = list(mine.filter(mask__isnull=False).values_list("mask", flat=True))
        assert as_gold
        assert not set(as_gold) & set(as_mask)
    assert set(GoldItem.objects.values_list("origin", "added_by")) == {("marked", "eve")}


def test_marking_a_mask_twice_is_once_and_the_other_way_is_refused() -> None:
    project = opened(project_with_clusters([0.9] * 2))
    mask = Mask.objects.first()
    first = mark_gold(mask=mask, is_correct=True, by="eve")
    assert mark_gold(mask=mask, is_correct=True, by="eve") == first
    with pytest.raises(CannotMark, match="other way"):
        mark_gold(mask=mask, is_correct=False, by="eve")
    assert retire_gold(item=first, because="blurred", at=NOON)
    assert not retire_gold(item=first, because="again", at=NOON)
    assert retired_gold(project).get().retired_because == "blurred"
    turned = mark_gold(mask=mask, is_correct=False, by="eve")
    assert (turned.pk, turned.is_correct, turned.retired_at) == (first.pk, False, None)


def test_gold_that_is_taken_back_counts_again_and_the_log_tells_who_did_it(
    django_capture_on_commit_callbacks,
) -> None:
    project = opened(project_with_clusters([0.9] * 30, gold=4, hit_size=20, gold_share=0.2))
    ada = Person.of(project, "Ada")
    ada.work()
    item = GoldItem.objects.filter(question__judgments__worker=ada.member.worker).first()
    answered = kept(ada).gold_right
    with django_capture_on_commit_callbacks(execute=True):
        retire_gold(item=item, because="blurred", at=NOON)
    assert kept(ada).gold_right == answered - 1
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            take_back_gold(item=item, by="eve")
    assert kept(ada).gold_right == answered
    assert Entry.objects.filter(what="people.GoldItem").first().after["added_by"] == "eve"


def test_open_projects_are_looked_after() -> None:
    project = opened(project_with_clusters([0.9] * 30, gold=4, hit_size=20, gold_share=0.2))
    for person in proven(project, 4, says=on_bad_gold):
        person.work()
    look_after(at=NOON)
    assert retired_gold(project).count() == 1


def gold(project: Project, *options: str) -> str:
    out = io.StringIO()
    call_command("gold", project.slug, *options, stdout=out)
    return out.getvalue()


def test_the_command_shows_marks_and_retires_gold() -> None:
    project = opened(project_with_clusters([0.9] * 30, gold=4, hit_size=20, gold_share=0.2))
    for person in proven(project, 4, says=on_bad_gold):
        person.work()
    bad = GoldItem.objects.get(source_id=0)
    assert f"gold {bad.pk}: 4 of 4 proven workers failed it" in gold(project)
    assert "4 of 4 proven workers answered otherwise" in gold(project, "--review")
    mask = str(Mask.objects.first().pk)
    assert "marked           right  1" in gold(project, "--correct", mask)
    marked = GoldItem.objects.get(origin=Origin.MARKED)
    assert "blurred" in gold(project, "--retire", str(marked.pk), "--because", "blurred")
    assert "blurred" not in gold(project, "--take-back", str(marked.pk), "--by", "eve")
    for options in (["--wrong", "0"], ["--retire", "0"], ["--wrong", mask]):
        with pytest.raises(CommandError):
            gold(project, *options)
    assert masks_only(Person.of(project, "Eve").open())
