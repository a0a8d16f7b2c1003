"""Coming back by a link that is sent by mail: signed, good for a quarter of an hour, and used once."""

from __future__ import annotations

from datetime import timedelta

from django.core import signing
from django.db import transaction
from django.db.models import F

from annotation_site.marketplaces.models import Contact
from annotation_site.people.models import Worker

SALT = "maskgrove.enter"
LIFETIME = timedelta(minutes=15)


class LinkOver(Exception):
    """Unknown, used or expired; the message may be shown."""


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
