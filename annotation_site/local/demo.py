"""The demo: a complete project on generated scenes, through the same functions as a user's own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import ProtectedError

from annotation_site.budget.caps import budget_of, set_caps
from annotation_site.budget.models import LedgerEntry
from annotation_site.catalog.importing import import_images
from annotation_site.catalog.models import Project, Role
from annotation_site.catalog.projects import create_project, numbered
from annotation_site.catalog.roles import RoleShares
from annotation_site.catalog.storage import delete_artifacts
from annotation_site.local.site import has_database
from annotation_site.marketplaces.models import Payment
from annotation_site.people.members import invite
from annotation_site.people.models import Membership
from pipeline.progress import Progress
from pipeline.scenes import SceneOptions, write_scenes

NAME = "Demo"
SLUG = "demo"
ADMIN = "demo"
SEED = 2021


class NotThisDemo(Exception):
    """The project in the demo's place is not the demo that was asked for."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a demo is: images of each role, and what the project may ask and use."""

    images: Mapping[str, int]
    questions: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    scenes: SceneOptions = field(default_factory=SceneOptions)


SCALES: Mapping[str, Scale] = {
    "full": Scale(
        images={"initial": 110, "heldout": 80, "pool": 480},
        questions=4000,
        # A pool this small has few clusters of 15 masks, and one unlucky cluster would show in its precision.
        parameters={"detector": "maskrcnn-small", "rule": "sequential", "min_size": 8},
    ),
    "tiny": Scale(
        images={"initial": 6, "heldout": 24, "pool": 24},
        questions=300,
        parameters={
            "detector": "fake",
            "k_iou": 0.4,
            "k_pa": 0.05,
            "n_s": 8,
            "min_size": 2,
            "rule": "paper",
            "hit_size": 10,
        },
    ),
}

DESCRIPTION = (
    "Things on a forest floor, painted by a program: no photos. It shows what a project does, end to end."
)
INSTRUCTIONS = (
    "Say yes when the outline follows the whole visible part of one object of the category, and no when it"
    " misses a part, takes in something else, or is another kind of thing."
)


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo's project and who may enter it."""

    project: Project
    worker: Membership
    password: str

    @property
    def worker_path(self) -> str:
        """The personal link of the demo's first worker, below the site's root."""
        return f"w/{self.worker.secret}/"

    @property
    def admin_path(self) -> str:
        """The project's page."""
        return f"projects/{self.project.slug}/"


def folder() -> Path:
    """Where the demo keeps what only it needs."""
    path: Path = settings.VAR / "demo"
    return path


def begin(scale: Scale) -> Demo:
    """The project, its first worker and its admin; made when they are not there.

    Raises
    ------
    NotThisDemo
        When the project of that name is another one.
    """
    folder().mkdir(parents=True, exist_ok=True)
    told = {"description": DESCRIPTION, "instructions": INSTRUCTIONS, "generated": True, "seed": SEED}
    project = Project.objects.filter(slug=SLUG).first()
    if project is None:
        names = scale.scenes.categories
        made = create_project(name=NAME, categories=numbered(names), parameters={**told, **scale.parameters})
        project = made.project
    elif not project.generated:
        raise NotThisDemo(
            f"There is a project of yours called {SLUG}: give MASKGROVE_VAR another place for the demo."
        )
    elif project.detector != scale.parameters["detector"]:
        raise NotThisDemo("The demo that is here has another scale: forget it first (make clean-demo).")
    if budget_of(project).questions is None:
        set_caps(project=project, questions=scale.questions, money=None)
    worker = project.members.order_by("pk").first() or invite(project=project, name="You")
    return Demo(project, worker, admin_password())


def admin_password() -> str:
    """The password of the demo's admin, who is made, or given it again, when need be."""
    file = folder() / "admin.json"
    if file.exists():
        password: str = json.loads(file.read_text())["password"]
    else:
        password = secrets.token_urlsafe(9)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump({"user": ADMIN, "password": password}, out)
    user, _ = get_user_model().objects.get_or_create(
        username=ADMIN, defaults={"is_staff": True, "is_superuser": True}
    )
    if not user.check_password(password):
        user.set_password(password)
        user.is_active = True  # Forgetting the demo may have taken it away.
        user.save()
    return password


def has_images(project: Project, scale: Scale) -> bool:
    """Whether every scene is imported."""
    return project.images.count() >= sum(scale.images.values())


def add_images(project: Project, scale: Scale, *, painting: Progress, importing: Progress) -> None:
    """Paint the scenes and import them with their ground truth; what is there already is left alone."""
    cores = os.cpu_count() or 1
    sets = write_scenes(
        folder() / "scenes",
        seed=SEED,
        counts=scale.images,
        options=scale.scenes,
        processes=cores,
        progress=painting,
    )
    for scenes in sets.values():
        import_images(
            project=project,
            folder=scenes.images,
            roles=RoleShares.all(Role(scenes.role)),
            annotations=scenes.annotations,
            in_place=True,
            progress=importing,
        )


def forget() -> bool:
    """Remove the demo's project, admin and files; whether there were any. Projects of the user's own stay.

    Where verdicts by hand in one of those are the admin's, the account stays as their author, and nobody can
    sign in with it.
    """
    there = folder().exists()
    if has_database():
        there = _forget_rows() or there
    shutil.rmtree(folder(), ignore_errors=True)
    return there


def _forget_rows() -> bool:
    project = Project.objects.filter(slug=SLUG, generated=True).first()
    if project is not None:
        _forget_project(project)
    _forget_admin()
    return project is not None


def _forget_project(project: Project) -> None:
    artifacts = f"projects/{project.pk}"
    with transaction.atomic():
        LedgerEntry.objects.filter(project=project).delete()
        Payment.objects.filter(membership__project=project).delete()
        project.delete()
    delete_artifacts(artifacts)


def _forget_admin() -> None:
    """Once the project is gone, and the verdicts by hand in it that name the admin."""
    user = get_user_model().objects.filter(username=ADMIN).first()
    if user is None:
        return
    try:
        user.delete()
    except ProtectedError:
        user.is_active = False
        user.set_unusable_password()
        user.save()


def elapsed(seconds: float) -> str:
    """Minutes and seconds, as 4:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
