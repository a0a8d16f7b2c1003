"""The benchmark of trees runs at any size, and its rivals find the same clusters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_it_prints_a_table_and_writes_the_same_as_json(tmp_path: Path) -> None:
    names = ["exact", "partitioned", "products+fastcluster"]
    command = [sys.executable, str(ROOT / "benchmarks" / "linkage.py"), "--n", "700", "--d", "8"]
    command += ["--rivals", *names, "--json", str(tmp_path / "figures.json"), "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    (found,) = json.loads((tmp_path / "figures.json").read_text())["tables"]
    assert (found["n"], list(found["contenders"])) == (700, names)
    for name, figures in found["contenders"].items():
        assert name in done.stdout
        assert figures["seconds"] > 0
        assert figures["peak_mib"] > 0
        assert figures["same_clusters"] == 1
