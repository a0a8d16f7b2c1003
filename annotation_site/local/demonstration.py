"""What `manage.py demo` does on a running site, from the first link to the crowd's report."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NoReturn

from django.conf import settings
from django.core.management import call_command
from rich.console import Console

from annotation_site import enqueue
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import ORDER
from annotation_site.local.board import Board
from annotation_site.local.demo import Demo, Scale, add_images, begin, elapsed, folder, has_images
from annotation_site.local.processes import Program, ended
from annotation_site.local.site import Site
from pipeline.progress import Progress

TICK = 0.5
"""Seconds between two looks at the pipeline and at the processes."""


class PipelineFailed(Exception):
    """A stage of the demo's pipeline failed."""


class CrowdFailed(Exception):
    """The simulated crowd did not come to its end."""


class Demonstration:
    """One run of the demo on a site that answers; progress is drawn on the console.

    `began` is when the command started, on the monotonic clock.
    """

    def __init__(self, site: Site, console: Console, scale: Scale, *, began: float) -> None:
        self.site = site
        self.console = console
        self.scale = scale
        self.began = began
        self.demo: Demo = begin(scale)

    @property
    def project(self) -> Project:
        """The demo's project."""
        return self.demo.project

    def introduce(self) -> None:
        """Print who may go where."""
        url = self.site.url
        self.console.print(
            f"\n  Worker   [bold]{url}{self.demo.worker_path}[/bold]"
            f"\n  Admin    [bold]{url}{self.demo.admin_path}[/bold]"
            f"\n           user [bold]demo[/bold], password [bold]{self.demo.password}[/bold]\n",
            soft_wrap=True,
        )

    def prepare(self) -> None:
        """Bring the project to its first question, drawing how far it is.

        Raises
        ------
        PipelineFailed
            When a stage fails.
        """
        with Board(self.console) as board:
            if not has_images(self.project, self.scale):
                self._add_images(board)
            enqueue.run_pipeline(self.project)
            self._follow(board)
        took = elapsed(time.monotonic() - self.began)
        self.console.print(f"The first question waits at the worker's link, {took} after the start.")

    def _add_images(self, board: Board) -> None:
        painting, importing = (self._ticking(board.work(label)) for label in ("Scenes", "Import"))
        add_images(self.project, self.scale, painting=painting, importing=importing)

    def _ticking(self, progress: Progress) -> Progress:
        """A progress that looks after the site as well."""
        tick = every(TICK, self.site.tick)

        def report(done: int, total: int, message: str = "") -> None:
            progress(done, total, message)
            tick()

        return report

    def _follow(self, board: Board) -> None:
        while not self._draw_stages(board):
            self.site.tick()
            time.sleep(TICK)

    def _draw_stages(self, board: Board) -> bool:
        """Draw every stage as its row has it; whether the last one is done."""
        runs = {run.stage: run for run in StageRun.objects.filter(round=current_round(self.project))}
        for stage in ORDER:
            if run := runs.get(stage):
                board.work(stage.label.capitalize())(run.done, run.total, run.message)
                if run.state == StageRun.State.FAILED:
                    raise PipelineFailed(f"{stage.label.capitalize()} failed: {run.error}")
        last = runs.get(ORDER[-1])
        return last is not None and last.state == StageRun.State.DONE

    def stay(self) -> NoReturn:
        """Look after the site until someone ends it."""
        self.console.print("Ctrl-C ends everything; the next start goes on from here.")
        while True:
            self.site.tick()
            time.sleep(1)

    def let_crowd_answer(self, workers: int) -> None:
        """Have simulated workers answer, then write and print what they achieved.

        Raises
        ------
        CrowdFailed
        """
        options = ("--workers", str(workers), "--url", self.site.url)
        command = (
            sys.executable,
            str(settings.BASE_DIR / "manage.py"),
            "simulate_crowd",
            self.project.slug,
            *options,
        )
        crowd = self.site.supervisor.send(Program("The crowd", command, log=None))
        while crowd.poll() is None:
            self.site.tick()
            time.sleep(TICK)
        if crowd.returncode:
            raise CrowdFailed(f"The simulated crowd {ended(crowd.returncode)}.")
        call_command("export", self.project.slug, str(folder() / "annotations.json"))
        call_command("report", self.project.slug, json=folder() / "report.json")
        self.console.print(
            f"Written: {folder() / 'report.json'}, {folder() / 'annotations.json'}", soft_wrap=True
        )


def every(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    """A function that does `act` when it is called, at most once in so many seconds."""
    due = time.monotonic()

    def throttled() -> None:
        nonlocal due
        if time.monotonic() >= due:
            act()
            due = time.monotonic() + seconds

    return throttled
