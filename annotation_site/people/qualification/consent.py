"""What a worker agrees to before they answer; asked again when the text changes."""

from __future__ import annotations

import hashlib
from datetime import datetime

from annotation_site.catalog.models import Project
from annotation_site.people.models import Membership
from annotation_site.people.qualification.models import Consent, ConsentText


def consent_text(project: Project) -> str:
    """The project's own text, Markdown; empty where the one that comes with the site is in force."""
    latest = ConsentText.objects.filter(project=project).order_by("-at", "-pk").first()
    return latest.text if latest else ""


def set_consent_text(*, project: Project, text: str, at: datetime) -> bool:
    """Give the project a text of its own, or none; False when it had that one already."""
    text = text.strip()
    if consent_text(project) == text:
        return False
    ConsentText.objects.create(project=project, text=text, at=at)
    return True


def version_of(text: str) -> str:
    """The name of a text: another text has another one."""
    return hashlib.sha256(text.encode()).hexdigest()


def has_agreed(membership: Membership, *, version: str) -> bool:
    """Whether the worker agreed to that text."""
    return Consent.objects.filter(membership=membership, version=version).exists()


def agree(*, membership: Membership, version: str, text: str, language: str, at: datetime) -> Consent:
    """Note that a worker agreed; doing so again changes nothing.

    Parameters
    ----------
    version : of the text, whatever the language it was shown in
    text : as it was shown
    """
    told = {"text": text, "language": language, "at": at}
    return Consent.objects.get_or_create(membership=membership, version=version, defaults=told)[0]
