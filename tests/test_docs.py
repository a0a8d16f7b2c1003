"""The documentation is complete: what can be set, called, chosen or run has its heading."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from pipeline.aggregation import AGGREGATIONS
from pipeline.decisions import RULES
from pipeline.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def headings(page: Path) -> list[str]:
    """The page's headings, without marks, outside of code."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return [line.lstrip("#").strip().replace("`", "") for line in text.splitlines() if re.match(r"#+ ", line)]


def anchor(heading: str) -> str:
    """How a heading is linked to."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def settings_read() -> set[str]:
    """Names that the settings take from the environment."""
    calls = (node for node in ast.walk(ast.parse((ROOT / "annotation_site/settings.py").read_text())))
    return {
        call.args[0].value
        for call in calls
        if isinstance(call, ast.Call) and re.match(r"env(\.\w+)?$", ast.unparse(call.func)) and call.args
        if isinstance(call.args[0], ast.Constant)
    }


def own_commands() -> set[str]:
    return {name for name, app in get_commands().items() if app.startswith("annotation_site")}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def api_routes(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from api_routes(pattern.url_patterns, path)
        elif path.startswith("api/"):
            yield "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", path)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        pytest.param("settings", settings_read, id="settings"),
        pytest.param("commands", own_commands, id="commands"),
        pytest.param("make", make_targets, id="make targets"),
        pytest.param(
            "search", lambda: set(STRATEGIES) | set(RULES) | set(AGGREGATIONS), id="what may be chosen"
        ),
        pytest.param("api", lambda: set(api_routes(get_resolver().url_patterns)), id="API routes"),
    ],
)
def test_everything_has_its_heading(page: str, names) -> None:
    found = headings(DOCS / "reference" / f"{page}.md")
    missing = {name for name in names() if not any(name in re.split(r"[\s,]+", heading) for heading in found)}
    assert not missing, f"docs/reference/{page}.md lacks headings for {sorted(missing)}"


def test_the_example_of_settings_names_every_one() -> None:
    named = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    assert settings_read() <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, place = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        if place and target.suffix == ".md":
            assert place in {anchor(heading) for heading in headings(target)}, f"{page.name}: no place {link}"


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set(), [ROOT / "README.md", DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.exists() or page.suffix != ".md":
            continue
        reached.add(page)
        links = (
            link.partition("#")[0]
            for link in LINK.findall(page.read_text())
            if not re.match(r"[a-z]+:", link)
        )
        waiting += [(page.parent / link).resolve() for link in links if link]
    lost = {str(page.relative_to(ROOT)) for page in PAGES if page not in reached}
    assert not lost, f"No link leads to {sorted(lost)}"
