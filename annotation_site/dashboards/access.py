"""Which pages of a project somebody may open: a view says the least access that it needs.

What is archived is only read: whatever would change it is refused, and pages show no controls for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render

from annotation_site.access.granting import access_to
from annotation_site.access.models import Access
from annotation_site.catalog.models import Project

View = Callable[..., HttpResponseBase]
SAFE = ("GET", "HEAD", "OPTIONS")


def needs(access: Access, *, while_archived: bool = False) -> Callable[[View], View]:
    """Let a view of `/projects/<slug>/…` be opened only by those who have this access to the project.

    Visitors are sent to the login. Projects that are not theirs do not exist for people (404); what they may
    only look at, they are refused to change (403). The view is given the project in place of the slug.

    Parameters
    ----------
    while_archived : let it change an archived project, too; else that is refused (409)
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, *args: object, **kwargs: object) -> HttpResponseBase:
            project = project_for(request, slug, access)
            if project.is_archived and request.method not in SAFE and not while_archived:
                refusal = {"project": project}
                return render(request, "dashboards/only_read.html", refusal, status=HTTPStatus.CONFLICT)
            return view(request, project, *args, **kwargs)

        return login_required(guarded)

    return decorate


def project_for(request: HttpRequest, slug: str, access: Access) -> Project:
    """The project, for somebody who is signed in and has this access to it.

    Raises
    ------
    Http404
        Where there is none, or none that they may know of.
    PermissionDenied
    """
    project = get_object_or_404(Project, slug=slug)
    had = access_to(project, request.user)
    if had is None:
        raise Http404
    if not had.includes(access):
        raise PermissionDenied
    request.role = had  # type: ignore[attr-defined]  # which pages there are for them
    request.access = Access.VIEWER if project.is_archived else had  # type: ignore[attr-defined]  # what templates offer
    return project


viewers = needs(Access.VIEWER)
admins = needs(Access.ADMIN)
owners = needs(Access.OWNER)
