"""Taking the images of a place into a project, with or without a COCO file of annotations.

Batch by batch: its files are digested and decoded in threads and copied into the images storage, then all its
rows are written in one transaction. What is there already is recognised by its content, so an import that was
interrupted goes on when it is run again, and one that was finished changes nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from django.db import transaction

from annotation_site.catalog import candidates, originals
from annotation_site.catalog.archived import check_in_use
from annotation_site.catalog.candidates import Candidate
from annotation_site.catalog.claims import Claims
from annotation_site.catalog.claims import Kind as Claim
from annotation_site.catalog.ground_truth import CategoryMap, annotations_of, size_fits
from annotation_site.catalog.import_report import ImportRefused, ImportReport, Kind, Listener, unheard
from annotation_site.catalog.models import Annotation, Image, Project, Role
from annotation_site.catalog.originals import MAX_PIXELS, Original, Oversized, UnusableImage
from annotation_site.catalog.places import FolderPlace, Place
from annotation_site.catalog.roles import RoleShares
from annotation_site.catalog.shared_files import hold_files
from pipeline.batches import in_batches
from pipeline.coco import MalformedItem
from pipeline.coco_index import CocoIndex
from pipeline.progress import Progress, silent

BATCH = 64
THREADS = min(4, os.cpu_count() or 1)


class AnnotationsNeeded(ValueError):
    """Images of a role that needs annotations, without a file of them."""


class NothingToImport(ValueError):
    """A place without a single image file."""


class ImportBusy(RuntimeError):
    """Another process is importing into the project."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A candidate that its batch has to decode: new, or there already but without its annotations."""

    candidate: Candidate
    digest: str
    role: Role
    image: Image | None = None


def import_images(
    *,
    project: Project,
    folder: Path,
    roles: RoleShares,
    annotations: Path | None = None,
    strict: bool = False,
    in_place: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = silent,
    listener: Listener = unheard,
) -> ImportReport:
    """Import the images of a folder: all of them, or with a COCO file those that it lists.

    Parameters
    ----------
    strict : look at everything first and import nothing if there is any problem
    in_place : leave the files where they are instead of copying them into the images storage
    listener : hears of every problem

    Raises
    ------
    ImportRefused
        When `strict` and there are problems.
    AnnotationsNeeded, NothingToImport, ImportBusy, ProjectArchived, CocoError
        When the import cannot begin.
    """
    if not folder.is_dir():
        raise NothingToImport(f"{folder} is not a folder.")
    return import_from(
        FolderPlace(folder.resolve()),
        project=project,
        roles=roles,
        annotations=annotations,
        strict=strict,
        in_place=in_place,
        max_pixels=max_pixels,
        progress=progress,
        report=ImportReport(listener=listener),
    )


def import_from(
    place: Place,
    *,
    project: Project,
    roles: RoleShares,
    report: ImportReport,
    annotations: Path | None = None,
    strict: bool = False,
    in_place: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = silent,
) -> ImportReport:
    """The same for images of any place; `report` is filled as they come in, and returned."""
    _check(roles, annotations)
    with ExitStack() as stack:
        stack.enter_context(_alone(project))
        stack.enter_context(_quiet_readers())
        index = stack.enter_context(_read(annotations, report, progress)) if annotations else None
        threads = stack.enter_context(ThreadPoolExecutor(THREADS))
        importer = Importer(project, place, roles, index, in_place, max_pixels, threads)
        if strict:
            importer.rehearse(report, progress)
            report.taken.clear()
        importer.run(report, progress)
    return report


def _check(roles: RoleShares, annotations: Path | None) -> None:
    needing = [role for role in roles.roles if role is not Role.POOL]
    if needing and annotations is None:
        raise AnnotationsNeeded(f"{' and '.join(needing)} images need annotations: give a COCO file of them.")


@contextmanager
def _alone(project: Project) -> Iterator[None]:
    with Claims() as claims:
        if not claims.take(Claim.IMPORT, project.pk):
            raise ImportBusy(f"Another import into {project.slug} is running: wait for its end.")
        check_in_use(project)
        yield


