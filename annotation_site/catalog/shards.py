"""Detection shards: which images each covers, who works on it, and its file once it is finished.

To leave predictions of any origin for a round, plan its shards and store each one:

    plan_shards(round_, Role.POOL)
    for shard in unfinished_shards(round_):
        store_shard(shard, {image.pk: predictions_of(image) for image in images_of(shard)}, at=now)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet, Sum

from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import DetectionShard, Image, Role, Round
from annotation_site.catalog.storage import artifacts, reading, round_folder, writing
from pipeline.predictions import Predictions
from pipeline.shards import ShardReader, write_shard

PREDICTED_ROLES = (Role.HELDOUT, Role.POOL)
"""Images of these roles get predictions: held-out ones calibrate, those of the pool are verified."""

SHARD_IMAGES = 128
"""Images of a shard: what a killed process loses at most, and what is held in memory at once."""

MOST_HELPERS = 1000
"""Processes that share a round's shards: among so many unfinished ones there is one that nobody has."""

PLAN = """
INSERT INTO catalog_detectionshard
  (round_id, role, index, first_image, last_image, images, path, masks, failures)
SELECT %(round)s, %(role)s, %(planned)s + part, min(id), max(id), count(*), '', 0, '[]'
FROM (
  SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(size)s AS part
  FROM catalog_image WHERE project_id = %(project)s AND role = %(role)s AND id > %(covered)s
) parts GROUP BY part
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be predicted, and why."""

    image: str
    reason: str


def plan_shards(round_: Round, role: Role, *, size: int = SHARD_IMAGES) -> None:
    """Divide the round's images of a role into shards; those imported since then get further ones."""
    shards = DetectionShard.objects.filter(round=round_, role=role)
    last = shards.order_by("-index").first()
    with connection.cursor() as cursor:
        cursor.execute(
            PLAN,
            {
                "round": round_.pk,
                "project": round_.project_id,
                "role": role.value,
                "planned": last.index + 1 if last else 0,
                "covered": last.last_image if last else 0,
                "size": size,
            },
        )


def unfinished_shards(round_: Round) -> QuerySet[DetectionShard]:
    """Those without a file yet, in order."""
    return DetectionShard.objects.filter(round=round_, finished_at=None)


def finished_shards(round_: Round, role: Role) -> QuerySet[DetectionShard]:
    """Those of a role that can be read, in order."""
    return DetectionShard.objects.filter(round=round_, role=role, finished_at__isnull=False)


def images_of(shard: DetectionShard) -> QuerySet[Image]:
    """The images that a shard covers, by id."""
    within = Image.objects.filter(id__gte=shard.first_image, id__lte=shard.last_image)
    return within.filter(project=shard.round.project_id, role=shard.role).order_by("id")


def images_done(round_: Round) -> tuple[int, int]:
    """Images of finished shards, and of all shards."""
    shards = DetectionShard.objects.filter(round=round_)
    done = shards.filter(finished_at__isnull=False).aggregate(n=Sum("images"))["n"]
    return done or 0, shards.aggregate(n=Sum("images"))["n"] or 0


@contextmanager
def claimed_shard(claims: Claims, round_: Round) -> Iterator[DetectionShard | None]:
    """An unfinished shard that nobody else works on, claimed for the block; None when there is none."""
    for shard in unfinished_shards(round_)[:MOST_HELPERS]:
        if not claims.take(Kind.SHARD, shard.pk):
            continue
        try:
            if unfinished_shards(round_).filter(pk=shard.pk).exists():
                yield shard
                return
        finally:
            claims.give_back(Kind.SHARD, shard.pk)
    yield None


def store_shard(
    shard: DetectionShard,
    predictions: Mapping[int, Predictions],
    *,
    failures: Sequence[Failure] = (),
    at: datetime,
) -> bool:
    """Write a shard's file and finish its row; False when it was finished already, which changes nothing.

    The file is this row's alone: one that was discarded meanwhile leaves nothing, and spoils no new one's.

    Parameters
    ----------
    predictions : by image id; those below the project's confidence are dropped
    failures : the images without predictions because they could not be read
    """
    least = shard.round.project.confidence
    confident = {image: found.take(found.class_scores >= least) for image, found in predictions.items()}
    path = f"{round_folder(shard.round)}/shards/{shard.role}-{shard.index:05}-{shard.pk}.npz"
    with writing(path) as file:
        masks = write_shard(file, confident)
    changed = DetectionShard.objects.filter(pk=shard.pk, finished_at=None).update(
        path=path, masks=masks, failures=[asdict(failure) for failure in failures], finished_at=at
    )
    if not changed and not DetectionShard.objects.filter(pk=shard.pk).exists():
        artifacts().delete(path)
    return changed == 1


@contextmanager
def read_shard(shard: DetectionShard) -> Iterator[ShardReader]:
    """A finished shard's rows."""
    with reading(shard.path) as file:
        yield ShardReader(file)
