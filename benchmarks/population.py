"""What quality control catches: a crowd with spammers, bots and colluders, beside an honest one.

Two campaigns on the same trees (drawn from mixtures fitted on real predictions), in a database of their own:
one is answered by honest workers, the other by a population file. Both through the pages and the API of the
real site, photos aside, until nothing is open.

    python benchmarks/population.py
    python benchmarks/population.py --masks 50000 --population my.toml --json population.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=50_000)
    parser.add_argument("--population", type=Path, default=HERE / "population.toml", metavar="FILE")
    parser.add_argument("--accuracy", type=float, default=0.95, help="of the honest crowd")
    parser.add_argument("--aggregation", default="majority")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def plant(world, name: str, options: argparse.Namespace, k_pa: float):
    """A project with the trees of a world, opened, with 200 gold masks."""
    from django.db import connection
    from django.utils import timezone

    from annotation_site.catalog.models import Category, Image, Project, Role, Tree
    from annotation_site.people.models import GoldItem
    from annotation_site.verification.opening import open_campaign

    project = Project.objects.create(name=name, slug=name, k_pa=k_pa, aggregation=options.aggregation)
    round_ = project.rounds.create(number=1)
    photo = {"path": "", "width": 640, "height": 480}
    pool = Image.objects.create(project=project, role=Role.POOL, name="p.jpg", digest="p", **photo)
    held_out = Image.objects.create(project=project, role=Role.HELDOUT, name="h.jpg", digest="h", **photo)
    where = (10, 8, 60, 40, outline())
    box, scores = "x, y, width, height, counts", "class_score, predicted_iou, score, iou"
    load = f"COPY catalog_mask (tree_id, position, image_id, {box}, {scores}) FROM STDIN"
    for number, (dendrogram, ious) in enumerate(zip(world.trees, world.ious, strict=True), start=1):
        category = Category.objects.create(project=project, coco_id=number, name=f"thing {number}")
        tree = Tree.objects.create(
            round=round_, category=category, role=Role.POOL, n=dendrogram.n, linkage="complete",
            seed=1000 * options.seed + number, packed=dendrogram.to_bytes(),
        )  # fmt: skip
        scores = np.diff(dendrogram.score_sum)
        with (
            connection.cursor() as cursor,
            cursor.copy(load) as copy,
        ):
            for place in range(dendrogram.n):
                score = float(scores[place])
                copy.write_row((tree.pk, place, pool.pk, *where, score, 1.0, score, float(ious[place])))
    fields = dict(zip(("x", "y", "width", "height", "counts"), where, strict=True))
    GoldItem.objects.bulk_create(
        GoldItem(
            project=project, category=project.categories.first(), image=held_out, origin="annotation",
            source_id=n, iou=float(n % 2), is_correct=bool(n % 2), **fields,
        )
        for n in range(200)
    )  # fmt: skip
    open_campaign(project=project, at=timezone.now())
    return project


def outline() -> bytes:
    from pipeline import masks

    y, x = np.ogrid[:480, :640]
    return masks.encode(((x - 40) / 30) ** 2 + ((y - 28) / 20) ** 2 < 1)["counts"]


def worth_of(project) -> tuple[int, int]:
    """Accepted masks, and those of them that are right: by the IoU that each was planted with."""
    from django.db import connection

    from annotation_site.verification.yields import ACCEPTED_MASKS

    right = "count(*) FILTER (WHERE mask.iou >= %(k_iou)s)"
    planted = f"({ACCEPTED_MASKS}) accepted JOIN catalog_mask mask ON mask.id = accepted.id"
    with connection.cursor() as cursor:
        given = {"projects": [project.pk], "k_iou": project.k_iou}
        cursor.execute(f"SELECT count(*), {right} FROM {planted}", given)
        return cursor.fetchone()


def worked(project, population: Sequence, seed: int) -> dict[str, object]:
    """Let a population work until nothing is open: what was caught, and what it is worth."""
    from annotation_site.pages.crowd.caught import caught
    from annotation_site.pages.crowd.crowd import recruit, run_crowd
    from annotation_site.pages.crowd.own_site import own_site
    from annotation_site.verification.checking import check_campaign
    from annotation_site.verification.models import Decision
    from annotation_site.verification.yields import effort_of

    began = time.perf_counter()
    recruited = recruit(project, population)
    with own_site() as url:
        run_crowd(recruited, url, seed=seed, photos=False)
    (accepted, correct), effort = worth_of(project), effort_of(project)
    kinds = [
        {
            "kind": one.name,
            "workers": one.workers,
            "standings": dict(one.standings),
            "gold": f"{one.gold_right}/{one.gold}",
            "answers": one.answers,
            "counting": one.counting,
            "until_stopped": one.until_stopped,
            "because": one.because,
        }
        for one in caught(recruited)
    ]
    return {
        "kinds": kinds,
        "questions": effort.questions,
        "gold": effort.gold,
        "accepted": accepted,
        "precision": correct / accepted if accepted else None,
        "withdrawn": Decision.objects.filter(
            tree__round__project=project, withdrawn_at__isnull=False
        ).count(),
        "invariants_broken": check_campaign(project),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    options = arguments()
    var = Path(tempfile.mkdtemp(prefix="maskgrove-population-"))
    os.environ.update(
        MASKGROVE_VAR=str(var), DJANGO_SETTINGS_MODULE="annotation_site.settings", ANSWER_SLOT_MS="0"
    )
    sys.path.insert(0, str(HERE.parent))
    import django

    django.setup()
    from django.core.management import call_command

    from annotation_site.pages.crowd.population import honest, read_population
    from pipeline.decisions import Thresholds
    from pipeline.experiments.setting import HELD_OUT
    from pipeline.experiments.triplets import SHIPPED, TripletModel
    from pipeline.experiments.worlds import grow

    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    model = TripletModel.load(SHIPPED)
    _, thresholds = grow(model.sample(HELD_OUT, seed=1_000_000)).calibrated(Thresholds())
    world = grow(model.sample(options.masks, seed=options.seed))
    population = read_population(options.population)
    people = sum(behaviour.count for behaviour in population)
    crowds = {"honest": honest(people, accuracy=options.accuracy, seconds=1.4), "population": population}
    found = {
        name: worked(plant(world, name, options, thresholds.k_pa), crowd, options.seed)
        for name, crowd in crowds.items()
    }
    report(found, options)


def report(found: dict[str, dict[str, object]], options: argparse.Namespace) -> None:
    print(f"{options.masks:,} masks, {options.aggregation}")
    for row in found["population"]["kinds"]:
        standings = ", ".join(f"{count} {standing}" for standing, count in sorted(row["standings"].items()))
        until = "" if row["until_stopped"] is None else f"{row['until_stopped']:.0f}"
        print(
            f"{row['kind']:<16} {row['workers']:>3}  gold {row['gold']:>8}  answers {row['answers']:>6}  "
            f"counting {row['counting']:>6}  stopped after {until:>5} {'+'.join(row['because']):<14} "
            f"{standings}"
        )
    heads = ("questions", "gold", "accepted", "precision", "withdrawn", "invariants_broken", "seconds")
    for name, result in found.items():
        print(f"{name:<12} " + "  ".join(f"{head} {result[head]}" for head in heads))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
