"""The paper's large simulation: classes drawn, clustered and searched to the end, one at a time.

    python benchmarks/worlds.py
    python benchmarks/worlds.py --masks 100000000 --keep var/world --json world.json

80 classes whose sizes fall with their rank, from mixtures fitted on real predictions (Sec. 5.2 of the
paper); a process a core. "ratio" is the questions of a way over those of the paper's text: best-first, 15
masks drawn anew for every cluster, all of them asked. With --keep FOLDER finished classes stay, and the same
command goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.experiments import large
from pipeline.experiments.asked import Asked
from pipeline.experiments.terminal import shown_progress

COLUMNS = (
    ("questions", "questions", "{:>12,.0f}"),
    ("accepted", "accepted", "{:>12,.0f}"),
    ("clusters", "accepted_clusters", "{:>10,.0f}"),
    ("precision", "precision", "{:>10.3f}"),
    ("SQ", "sq", "{:>8.3f}"),
    ("hours", "hours", "{:>10,.0f}"),
    ("ratio", "ratio", "{:>8.3f}"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=10_000_000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, help="by itself one a core")
    parser.add_argument("--keep", type=Path, help="a folder to go on from when started again")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    chosen = vars(parser.parse_args())
    file = chosen.pop("json")
    with shown_progress("Searching classes") as progress:
        numbers = large.measure(Asked(**chosen, progress=progress))
    _print(numbers)
    if file:
        file.write_text(json.dumps(numbers))


def _print(numbers: dict[str, Any]) -> None:
    rows = large.rows(numbers)
    width = max(len(row["way"]) for row in rows)
    print(f"{numbers['world']}, {numbers['largest_class']:,} in the largest, K_pa {numbers['k_pa']:.2f}")
    print(f"{'':{width}}" + "".join(f"{head:>{_width(form)}}" for head, _, form in COLUMNS))
    for row in rows:
        cells = {**row, "ratio": row["questions"] / rows[0]["questions"]} if "questions" in row else row
        said = [form.format(cells[key]) if key in cells else " " * _width(form) for _, key, form in COLUMNS]
        print(f"{row['way']:{width}}" + "".join(said))
    steps = ", ".join(f"{name} {seconds:,.0f} s" for name, seconds in numbers["core_seconds"].items())
    print(f"{numbers['seconds']:,.0f} s, {numbers['peak_gb']:.1f} GB in {numbers['processes']} processes")
    print(f"of a core: {steps}")


def _width(form: str) -> int:
    return len(form.format(0))


if __name__ == "__main__":
    main()
