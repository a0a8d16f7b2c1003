"""Telling people by mail that an address is told nothing more."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation_site.webhooks.models import Webhook

log = logging.getLogger(__name__)


def tell_of_disabled(webhook: Webhook) -> None:
    """Write to the project's admins and owners. Mail that cannot be sent is logged: the page says it too."""
    admins = webhook.project.grants.exclude(access="viewer").exclude(user__email="")
    addresses = sorted(set(admins.filter(user__is_active=True).values_list("user__email", flat=True)))
    page = reverse("dashboards:webhook", args=[webhook.project.slug, webhook.pk])
    body = render_to_string(
        "dashboards/webhooks/disabled_mail.txt", {"webhook": webhook, "url": f"{settings.PUBLIC_URL}{page}"}
    )
    name = " ".join(webhook.project.name.split())
    for address in addresses:
        try:
            send_mail(_("A webhook of %(project)s is disabled") % {"project": name}, body, None, [address])
        except (SMTPException, OSError):
            log.exception("The notice that %s is disabled could not be mailed.", webhook)
