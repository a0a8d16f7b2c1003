"""The door for workers of one's own who have lost their link: by an address, or by an invite code."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation_site import enqueue
from annotation_site.limits import limited
from annotation_site.marketplaces import entering, team
from annotation_site.pages.notices import notice
from annotation_site.people.models import Membership, Worker


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited("enter")
def enter(request: HttpRequest) -> HttpResponseBase:
    """Ask for an address or a code. What is said back does not tell whether anyone has that address."""
    if request.method != "POST":
        return render(request, "pages/enter.html")
    if "code" in request.POST:
        code = team.code_in(request.POST["code"])
        return redirect("pages:join", code) if code else notice(request, "unknown-join-link")
    email = request.POST.get("email", "").strip()[:254]
    door = request.build_absolute_uri(reverse("pages:enter"))
    entering.ask(email=email, door=door, language=get_language() or "en", at=timezone.now())
    enqueue.send("maskgrove.mail_links")
    return render(request, "pages/enter.html", {"sent_to": email})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limited("enter")
def entered(request: HttpRequest, token: str) -> HttpResponseBase:
    """The link that was sent. Looking at it uses nothing up; its button does."""
    try:
        if request.method != "POST":
            return render(request, "pages/entered.html", {"contact": entering.check(token)})
        worker = entering.use(token)
    except entering.LinkOver as over:
        return render(request, "pages/enter.html", {"over": str(over)}, status=410)
    mine = list(_memberships(worker))
    if len(mine) == 1:
        return redirect("pages:landing", mine[0].secret)
    return render(request, "pages/entered.html", {"memberships": mine})


def _memberships(worker: Worker) -> list[Membership]:
    return list(worker.memberships.select_related("project").order_by("-pk")[:100])
