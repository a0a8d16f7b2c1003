"""Writing to a worker: by mail, or by the marketplace they came from; kept with who wrote it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from smtplib import SMTPException
from uuid import UUID

from django.core.mail import send_mail
from django.db import transaction
from django.utils.translation import gettext as _

from annotation_site.marketplaces.accounts import BY_LINK, last_submission
from annotation_site.marketplaces.models import Action, Contact, Message
from annotation_site.marketplaces.outbox import ask
from annotation_site.marketplaces.providers import marketplace_of
from annotation_site.people.models import Membership

LONGEST = 4000
"""Characters; Mechanical Turk takes 4,096."""


class CannotWrite(Exception):
    """A message that cannot be sent; the message of this may be shown."""


class Route(StrEnum):
    """How a member is written to; the last two say why they cannot be."""

    MAIL = "mail"
    MARKETPLACE = "marketplace"
    NO_ADDRESS = "no-address"
    NO_WAY = "no-way"

    @property
    def is_open(self) -> bool:
        return self in (Route.MAIL, Route.MARKETPLACE)


def route_to(membership: Membership) -> Route:
    """How a member can be written to."""
    if membership.worker.provider == BY_LINK:
        has_address = Contact.objects.filter(worker=membership.worker_id).exists()
        return Route.MAIL if has_address else Route.NO_ADDRESS
    place = last_submission(membership)
    passes_on = place is not None and marketplace_of(place.listing).messages
    return Route.MARKETPLACE if passes_on else Route.NO_WAY


def write_to(*, membership: Membership, text: str, by: str, once: UUID, at: datetime) -> Message:
    """Send a member a message; the same form again sends nothing, or the mail that did not go off.

    Raises
    ------
    CannotWrite
        When nothing is said, there is no way to them, or the mail did not go off.
    """
    text, route = text.strip(), route_to(membership)
    if not text or len(text) > LONGEST:
        raise CannotWrite(f"A message has from one to {LONGEST} characters.")
    if not route.is_open:
        raise CannotWrite(f"There is no way to write to {membership.worker}.")
    with transaction.atomic():
        about = {"membership": membership, "text": text, "by": by, "at": at}
        message, is_new = Message.objects.get_or_create(once=once, defaults=about)
        if is_new and route == Route.MARKETPLACE:
            _tell_marketplace(message, at)
    return _mailed(message, at) if route == Route.MAIL else message


def mail(*, to: str, subject: str, text: str) -> None:
    """Send a mail.

    Raises
    ------
    CannotWrite
        When it did not go off.
    """
    try:
        send_mail(subject, text, None, [to])
    except (SMTPException, OSError) as error:
        raise CannotWrite(f"The mail did not go off: {error}") from error


def _tell_marketplace(message: Message, at: datetime) -> None:
    place = last_submission(message.membership)
    assert place is not None
    about = {"submission": place, "worker": place.worker, "reason": message.text}
    reference = f"message:{message.pk}"
    message.action = ask(listing=place.listing, kind=Action.Kind.MESSAGE, reference=reference, at=at, **about)
    message.save(update_fields=["action"])


@transaction.atomic
def _mailed(message: Message, at: datetime) -> Message:
    """The message, its mail sent: by one request at a time, and not again once it went off."""
    held = Message.objects.select_for_update(no_key=True).get(pk=message.pk)
    if held.sent_at is None:
        _mail(held)
        held.sent_at = at
        held.save(update_fields=["sent_at"])
    return held


def _mail(message: Message) -> None:
    member = message.membership
    name = " ".join(member.project.name.split())  # No name adds headers to a mail.
    subject = _("About your work on %(project)s") % {"project": name}
    mail(to=member.worker.contact.email, subject=subject, text=message.text)
