"""The benchmark of trees runs at any size, and its rivals find the same clusters."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_what_trees_are_worth_is_told_in_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    quality = importlib.import_module("linkage_quality")
    monkeypatch.setattr(quality, "CALIBRATED_ON", 300)
    given = ["blocks", "--worlds", "--masks", "400", "--blocks", "64", "500", "--seeds", "2"]
    monkeypatch.setattr(sys, "argv", ["linkage_quality.py", *given, "--json", str(tmp_path / "figures.json")])
    quality.main()
    tables = json.loads((tmp_path / "figures.json").read_text())
    assert [table["title"] for table in tables] == [
        f"400 simulated masks; {one}" for one in quality.CAMPAIGNS
    ]
    for table in tables:
        assert list(table["rows"]) == ["exact", "of 64", "of 500"]
        for figures in table["rows"]["of 500"].values():  # one block holds them all: the exact tree
            assert figures["difference"] == 0 or math.isnan(figures["difference"])
    assert "accepted share of all masks at equal questions" in capsys.readouterr().out
