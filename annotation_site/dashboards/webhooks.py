"""Pages of webhooks: the addresses of a project, what was sent to each, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotation_site import enqueue
from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import admins
from annotation_site.paging import key_in, page_before
from annotation_site.webhooks import delivering, webhooks
from annotation_site.webhooks.addresses import AddressRefused
from annotation_site.webhooks.models import Attempt, Delivery, Kind, Webhook

PAGE = 50
"""Deliveries on a page."""
TELL = "maskgrove.tell_webhooks"


class WebhookForm(forms.Form):
    """Whom to tell of what."""

    url = forms.CharField(max_length=500)
    description = forms.CharField(max_length=120, required=False)
    kinds = forms.MultipleChoiceField(choices=Kind.choices)


@admins
@require_GET
def listed(request: HttpRequest, project: Project) -> HttpResponse:
    """The webhooks of a project, and a form for another one."""
    return _list(request, project, WebhookForm(initial={"kinds": Kind.values}))


@admins
@require_POST
def add(request: HttpRequest, project: Project) -> HttpResponse:
    """Have an address told."""
    form = WebhookForm(request.POST)
    by = request.user if isinstance(request.user, User) else None
    made = _done(
        form, lambda **about: webhooks.add_webhook(project=project, by=by, at=timezone.now(), **about)
    )
    if made is None:
        return _list(request, project, form, status=400)
    messages.success(request, _("Added. Copy its secret to the receiver, and send a test."))
    return _to(made)


@admins
@require_GET
@never_cache  # It shows a secret.
def webhook(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """One webhook: its settings, and its deliveries, newest first."""
    found = _found(project, pk)
    about = {"url": found.url, "description": found.description, "kinds": found.kinds}
    return _one(request, found, WebhookForm(initial=about))


@admins
@require_POST
def change(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Change a webhook, or do one of the things that its page offers."""
    found = _found(project, pk)
    asked = request.POST.get("do", "")
    if asked == "delete":
        found.delete()
        messages.success(request, _("The webhook is deleted, with its deliveries."))
        return redirect("dashboards:webhooks", slug=project.slug)
    if asked == "save":
        form = WebhookForm(request.POST)
        saved = _done(form, lambda **about: webhooks.change_webhook(webhook=found, **about))
        if saved is None:
            return _one(request, found, form, status=400)
        messages.success(request, _("Saved."))
    elif verb := VERBS.get(asked):
        verb(request, found)
    return _to(found)


@admins
@require_GET
def delivery(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """What was sent, how often, and what was answered."""
    found = _delivery(project, pk)
    context = {
        "project": project,
        "section": "webhooks",
        "delivery": found,
        "body": json.dumps(json.loads(found.body), indent=2, ensure_ascii=False),
        "attempts": found.attempts.order_by("-pk")[:PAGE],
    }
    return render(request, "dashboards/webhooks/delivery.html", context)


@admins
@require_POST
def redeliver(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Send a message once more."""
    found = _delivery(project, pk)
    delivering.redeliver(found, at=timezone.now())
    enqueue.send(TELL)
    messages.success(request, _("It is sent again, with the same id."))
    return redirect("dashboards:delivery", slug=project.slug, pk=found.pk)


def _test(request: HttpRequest, found: Webhook) -> None:
    delivering.send_test(found, at=timezone.now())
    enqueue.send(TELL)
    messages.success(request, _("A test is on its way: see below how it is answered."))


def _rotate(request: HttpRequest, found: Webhook) -> None:
    webhooks.rotate_secret(webhook=found, at=timezone.now())
    messages.success(request, _("For a day both secrets sign: give the new one to the receiver."))


def _disable(_request: HttpRequest, found: Webhook) -> None:
    webhooks.disable(webhook=found, at=timezone.now())


def _enable(_request: HttpRequest, found: Webhook) -> None:
    webhooks.enable(webhook=found)


VERBS: dict[str, Callable[[HttpRequest, Webhook], None]] = {
    "test": _test,
    "rotate": _rotate,
    "disable": _disable,
    "enable": _enable,
}
"""What an admin may do about a webhook, beside changing and deleting it."""


def _done(form: WebhookForm, verb: Callable[..., Webhook]) -> Webhook | None:
    """What a verb makes of a form; None where the form or the verb refuses, with the reason in the form."""
    if form.is_valid():
        try:
            return verb(**form.cleaned_data)
        except (AddressRefused, webhooks.WebhookRefused) as error:
            form.add_error("url", str(error))
    return None


def _list(request: HttpRequest, project: Project, form: WebhookForm, *, status: int = 200) -> HttpResponse:
    found = Webhook.objects.filter(project=project).defer("secret", "earlier_secret")
    context = {"project": project, "section": "webhooks", "webhooks": found, **_form(form)}
    return render(request, "dashboards/webhooks/list.html", context, status=status)


def _one(request: HttpRequest, found: Webhook, form: WebhookForm, *, status: int = 200) -> HttpResponse:
    state = request.GET.get("state", "")
    deliveries = found.deliveries.defer("body")
    if state in Delivery.State.values:
        deliveries = deliveries.filter(state=state)
    rows, older = page_before(deliveries, key_in(request.GET.get("before", "")), size=PAGE)
    _note_last(rows)
    context = {
        "project": found.project,
        "section": "webhooks",
        "webhook": found,
        "rows": rows,
        "older": older,
        "state": state,
        "states": Delivery.State.choices,
        **_form(form),
    }
    name = "deliveries.html" if "list" in request.GET else "webhook.html"
    return render(request, f"dashboards/webhooks/{name}", context, status=status)


def _note_last(rows: list[Delivery]) -> None:
    """Give each delivery its last attempt."""
    last = Attempt.objects.filter(delivery__in=rows).order_by("delivery_id", "-pk").distinct("delivery_id")
    by_delivery = {attempt.delivery_id: attempt for attempt in last}
    for row in rows:
        row.last = by_delivery.get(row.pk)  # type: ignore[attr-defined]


def _form(form: WebhookForm) -> dict[str, Any]:
    chosen = form["kinds"].value() or []
    return {"form": form, "kinds": [(kind.value, kind.label, kind.value in chosen) for kind in Kind]}


def _found(project: Project, pk: int) -> Webhook:
    return get_object_or_404(Webhook.objects.select_related("project"), pk=pk, project=project)


def _delivery(project: Project, pk: int) -> Delivery:
    joined = Delivery.objects.select_related("webhook").defer("webhook__secret", "webhook__earlier_secret")
    return get_object_or_404(joined, pk=pk, webhook__project=project)


def _to(found: Webhook) -> HttpResponse:
    return redirect("dashboards:webhook", slug=found.project.slug, pk=found.pk)
