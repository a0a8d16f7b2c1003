"""Questions per accepted mask: decision rules and strategies against the paper's.

    python benchmarks/questions.py
    python benchmarks/questions.py --masks 100000 --seeds 20 --first-seed 100 --json questions.json

Worlds are drawn from mixtures fitted on real predictions (Sec. 5.2 of the paper); every contender searches
the same ones. The rival is the paper's text: best-first, 15 masks drawn anew for every cluster, all of them
asked. "ratio" is the questions at which a contender had accepted as many masks as the rival did in all, over
the rival's; "as many" the share of seeds in which it came to that. The last columns are the same against the
rival whose answers are pooled. "goal" says whether, in the mean, a contender accepts at its end at least as
many masks at no lower precision, 5th percentile of it and SQ, with at most 40 % of the rival's questions.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.experiments.questions import Result, Row, compare, summary
from pipeline.experiments.triplets import SHIPPED, TripletModel

COLUMNS = (
    ("questions", "questions", "{:>10,.0f}"),
    ("accepted", "accepted", "{:>10,.0f}"),
    ("precision", "precision", "{:>10.3f}"),
    ("5th pct.", "precision_5th_percentile", "{:>10.3f}"),
    ("SQ", "sq", "{:>10.3f}"),
    ("ratio", "ratio", "{:>10.3f}"),
    ("as many", "as_many", "{:>10.0%}"),
    ("precision", "ratio_precision", "{:>10.3f}"),
    ("SQ", "ratio_sq", "{:>10.3f}"),
    ("goal", "reaches", "{:>10}"),
    ("ratio", "pooled_ratio", "{:>10.3f}"),
    ("as many", "pooled_as_many", "{:>10.0%}"),
    ("goal", "pooled_reaches", "{:>10}"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=50_000, help="simulated masks of a world")
    parser.add_argument("--seeds", type=int, default=5, help="worlds")
    parser.add_argument("--first-seed", type=int, default=0, help="the rule was tuned on 0 to 9")
    parser.add_argument("--accuracies", type=float, nargs="+", default=[1.0, 0.9], help="of the workers")
    parser.add_argument("--min-size", type=int, help="smallest cluster asked about (default: N_s = 15)")
    parser.add_argument("--linkage", default="complete")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="fitted mixtures")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    asked = parser.parse_args()
    began = time.perf_counter()
    results = compare(
        TripletModel.load(asked.model),
        masks=asked.masks,
        seeds=range(asked.first_seed, asked.first_seed + asked.seeds),
        accuracies=asked.accuracies,
        min_size=asked.min_size,
        method=asked.linkage,
        watch=_watch,
    )
    rows = summary(results)
    print(f"{asked.masks:,} masks, {asked.seeds} seeds, {asked.linkage} linkage: means over seeds")
    _print(rows)
    print(f"{time.perf_counter() - began:.0f} s")
    if asked.json:
        said = {"options": {k: str(v) for k, v in vars(asked).items()}, "summary": [_plain(r) for r in rows]}
        asked.json.write_text(json.dumps(said, indent=1))


def _watch(result: Result) -> None:
    if not sys.stderr.isatty():
        return
    print(
        f"\r\033[Kseed {result.seed}, accuracy {result.accuracy}: {result.contender}", end="", file=sys.stderr
    )


def _print(rows: list[Row]) -> None:
    width = max(len(str(row["contender"])) for row in rows)
    for accuracy in dict.fromkeys(row["accuracy"] for row in rows):
        print(f"\nworkers right {accuracy:.0%} of the time")
        end, there, pooled = "at its end", "where as many masks are accepted", "against pooled answers"
        print(f"{'':{width}} {end:>50} {there:>50} {pooled:>29}")
        print(f"{'':{width}} " + "".join(f"{head:>10}" for head, _, _ in COLUMNS))
        for row in rows:
            if row["accuracy"] == accuracy:
                cells = "".join(form.format(_said(row[key])) for _, key, form in COLUMNS)
                print(f"{row['contender']:{width}} {cells}")


def _plain(row: Row) -> dict[str, float | str | None]:
    """JSON knows no NaN: the precision of nothing accepted."""
    return {name: None if value != value else value for name, value in row.items()}


def _said(value: float | str) -> float | str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


if __name__ == "__main__":
    main()
