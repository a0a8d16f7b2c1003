"""Coming back by a link that is sent by mail: signed, good for a quarter of an hour, and used once."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from urllib.parse import urljoin

from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from annotation_site.marketplaces.messaging import CannotWrite, mail
from annotation_site.marketplaces.models import Contact, LinkRequest
from annotation_site.people.models import Worker

SALT = "maskgrove.enter"
LIFETIME = timedelta(minutes=15)
AGAIN_AFTER = timedelta(minutes=5)
"""Until an address gets another mail, whoever asks for it."""
AT_ONCE = 20
"""Mails in one look: a server that hangs holds a worker up for EMAIL_TIMEOUT with each."""

log = logging.getLogger(__name__)


class LinkOver(Exception):
    """Unknown, used or expired; the message may be shown."""


def ask(*, email: str, door: str, language: str, at: datetime) -> None:
    """Have a link mailed to whoever has an address, unless it was just asked for; `door` is the asking page.

    Known addresses and others take the same statements, and workers send the mail: what happens here, and how
    long it takes, does not tell them apart. What is no address is let be. What workers have not come to yet
    stays asked for.
    """
    try:
        validate_email(email)
    except ValidationError:
        return
    LinkRequest.objects.filter(asked_at__lte=at - AGAIN_AFTER, is_due=False).delete()
    request = LinkRequest(email=email.lower(), door=door, language=language, asked_at=at)
    LinkRequest.objects.bulk_create([request], ignore_conflicts=True)


def mail_due() -> None:
    """Mail the links that were asked for, each once. One that does not go off may be asked for again."""
    for request in LinkRequest.objects.filter(is_due=True).order_by("pk")[:AT_ONCE]:
        if LinkRequest.objects.filter(pk=request.pk, is_due=True).update(is_due=False):
            _mail(request)


def _mail(request: LinkRequest) -> None:
    contact = Contact.objects.filter(email__iexact=request.email).first()
    if contact is None:
        return
    url = urljoin(request.door, reverse("pages:entered", args=[issue(contact)]))
    with override(request.language):
        text = render_to_string("pages/enter_mail.txt", {"url": url})
        try:
            mail(to=contact.email, subject=_("Your way into Maskgrove"), text=text)
        except CannotWrite:
            log.exception("The link that worker %s asked for could not be mailed.", contact.worker_id)
            request.delete()


def issue(contact: Contact) -> str:
    """A token for one entrance. Using any link of a contact ends all that were sent before."""
    return signing.dumps([contact.pk, contact.links_used], salt=SALT)


def check(token: str) -> Contact:
    """Whose link it is, without using it: what mail programs open by themselves leaves it good.

    Raises
    ------
    LinkOver
    """
    try:
        pk, used = signing.loads(token, salt=SALT, max_age=LIFETIME)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise LinkOver("This link has ended: they are good for a quarter of an hour.") from error
    found = Contact.objects.select_related("worker").filter(pk=pk, links_used=used).first()
    if found is None:
        raise LinkOver("This link was used already: ask for a new one.")
    return found


@transaction.atomic
def use(token: str) -> Worker:
    """Let its owner in, once.

    Raises
    ------
    LinkOver
        Also for the second of two who use it at the same time.
    """
    contact = check(token)
    mine = Contact.objects.filter(pk=contact.pk, links_used=contact.links_used)
    if mine.update(links_used=F("links_used") + 1) != 1:
        raise LinkOver("This link was used already: ask for a new one.")
    return contact.worker
