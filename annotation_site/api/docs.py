"""The page that shows the API and tries it, with the session of who looks."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET


@login_required
@require_GET
@ensure_csrf_cookie  # Its script sends it with what is tried.
def docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI, from the static files."""
    return render(request, "api/docs.html", {"section": "api"})
