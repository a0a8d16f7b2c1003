"""Workers read the pages in their own language, as far as there is a translation."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings

from annotation_site.pages.texts import CONSENT, verify_texts, why
from annotation_site.people.known_masks import SPOILED
from annotation_site.people.models import GoldItem
from tests import factories

LOCALE = Path(settings.BASE_DIR, "locale")
LANGUAGES = sorted(path.name for path in LOCALE.iterdir())
WORKER_TEMPLATES = [
    *Path(settings.BASE_DIR, "templates/pages").glob("*.html"),
    *Path(settings.BASE_DIR, "templates/components").glob("*.html"),
    *Path(settings.BASE_DIR, "templates").glob("*.html"),
]
MARKETPLACES = Path(settings.BASE_DIR, "annotation_site/marketplaces")
TRANSLATE = re.compile(r"""\{% translate (?:"([^"]+)"|'([^']+)')""")
PLACEHOLDER = re.compile(r"\{\w+\}|%\(\w+\)s")


def catalog(language: str) -> dict[str, str]:
    """Text -> translation, without those that have a plural."""
    compiled = gettext.translation("django", LOCALE, [language])._catalog
    return {text: translated for text, translated in compiled.items() if text and isinstance(text, str)}


def refusals() -> set[str]:
    """What workers read where a marketplace's address leads nowhere; {words} of f-strings stay apart."""
    trees = [ast.parse(path.read_text()) for path in MARKETPLACES.rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    raised = [call for call in calls if ast.unparse(call.func) == "NotAnArrival"]
    assert all(ast.unparse(call.args[0]).startswith("_(") for call in raised)
    parts = [part for call in raised for part in ast.walk(call) if isinstance(part, ast.Constant)]
    return {part.value for part in parts if " " in str(part.value)}


def worker_texts() -> set[str]:
    found = {*verify_texts().values(), *CONSENT, *refusals()} - {verify_texts()["days"]}
    found |= {why(origin, "%(category)s") for origin in (GoldItem.Origin.ANNOTATION, *SPOILED)}
    for template in WORKER_TEMPLATES:
        found |= {first or second for first, second in TRANSLATE.findall(template.read_text())}
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_workers_pages_is_translated(language):
    missing = worker_texts() - set(catalog(language))
    assert not missing, f"Run manage.py makemessages and compilemessages, and translate: {sorted(missing)}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_what_is_filled_in(language):
    for text, translated in catalog(language).items():
        assert set(PLACEHOLDER.findall(translated)) == set(PLACEHOLDER.findall(text)), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language):
    written = (LOCALE / language / "LC_MESSAGES/django.po").read_text()
    for text in catalog(language).values():
        assert text.replace('"', '\\"') in written, f"Run manage.py compilemessages: {text}"


def test_the_languages_offered_are_those_there_are():
    assert {code for code, _ in settings.LANGUAGES} == {"en", *LANGUAGES}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wished", "language", "heading"),
    [
        ("de-CH,de;q=0.9", "de", "Passt der Umriss? Ja oder Nein."),
        ("en", "en", "Does the outline fit? Yes or no."),
        ("fr", "en", "Does the outline fit? Yes or no."),
    ],
)
def test_a_page_speaks_the_visitors_language_and_says_which(client, wished, language, heading):
    member = factories.MembershipFactory(project__state="open")
    page = client.get(f"/w/{member.secret}/", headers={"Accept-Language": wished}).content.decode()
    assert f'<html lang="{language}"' in page
    assert heading in page
