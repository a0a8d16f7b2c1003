"""What compiles ahead of time builds trees by every linkage, exact and in blocks."""

from __future__ import annotations

import pytest

from pipeline import compile_kernels
from pipeline.linkage import METHODS, linkage


def test_every_linkage_is_run_exactly_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []

    def watched(features, scores, *, method, exact_up_to):  # type: ignore[no-untyped-def]
        seen.append((method, exact_up_to >= len(features)))
        return linkage(features, scores, method=method, exact_up_to=exact_up_to, threads=1)

    monkeypatch.setattr(compile_kernels, "linkage", watched)
    compile_kernels.compile_kernels()
    assert set(seen) == {(method, exact) for method in METHODS for exact in (True, False)}