@contextmanager
def _quiet_readers() -> Iterator[None]:
    """Without Pillow's remarks on metadata and large images; what is wrong with an image is in the report."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def _read(file: Path, report: ImportReport, progress: Progress) -> CocoIndex:
    def problem(malformed: MalformedItem) -> None:
        report.add(Kind.MALFORMED_ITEM, str(malformed))

    index = CocoIndex(file, problem=problem, progress=progress)
    for annotation, image in index.orphans():
        report.add(Kind.UNKNOWN_IMAGE, f"annotation {annotation}", f"image id {image} is not listed")
    return index


@dataclass(slots=True)
class Importer:
    """One import: what is given, and what it does to one batch of candidates after the other."""

    project: Project
    place: Place
    roles: RoleShares
    index: CocoIndex | None
    in_place: bool
    max_pixels: int
    threads: Executor
    categories: CategoryMap = field(init=False)
    rehearsing: bool = False

    def __post_init__(self) -> None:
        listed = self.index.categories if self.index is not None else []
        self.categories = CategoryMap.between(listed, self.project.categories.all())

    def rehearse(self, report: ImportReport, progress: Progress) -> None:
        """Do everything but copy files, undo it, and raise ImportRefused if there were problems."""
        self.rehearsing = True
        with transaction.atomic():
            self.run(report, progress)
            transaction.set_rollback(True)
        self.rehearsing = False
        if report.problems:
            raise ImportRefused(report)

    def run(self, report: ImportReport, progress: Progress) -> None:
        """Import all candidates, telling after each batch how far it is."""
        total = len(self.index) if self.index is not None else self.place.count()
        if not total:
            raise NothingToImport(f"{self.place} has no JPEG, PNG, WebP or TIFF files.")
        done, message = 0, "checked" if self.rehearsing else "imported"
        progress(done, total, message)
        for batch in in_batches(self._candidates(), BATCH):
            self._import(batch, report)
            done += len(batch)
            progress(done, total, message)

    def _candidates(self) -> Iterator[Candidate]:
        if self.index is not None:
            return self.place.listed(self.index.images())
        return self.place.all()

    def _import(self, batch: Sequence[Candidate], report: ImportReport) -> None:
        with self.place.at_hand(batch) as here:
            pending = self._sort_out(here, report)
            self._take_in(pending, report)

    @transaction.atomic
    def _take_in(self, pending: Sequence[Pending], report: ImportReport) -> None:
        hold_files()
        looked_at = self.threads.map(partial(_inspect, self.max_pixels), pending)
        rows = [
            row
            for one, original in zip(pending, looked_at, strict=True)
            if (row := self._row(one, original, report)) is not None
        ]
        _write(rows, report)

    def _sort_out(self, batch: Sequence[Candidate], report: ImportReport) -> list[Pending]:
        """Those of a batch that have to be decoded; the others are counted or reported."""
        usable = [candidate for candidate in batch if candidates.is_usable(candidate, report)]
        digests = list(self.threads.map(_digest, usable))
        there = self._already_there([digest for digest in digests if not isinstance(digest, OSError)])
        pending: dict[str, Pending] = {}
        for candidate, digest in zip(usable, digests, strict=True):
            if isinstance(digest, OSError):
                report.add(Kind.UNREADABLE, candidate.name, str(digest))
            elif digest in pending:
                original = pending[digest].candidate.name
                report.add(Kind.DUPLICATE, candidate.name, f"the same as {original}")
            elif one := self._wanted(candidate, digest, there.get(digest), report):
                pending[digest] = one
        return list(pending.values())

    def _already_there(self, digests: Iterable[str]) -> dict[str, Image]:
        images = Image.objects.filter(project=self.project, digest__in=list(digests))
        return {image.digest: image for image in images}

    def _wanted(
        self, candidate: Candidate, digest: str, image: Image | None, report: ImportReport
    ) -> Pending | None:
        role = self.roles.role_of(digest)
        if image is None:
            return Pending(candidate, digest, role)
        if image.role != role:
            report.add(
                Kind.ROLE_CONFLICT, candidate.name, f"there as {image.role} ({image.name}), not {role}"
            )
        elif not candidate.is_same_as(image):
            report.add(Kind.DUPLICATE, candidate.name, f"the same as {image.name}")
        else:
            report.taken["images already there"] += 1
            if self._lacks_annotations(candidate, image):
                return Pending(candidate, digest, role, image)
        return None

    def _lacks_annotations(self, candidate: Candidate, image: Image) -> bool:
        """Whether the file says more than is known of an image: listing it says what there is, or nothing."""
        if self.index is None or candidate.entry is None:
            return False
        if image.coco_id is None:
            return True
        return bool(self.index.annotations(candidate.entry.id)) and not image.annotations.exists()

    def _row(
        self, one: Pending, original: Original | UnusableImage, report: ImportReport
    ) -> tuple[Image, list[Annotation]] | None:
        """The unsaved image, its file kept, and its unsaved annotations; None if it was reported."""
        entry, name = one.candidate.entry, one.candidate.name
        if isinstance(original, UnusableImage):
            kind = Kind.OVERSIZED if isinstance(original, Oversized) else Kind.UNREADABLE
            report.add(kind, name, str(original))
            return None
        if entry is None or self.index is None:
            return self._image(one, original), []
        if not size_fits(entry, original):
            sizes = f"{original.width} x {original.height}, not {entry.width} x {entry.height}"
            report.add(Kind.SIZE_CONFLICT, name, sizes)
            return None
        listed = self.index.annotations(entry.id)
        annotations = annotations_of(entry, original, listed, categories=self.categories, report=report)
        return self._image(one, original), annotations

    def _image(self, one: Pending, original: Original) -> Image:
        entry = one.candidate.entry
        if one.image:
            one.image.coco_id = entry.id if entry else None
            return one.image
        return Image(
            project=self.project,
            role=one.role,
            name=one.candidate.name,
            path=self._kept(one, original),
            digest=one.digest,
            width=original.width,
            height=original.height,
            coco_id=entry.id if entry else None,
        )

    def _kept(self, one: Pending, original: Original) -> str:
        path = one.candidate.path
        if self.in_place or self.rehearsing:
            return str(path)
        return originals.keep(path, digest=one.digest, suffix=original.suffix)


def _write(rows: Sequence[tuple[Image, list[Annotation]]], report: ImportReport) -> None:
    """Save a batch: its images and their annotations; the caller's transaction makes it all or nothing."""
    new = [image for image, _ in rows if image.pk is None]
    Image.objects.bulk_create(new)
    Image.objects.bulk_update((image for image, _ in rows if image not in new), ["coco_id"])
    outlined: list[Annotation] = []
    for image, drawn in rows:
        for annotation in drawn:
            annotation.image = image
        outlined += drawn
    Annotation.objects.bulk_create(outlined)
    report.taken["images"] += len(new)
    report.taken["annotations"] += len(outlined)


def _digest(candidate: Candidate) -> str | OSError:
    if candidate.fault:
        return OSError(candidate.fault)
    try:
        return originals.digest(candidate.path)
    except OSError as error:
        return error


def _inspect(max_pixels: int, one: Pending) -> Original | UnusableImage:
    try:
        return originals.inspect(one.candidate.path, max_pixels=max_pixels)
    except UnusableImage as error:
        return error
