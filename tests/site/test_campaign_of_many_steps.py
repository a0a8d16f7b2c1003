"""Whatever people do in whatever order, the state follows from the facts."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import numpy as np
import pytest

from annotation_site.budget.caps import set_caps
from annotation_site.budget.ledger import BudgetSpent
from annotation_site.people.standing import WorkerStopped
from annotation_site.verification.answering import UndoTooLate, undo_answer
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.claiming import NoHit
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Item, Says
from annotation_site.verification.skills import learn_skills
from annotation_site.verification.withdrawing import retract_worker
from tests.site.campaigns import Person, add_tree, items, opened, project_with_tree, truth

pytestmark = pytest.mark.django_db


class Walk:
    """A random walk through what people can do to a campaign."""

    def __init__(self, seed: int, **parameters: object) -> None:
        self.rng = np.random.default_rng(seed)
        correct = self.rng.random(150) < np.repeat(self.rng.choice([0.05, 0.5, 0.97], 6), 25)
        self.project = project_with_tree(
            correct, gold=12, n_s=7, hit_size=12, gold_share=0.2, seed=seed, **parameters
        )
        more = self.rng.random(60) < 0.9
        add_tree(self.project.rounds.get(), more, scores=np.linspace(0.5, 0.95, 60))
        set_caps(project=self.project, questions=600, money=None)
        opened(self.project)
        self.people = [Person.of(self.project, f"worker {n}", says=self.says) for n in range(5)]
        self.clock = self.people[0].clock
        for person in self.people:
            person.clock = self.clock

    def says(self, item: Item) -> Says:
        drawn = self.rng.random()
        if drawn < 0.05:
            return Says.UNSURE
        right = truth(item)
        return {Says.YES: Says.NO, Says.NO: Says.YES}[right] if drawn < 0.15 else right

    def step(self) -> None:
        person = self.people[int(self.rng.integers(len(self.people)))]
        action = self.rng.choice(
            [self.answer, self.undo, self.abandon, self.late, self.retract], p=[0.7, 0.12, 0.08, 0.07, 0.03]
        )
        with contextlib.suppress(NoHit, BudgetSpent, WorkerStopped, UndoTooLate):
            action(person)

    def answer(self, person: Person) -> None:
        for item in items(person.open(int(self.rng.integers(99))))[: int(self.rng.integers(1, 14))]:
            person.answer(item)

    def undo(self, person: Person) -> None:
        mine = Item.objects.filter(assignment__worker=person.member.worker, judgments__isnull=False)
        if found := self.one_of(mine):
            undo_answer(item_key=found.key, assignment_id=found.assignment_id, at=self.clock())

    def abandon(self, person: Person) -> None:
        person.open(int(self.rng.integers(99)))
        self.clock.now += timedelta(minutes=int(self.rng.integers(1, 60)))
        sweep(at=self.clock())

    def late(self, person: Person) -> None:
        if found := self.one_of(Item.objects.filter(assignment__worker=person.member.worker)):
            person.answer(found)

    def retract(self, person: Person) -> None:
        retract_worker(membership=person.member, reason="a test", at=self.clock())

    def one_of(self, found: object) -> Item | None:
        listed = list(found.select_related("question__mask", "question__gold").order_by("pk"))
        return listed[int(self.rng.integers(len(listed)))] if listed else None


@pytest.mark.parametrize(
    ("seed", "parameters"),
    [
        (0, {}),
        (1, {}),
        (2, {"judgments_per_question": 3}),
        (3, {"rule": "sequential"}),
        (4, {"rule": "paper"}),
        (5, {"aggregation": "second_opinions", "worker_accuracy": 0.8}),
        (6, {"aggregation": "accuracy_weighted", "worker_accuracy": 0.8}),
    ],
)
def test_the_state_follows_from_the_facts_after_every_step(seed: int, parameters: dict[str, object]) -> None:
    walk = Walk(seed, **parameters)
    assert check_campaign(walk.project) == []
    for step in range(60):
        walk.step()
        if step % 9 == 0:
            learn_skills(project=walk.project, at=walk.clock())
        assert step % 4 or check_campaign(walk.project) == []
