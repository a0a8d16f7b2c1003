"""The page on people of one's own who answer: their links, and the codes by which they join."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotation_site.access.models import Access
from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import admins, viewers
from annotation_site.marketplaces import team
from annotation_site.marketplaces.messaging import CannotWrite
from annotation_site.paging import key_in
from annotation_site.people.models import JoinLink, Membership
from annotation_site.people.qualification.policy import vouch

VERBS = {"revoke": team.revoke_access, "reinstate": team.give_back_access}
"""What an admin may do about a member's access."""


@viewers
@require_GET
@never_cache  # It shows secrets.
def members(request: HttpRequest, project: Project) -> HttpResponse:
    """Who answers; links and codes are shown to those who may hand them out."""
    page = team.members_of(project, before=key_in(request.GET.get("before", "")))
    may_hand_out = request.access.includes(Access.ADMIN)  # type: ignore[attr-defined]
    if may_hand_out:
        for member in page.rows:
            member.link = _link(request, member)  # type: ignore[attr-defined]
    codes = project.join_links.filter(revoked_at__isnull=True).order_by("-pk") if may_hand_out else None
    for code in codes or ():
        code.link = request.build_absolute_uri(reverse("pages:join", args=[code.code]))  # type: ignore[attr-defined]
    context = {"project": project, "section": "team", "page": page, "codes": codes, "may": may_hand_out}
    return render(request, "dashboards/team.html", context)


@admins
@require_POST
def invite(request: HttpRequest, project: Project) -> HttpResponse:
    """Make a member, and send them their link where an address is given."""
    name, email = (request.POST.get(field, "").strip()[:120] for field in ("name", "email"))
    if not (name and name.isprintable()):
        messages.error(request, _("Give them a name: it is how you know them."))
        return _back(project)
    try:
        member = team.invite(project=project, name=name, email=email)
    except team.InvalidAddress:
        messages.error(request, _("That is no address that mail can be sent to."))
        return _back(project)
    if request.POST.get("vouch") == "on":
        _vouch(request, member)
    told = _("%(name)s is invited: send them their link.")
    if email:
        try:
            team.send_link(member=member, email=email, url=_link(request, member))
            told = _("%(name)s is invited; their link is on its way.")
        except CannotWrite as error:
            messages.error(request, str(error))
    messages.success(request, told % {"name": name})
    return _back(project)


@admins
@require_POST
def change_member(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Give a member another link, take their access, or give it back."""
    member = get_object_or_404(Membership.objects.select_related("worker"), pk=pk, project=project)
    asked = request.POST.get("do", "")
    if asked == "rotate":
        team.rotate_link(member)
        messages.success(request, _("The old link leads nowhere now; send them the new one."))
    elif asked == "vouch":
        _vouch(request, member)
        messages.success(request, _("%(name)s may answer without the test.") % {"name": member.worker})
    elif verb := VERBS.get(asked):
        verb(membership=member, by=request.user.get_username(), at=timezone.now())
    return _back(project)


@admins
@require_POST
def new_code(_request: HttpRequest, project: Project) -> HttpResponse:
    """Make a code by which anyone may join."""
    team.new_code(project)
    return _back(project)


@admins
@require_POST
def revoke_code(_request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Let nobody join by a code any more."""
    team.revoke_code(link=get_object_or_404(JoinLink, pk=pk, project=project), at=timezone.now())
    return _back(project)


def _vouch(request: HttpRequest, member: Membership) -> None:
    vouch(membership=member, reason=f"{request.user.get_username()} vouches for them", at=timezone.now())


def _link(request: HttpRequest, member: Membership) -> str:
    return request.build_absolute_uri(reverse("pages:landing", args=[member.secret]))


def _back(project: Project) -> HttpResponse:
    return redirect("dashboards:team", slug=project.slug)
