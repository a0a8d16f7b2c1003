"""A deletion whose process is killed with -9 goes on, in another process, with what is left."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.db import connection, models, transaction

from annotation_site.budget.models import LedgerEntry
from annotation_site.catalog import jobs
from annotation_site.catalog.models import Image, Mask, Project, Role
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.storage import artifacts, writing
from annotation_site.closing import hanging
from annotation_site.closing.archiving import archive
from annotation_site.closing.models import Deletion
from annotation_site.verification.models import Judgment
from tests.factories import NOON
from tests.site.campaigns import Person, add_gold, add_tree, opened
from tests.site.own_processes import managed, running
from tests.site.painted_projects import painted_project
from tests.site.processes import until
from tests.site.test_killed_stages import PATIENCE, _own_files  # noqa: F401
from tests.site.verified_projects import tree_of

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 2 * hanging.BATCH
ADD = """
INSERT INTO catalog_mask
  (tree_id, position, image_id, x, y, width, height, counts, class_score, predicted_iou, score)
SELECT tree_id, 1000000 + n, image_id, x, y, width, height, counts, class_score, predicted_iou, score
FROM (SELECT * FROM catalog_mask WHERE tree_id = %s LIMIT 1) one, generate_series(1, %s) n
"""
"""More masks than go in a batch; a deletion asks nobody whether their tree is whole."""
WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Of photos in the user's folder and of one that was copied, answered in part, and archived."""

    made = painted_project(tmp_path, images={Role.INITIAL: 2, Role.HELDOUT: 2, Role.POOL: 3}, hit_size=5)
    category = made.categories.first()
    add_tree(current_round(made), [True] * 64, scores=np.full(64, 0.9), category=category)
    add_gold(made, 4)
    opened(made)
    Person.of(made).work()
    with connection.cursor() as cursor:
        cursor.execute(ADD, [tree_of(made).pk, MANY])
    with writing(f"projects/{made.pk}/rounds/1/shards/pool-00000.npz") as file:
        file.write(b"x")
    archive(project=made, at=NOON)
    return made


def is_waiting() -> bool:
    """Whether somebody waits for what this transaction holds."""
    with connection.cursor() as cursor:
        cursor.execute(WAITS)
        return cursor.fetchone() is not None


@pytest.mark.parametrize(
    ("held", "gone"),
    [
        (lambda: Mask.objects.order_by("-pk"), lambda: not Judgment.objects.exists()),
        (lambda: Image.objects.order_by("-pk"), lambda: not Mask.objects.exists()),
    ],
    ids=["among the masks", "among the images"],
)
def test_killed(
    project: Project,
    tmp_path: Path,
    held: Callable[[], models.QuerySet[models.Model]],
    gone: Callable[[], bool],
) -> None:
    answers, money = Judgment.objects.count(), list(LedgerEntry.objects.order_by("pk").values())
    photos = [Path(image.path) for image in Image.objects.filter(path__startswith="/")]
    words, log = ("delete_project", project.slug, "--name", project.name), tmp_path / "log"
    with transaction.atomic():
        held().select_for_update()[:1].get()  # Whoever deletes it waits.
        with running("manage.py", *words, log=log) as process:
            until(
                lambda: is_waiting() or process.poll() is not None,
                seconds=PATIENCE,
                waiting_for="the row that is held",
            )
            assert gone(), log.read_text()
            process.send_signal(signal.SIGKILL)
            process.wait()
    deletion = Deletion.objects.get()
    assert (deletion.state, Project.objects.get().state) == ("running", "deleting")
    until(lambda: jobs.unattended(Deletion).exists(), seconds=PATIENCE, waiting_for="the claim to be free")
    lines = list(deletion.lines.values())

    again = managed(*words)
    assert again.returncode == 0, again.stderr
    deletion.refresh_from_db()
    assert (deletion.state, Project.objects.exists()) == ("done", False)
    assert [table.model for table in hanging.tables() if table.rows(project).exists()] == []
    assert list(LedgerEntry.objects.order_by("pk").values()) == money
    assert (list(deletion.lines.values()), len(lines)) == (lines, 1)
    with artifacts().open(deletion.answers) as file:
        assert len(file.read().splitlines()) == answers + 1
    assert all(photo.exists() for photo in photos)
    assert artifacts().listdir("projects") == ([], [])
