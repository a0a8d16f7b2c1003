"""Images that are brought in: imports asked for, uploads received piece by piece, stopped, gone on with."""

from __future__ import annotations

from http import HTTPStatus
from typing import IO, cast

from django.contrib.auth.models import User
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from annotation_site import enqueue
from annotation_site.catalog.models import Project
from annotation_site.catalog.storage import artifacts
from annotation_site.dashboards.access import admins
from annotation_site.dashboards.setup.changes import back
from annotation_site.dashboards.setup.forms import ImportForm
from annotation_site.dashboards.setup.page import page
from annotation_site.preparing import imports, uploads
from annotation_site.preparing.allowed import PlaceRefused
from annotation_site.preparing.buckets import BucketUnavailable
from annotation_site.preparing.models import ImportRun, UploadedFile

REFUSALS = (PlaceRefused, BucketUnavailable, imports.CannotStart, uploads.UploadRefused)


@admins
@require_POST
def ask(request: HttpRequest, project: Project) -> HttpResponse:
    """Ask for an import; an upload is answered with where its files go."""
    form = ImportForm(request.POST)
    by = request.user if isinstance(request.user, User) else None
    is_upload = request.POST.get("source") == "upload"
    if form.is_valid():
        try:
            if is_upload:
                return _begin_upload(project, form, by)
            place = form.cleaned_data["place"]
            run = imports.ask_for_import(
                project=project, place=place, wish=form.wish(), by=by, at=timezone.now()
            )
            enqueue.run_import(run.pk)
            return back(project, "images")
        except REFUSALS as error:
            form.add_error(None, str(error))
    if is_upload:
        return JsonResponse({"error": " ".join(told(form))}, status=HTTPStatus.BAD_REQUEST)
    return page(request, project, at="images", status=400, importing=form, refused=told(form))


def told(form: ImportForm) -> list[str]:
    """What is wrong, in sentences."""
    return [str(text) for texts in form.errors.values() for text in texts]


def _begin_upload(project: Project, form: ImportForm, by: User | None) -> JsonResponse:
    run = imports.begin_upload(
        project=project, files=form.cleaned_data["listed"], wish=form.wish(), by=by, at=timezone.now()
    )
    listed = run.files.values_list("number", "received")
    return JsonResponse(
        {
            "id": run.pk,
            "files": reverse("dashboards:setup_piece", args=[project.slug, run.pk, 0]).removesuffix("0/"),
            "finish": reverse("dashboards:setup_import", args=[project.slug, run.pk]),
            "received": dict(listed),
        },
        status=HTTPStatus.CREATED,
    )


@admins
@require_POST
def piece(request: HttpRequest, project: Project, pk: int, number: int) -> JsonResponse:
    """Keep a piece of an uploaded file: the request's body, from the byte `?at=` on."""
    files = UploadedFile.objects.select_related("run").filter(run__project=project)
    file = get_object_or_404(files, run=pk, number=number)
    at = request.GET.get("at", "")
    try:
        content = cast(IO[bytes], request)
        received = uploads.receive(file=file, at=int(at) if at.isdecimal() else 0, content=content)
    except uploads.OutOfOrder as error:
        return JsonResponse({"received": error.received}, status=HTTPStatus.CONFLICT)
    except uploads.UploadRefused as error:
        return JsonResponse({"error": str(error)}, status=HTTPStatus.BAD_REQUEST)
    return JsonResponse({"received": received})


@admins
@require_POST
def change(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """Import an upload that is whole; stop an import, go on with it, or discard it."""
    run = get_object_or_404(ImportRun, pk=pk, project=project)
    asked = request.POST.get("do", "")
    if asked == "finish":
        return _finish(run)
    if asked == "stop":
        imports.stop_import(run, at=timezone.now())
    elif asked == "go on" and imports.go_on(run):
        enqueue.run_import(run.pk)
    elif asked == "discard":
        imports.discard(run)
    return back(project, "images")


def _finish(run: ImportRun) -> JsonResponse:
    try:
        uploads.finish(run)
    except uploads.UploadRefused as error:
        return JsonResponse({"error": str(error)}, status=HTTPStatus.CONFLICT)
    enqueue.run_import(run.pk)
    return JsonResponse({"state": run.state})


@admins
@require_GET
def problems(_request: HttpRequest, project: Project, pk: int) -> FileResponse:
    """Everything that an import left out, a JSON object a line."""
    run = get_object_or_404(ImportRun, pk=pk, project=project)
    name = imports.problems_name(run)
    if not artifacts().exists(name):
        raise Http404
    return FileResponse(artifacts().open(name), as_attachment=True, filename=f"import-{run.pk}.jsonl")
