"""The page on which people make and revoke their API tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation_site.access.granting import projects_of
from annotation_site.api import tokens as domain
from annotation_site.api.models import ApiToken, Scope
from annotation_site.catalog.models import Project

DAYS = [
    ("30", gettext_lazy("30 days")),
    ("90", gettext_lazy("90 days")),
    ("365", gettext_lazy("a year")),
    ("", gettext_lazy("never")),
]
MOST = 100
"""Projects that are listed to choose from."""


class TokenForm(forms.Form):
    """What a token is for."""

    name = forms.CharField(max_length=80)
    scope = forms.ChoiceField(choices=Scope.choices)
    days = forms.ChoiceField(choices=DAYS, required=False)
    projects = forms.ModelMultipleChoiceField(Project.objects.none(), required=False)

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["projects"].queryset = projects_of(user)  # type: ignore[attr-defined]


@login_required
@require_http_methods(["GET", "POST"])
@never_cache  # It may show a secret.
def tokens(request: HttpRequest) -> HttpResponse:
    """One's tokens, and a form for another; a new one's secret is shown in the reply to it, once."""
    form, secret = TokenForm(request.POST or None, user=request.user), None
    if request.method == "POST" and form.is_valid():
        secret = _issue(request, form.cleaned_data)
        if secret is not None:
            form = TokenForm(user=request.user)
    context = {
        "section": "tokens",
        "form": form,
        "secret": secret,
        "tokens": domain.in_use(request.user),
        "scopes": Scope.choices,
        "days": DAYS,
        "projects": projects_of(request.user)[:MOST],
        "now": timezone.now(),
    }
    return render(request, "api/tokens.html", context)


@login_required
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Let one of one's tokens open nothing any more."""
    token = get_object_or_404(ApiToken, pk=pk, user=request.user)
    domain.revoke(token=token, at=timezone.now())
    messages.success(request, _("The token opens nothing any more."))
    return redirect("api:tokens")


def _issue(request: HttpRequest, said: dict[str, Any]) -> str | None:
    at = timezone.now()
    try:
        _token, secret = domain.issue(
            user=request.user,
            name=said["name"],
            scope=Scope(said["scope"]),
            at=at,
            expires_at=_end(at, said["days"]),
            projects=said["projects"] or None,
        )
    except domain.TokenRefused as error:
        messages.error(request, str(error))
        return None
    return secret


def _end(at: datetime, days: str) -> datetime | None:
    return at + timedelta(days=int(days)) if days else None
