"""People of your own: their links, the codes by which they join, and what an admin does about them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from annotation_site.catalog.models import Project
from annotation_site.marketplaces.messaging import mail
from annotation_site.marketplaces.models import Contact
from annotation_site.paging import page_before
from annotation_site.people import members
from annotation_site.people.models import JoinLink, Membership, new_secret
from annotation_site.verification.keeping import kept_records
from annotation_site.verification.trust import reinstate_worker, stop_worker

LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""Of a code that is read aloud: none that is taken for another."""
PAGE = 50


class InvalidAddress(ValueError):
    """No address that mail could be sent to."""


@dataclass(frozen=True, slots=True)
class Members:
    """A page of a project's members, newest first; `older` is where the next one begins."""

    rows: Sequence[Membership]
    older: int | None


def members_of(project: Project, *, before: int | None = None, size: int = PAGE) -> Members:
    """The members with their addresses and how many answers they gave."""
    members = project.members.select_related("worker__contact").order_by("-pk")
    rows, older = page_before(members, before, size=size)
    records = kept_records(rows)
    for row in rows:
        row.answers = records[row.pk].answers  # type: ignore[attr-defined]
    return Members(rows, older)


def invite(*, project: Project, name: str, email: str = "") -> Membership:
    """A member with a personal link. Whose address is known already is the same worker, here too.

    Raises
    ------
    InvalidAddress
    """
    if not email:
        return members.invite(project=project, name=name)
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidAddress(f"{email!r} is no address that mail can be sent to.") from error
    with transaction.atomic():
        known = Contact.objects.select_related("worker").filter(email__iexact=email).first()
        if known is not None:
            worker = known.worker
            return members.join(project=project, provider=worker.provider, external_id=worker.external_id)
        member = members.invite(project=project, name=name)
        Contact.objects.create(worker=member.worker, email=email)
        return member


def send_link(*, member: Membership, email: str, url: str) -> None:
    """Mail a member their personal link.

    Raises
    ------
    CannotWrite
        When the mail did not go off.
    """
    body = render_to_string("pages/invite_mail.txt", {"url": url, "project": member.project})
    name = " ".join(member.project.name.split())  # No name adds headers to a mail.
    mail(to=email, subject=_("You are invited to %(project)s") % {"project": name}, text=body)


def new_code(project: Project) -> JoinLink:
    """A code of sixty bits, as K7QF-2M9P-XW3D, by which anyone joins until it is revoked."""
    groups = ("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))
    return JoinLink.objects.create(project=project, code="-".join(groups))


def code_in(text: str) -> str:
    """The code that somebody typed in any case and spacing, or pasted as its link; "" where there is none."""
    last_part = re.split("[?#]", text)[0].strip().rstrip("/").rpartition("/")[2]
    return "-".join(re.findall(".{1,4}", re.sub("[^A-Z0-9]", "", last_part.upper())))


def revoke_code(*, link: JoinLink, at: datetime) -> None:
    """Nobody joins by it any more; those who did stay."""
    JoinLink.objects.filter(pk=link.pk, revoked_at__isnull=True).update(revoked_at=at)


def rotate_link(membership: Membership) -> str:
    """Give a member another personal link; the old one leads nowhere from now on."""
    secret = new_secret()
    Membership.objects.filter(pk=membership.pk).update(secret=secret)
    membership.secret = secret
    return secret


def revoke_access(*, membership: Membership, by: str, at: datetime) -> None:
    """End a member's work: no new HIT, their open one goes to others. Their answers go on counting."""
    stop_worker(membership=membership, reason="Access was revoked.", by=by, at=at, retract=False)


def give_back_access(*, membership: Membership, by: str, at: datetime) -> None:
    """Let a member work again, by the same link."""
    reinstate_worker(membership=membership, reason="Access was given back.", by=by, at=at)
