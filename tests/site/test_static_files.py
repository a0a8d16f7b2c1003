"""Static files as they are deployed: under hashed names, which also their references use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.core.management import call_command

IMPORT = re.compile(r'(?:from|import)\s*"(\./[^"]+|\.\./[^"]+)"')


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    """What collectstatic leaves, with the storage of a deployment."""
    from django.test import override_settings

    root = tmp_path_factory.mktemp("static")
    storages = {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        "staticfiles": {"BACKEND": "annotation_site.static_files.HashedStaticFiles"},
    }
    with override_settings(STORAGES=storages, STATIC_ROOT=root):
        call_command("collectstatic", interactive=False, verbosity=0)
    return root


def hashed(root: Path, name: str) -> Path:
    return root / json.loads((root / "staticfiles.json").read_text())["paths"][name]


def test_modules_import_each_other_by_hashed_names(collected):
    page = hashed(collected, "js/verify/page.js")
    imported = IMPORT.findall(page.read_text())
    assert len(imported) >= 7
    for name in imported:
        assert re.search(r"\.[0-9a-f]{12}\.js$", name)
        assert (page.parent / name).exists()


def test_the_style_sheet_finds_its_font_by_a_hashed_name(collected):
    sheet = hashed(collected, "css/maskgrove.css")
    fonts = re.findall(r'url\("([^"]+)"\)', sheet.read_text())
    assert fonts
    for name in fonts:
        assert re.search(r"\.[0-9a-f]{12}\.woff2$", name)
        assert (sheet.parent / name).exists()


def test_texts_are_compressed_beforehand(collected):
    sheet = hashed(collected, "css/maskgrove.css")
    assert sheet.with_suffix(".css.gz").exists()
