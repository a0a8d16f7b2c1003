"""Which pages of a project somebody may open: a view says the least access that it needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from annotation_site.access.granting import access_to
from annotation_site.access.models import Access
from annotation_site.catalog.models import Project

View = Callable[..., HttpResponseBase]


def needs(access: Access) -> Callable[[View], View]:
    """Let a view of `/projects/<slug>/…` be opened only by those who have this access to the project.

    Visitors are sent to the login. Projects that are not theirs do not exist for people (404); what they may
    only look at, they are refused to change (403). The view is given the project in place of the slug.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, *args: object, **kwargs: object) -> HttpResponseBase:
            return view(request, project_for(request, slug, access), *args, **kwargs)

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
    request.access = had  # type: ignore[attr-defined]  # what templates offer
    return project


viewers = needs(Access.VIEWER)
admins = needs(Access.ADMIN)
owners = needs(Access.OWNER)
