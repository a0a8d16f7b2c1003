"""The page that begins a project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotation_site.catalog.projects import ProjectRefused, categories_of, numbered
from annotation_site.dashboards.setup.forms import ProjectForm, names_in
from annotation_site.preparing.creating import create_owned_project
from annotation_site.preparing.imports import without_folders
from pipeline.coco import CocoCategory, CocoError


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Name a project and its categories; whoever does so is its owner."""
    form = ProjectForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and isinstance(request.user, User):
        values = form.cleaned_data
        try:
            project = create_owned_project(
                name=values["name"],
                categories=given_categories(values["categories"], values["coco"]),
                owner=request.user,
                parameters={"description": values["description"]},
            )
        except (ProjectRefused, CocoError) as error:
            form.add_error(None, without_folders(str(error)))
        else:
            return redirect("dashboards:setup", slug=project.slug)
    return render(request, "dashboards/setup/new.html", {"form": form}, status=400 if form.errors else 200)


def given_categories(text: str, coco: UploadedFile[Any] | None) -> list[CocoCategory]:
    """Categories that were typed in, else those of an uploaded COCO file.

    Raises
    ------
    CocoError
    """
    if coco is None:
        return numbered(names_in(text))
    with on_disk(coco) as path:
        return categories_of(path)


@contextmanager
def on_disk(file: UploadedFile[Any]) -> Iterator[Path]:
    """An uploaded file under its own name, for as long as the block runs."""
    with TemporaryDirectory(prefix="maskgrove-") as folder:
        path = Path(folder, Path(file.name or "annotations.json").name)
        with path.open("wb") as copy:
            for chunk in file.chunks():
                copy.write(chunk)
        yield path
