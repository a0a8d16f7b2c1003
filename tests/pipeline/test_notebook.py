"""The tutorial for notebooks runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "notebook.md"


def test_the_notebooks_code_runs_from_top_to_bottom_and_does_what_it_says() -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(code, str(PAGE), "exec"), names)
    assert len(names["accepted"]) > 0
    assert names["correct"][names["accepted"]].mean() > 0.7
    assert names["questions"] < names["tree"].n
    assert names["planned"].accepted[-1] > 0
