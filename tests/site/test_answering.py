"""One answer: recorded once, counted, decided, and what follows opened, in one transaction."""

from __future__ import annotations

import numpy as np
import pytest

from tests.site.campaigns import Person, opened, project_with_tree, standing

pytestmark = pytest.mark.django_db


def test_a_cluster_of_correct_masks_is_accepted_after_thirteen_yes() -> None:
    project = opened(project_with_tree([True] * 40))
    ada = Person.of(project)
    while not standing(project):
        ada.work()
    assert standing(project) == {(0, 40): "accept"}
