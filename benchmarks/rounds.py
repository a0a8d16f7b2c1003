"""Two rounds with a simulated crowd, and what the accepted masks are worth to a model.

    python benchmarks/rounds.py
    python benchmarks/rounds.py --coco annotations.json --photos photos/ --iterations 60 --short-side 320

Paints scenes (or takes a COCO file and its photos), divides them into initial, held-out and pool images, and
carries a project of its own through `run_pipeline`, `simulate_crowd`, `start_round` and `simulate_crowd`
again, then runs `usefulness`. Prints the report of the rounds and the table of the three trainings. All of it
is kept in `--folder`; run again, it goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

NAME = "Two rounds"
SLUG = "two-rounds"
SEED = 7

FINE: dict[str, Any] = {"rule": "sequential", "min_size": 8}
ROUGH: dict[str, Any] = {"rule": "sequential", "min_size": 2, "k_iou": 0.4, "k_pa": 0.05, "n_s": 8}
"""Blobs are rough outlines; so is what counts as correct with them."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("var/two-rounds"), help="where it keeps everything"
    )
    parser.add_argument("--coco", type=Path, help="annotations of photos, instead of scenes")
    parser.add_argument("--photos", type=Path, help="where those photos are")
    parser.add_argument("--initial", type=int, default=20, help="scenes to train on")
    parser.add_argument("--heldout", type=int, default=60, help="scenes held out")
    parser.add_argument("--pool", type=int, default=300, help="scenes of the pool")
    parser.add_argument("--shares", default="initial=0.1,heldout=0.2,pool=0.7", help="of the photos")
    parser.add_argument("--detector", default="maskrcnn-small", help="fake: no network, colour blobs")
    parser.add_argument("--iterations", type=int, default=400, help="of each training")
    parser.add_argument("--short-side", type=int, help="pixels; the detector's own by default")
    parser.add_argument("--min-size", type=int, help="masks of the smallest cluster that is asked about")
    parser.add_argument("--questions", type=int, default=6000, help="budget of both rounds")
    parser.add_argument("--accuracy", type=float, default=0.95, help="of the simulated workers")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each set that is compared")
    parser.add_argument("--json", type=Path, help="write report and table to this file")
    asked = parser.parse_args()
    os.environ["MASKGROVE_VAR"] = str(asked.folder.resolve())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation_site.settings")
    import django

    django.setup()
    carry_out(asked)


def carry_out(asked: argparse.Namespace) -> None:
    """Both rounds and the experiment, each step skipping what is done."""
    from django.core.management import call_command

    from annotation_site.catalog.rounds import current_round, find_project

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    make(asked)
    call_command("run_pipeline", SLUG)
    if current_round(find_project(SLUG)).number == 1:
        crowd(asked, share=0.5)
    if not done():
        call_command("start_round", SLUG, now=True, least_gain=0.0)
    crowd(asked, share=1.0)
    figures = asked.folder / "figures"
    figures.mkdir(exist_ok=True)
    call_command("report", SLUG, json=figures / "report.json")
    call_command("usefulness", SLUG, seeds=asked.seeds, json=figures / "usefulness.json")
    if asked.json:
        found = {
            name: json.loads((figures / f"{name}.json").read_text()) for name in ("report", "usefulness")
        }
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


def done() -> bool:
    """Whether the second round is open."""
    from annotation_site.catalog.models import StageRun
    from annotation_site.catalog.rounds import current_round, find_project

    round_ = current_round(find_project(SLUG))
    opened = StageRun.objects.filter(round=round_, stage=StageRun.Stage.OPEN, state=StageRun.State.DONE)
    return round_.number > 1 and opened.exists()


def crowd(asked: argparse.Namespace, *, share: float) -> None:
    """Simulated workers answer until nothing is open, or that share of the budget is spent."""
    from django.core.management import call_command

    from annotation_site.budget.caps import budget_of, set_caps
    from annotation_site.catalog.rounds import find_project

    project = find_project(SLUG)
    cap = max(round(asked.questions * share), budget_of(project).committed_questions)
    set_caps(project=project, questions=cap, money=None)
    call_command("simulate_crowd", SLUG, accuracy=asked.accuracy, without_photos=True, seed=SEED)
    set_caps(project=project, questions=asked.questions, money=None)


def make(asked: argparse.Namespace) -> None:
    """The project and its images."""
    from annotation_site.catalog.projects import create_project

    options: dict[str, Any] = {"iterations": asked.iterations, "device": "cpu"}
    if asked.short_side:
        options["short_side"] = asked.short_side
    parameters = {"detector": asked.detector, "detector_options": options, "seed": SEED}
    parameters |= ROUGH if asked.detector == "fake" else FINE
    if asked.min_size:
        parameters["min_size"] = asked.min_size
    create_project(name=NAME, categories=categories(asked), parameters=parameters)
    (add_photos if asked.coco else add_scenes)(asked)


def categories(asked: argparse.Namespace) -> list[Any]:
    from annotation_site.catalog.projects import categories_of, numbered
    from pipeline.scenes import SceneOptions

    return categories_of(asked.coco) if asked.coco else numbered(SceneOptions().categories)


def add_photos(asked: argparse.Namespace) -> None:
    from django.core.management import call_command

    call_command(
        "import_images", SLUG, str(asked.photos), annotations=asked.coco, split=asked.shares, in_place=True
    )


def add_scenes(asked: argparse.Namespace) -> None:
    from annotation_site.catalog.importing import import_images
    from annotation_site.catalog.models import Role
    from annotation_site.catalog.roles import RoleShares
    from annotation_site.catalog.rounds import find_project
    from pipeline.scenes import SceneOptions, write_scenes

    counts = {"initial": asked.initial, "heldout": asked.heldout, "pool": asked.pool}
    if find_project(SLUG).images.count() >= sum(counts.values()):
        return
    sets = write_scenes(
        asked.folder / "scenes", seed=SEED, counts=counts, options=SceneOptions(), processes=1
    )
    for scenes in sets.values():
        import_images(
            project=find_project(SLUG),
            folder=scenes.images,
            roles=RoleShares.all(Role(scenes.role)),
            annotations=scenes.annotations,
            in_place=True,
        )


if __name__ == "__main__":
    main()
