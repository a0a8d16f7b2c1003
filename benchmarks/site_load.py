"""Many workers answering at once on a large campaign: how long "give me a page" and "record an answer" take.

Seeds a database of its own (kept under --var for the next run), opens the campaign, starts the site as
`manage.py serve` does, and lets simulated people work through the same requests as browsers, photos aside.
They look at the outlines: right masks are discs, wrong ones lack a half. The clients run on the same machine
as the site and Postgres.

    python benchmarks/site_load.py --workers 200 --masks 1310720 --clusters 10240 --json load.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

LIMITS = {"page": 0.150, "answer": 0.050}
"""Seconds that 95 of 100 requests should stay under."""
WARM_UP = 30.0
"""Seconds in which people arrive one after the other, and the servers unpack the trees."""
PAUSE = 0.35
"""Spread of the logarithm of response times."""
IOUS = (0.3, 0.9)
"""Of wrong and right masks."""
SPACING = 128
"""Leaves of a tree for one candidate cluster: half of them are its own, the others have a low score."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--masks", type=int, default=100_000)
    parser.add_argument(
        "--clusters", type=int, default=780, help="open ones at the start, at most masks / 128"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of measuring")
    parser.add_argument("--accuracy", type=float, default=0.95, help="of the people; 0.5 answers at random")
    parser.add_argument("--think", type=float, default=1.4, help="median seconds for a mask; 0 never waits")
    parser.add_argument("--server-workers", type=int, default=5)
    parser.add_argument("--server-threads", type=int, default=4)
    parser.add_argument("--var", type=Path, help="where the database is kept (default: a new one each time)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


# ── the database ─────────────────────────────────────────────────────────────────────────────────


def balanced_merges(n: int) -> np.ndarray:
    """(n - 1, 4) merges that join neighbours; n is a power of two."""
    levels, first, width = [], 0, n
    while width > 1:
        pairs = np.arange(first, first + width).reshape(-1, 2)
        height, size = float(len(levels) + 1), 2 * n // width
        levels.append(np.column_stack([pairs, np.full((len(pairs), 2), [height, size])]))
        first, width = first + width, width // 2
    return np.concatenate(levels)


def seed(masks: int, clusters: int) -> None:
    """A project whose trees hold so many masks and candidate clusters, opened, with gold and workers."""
    from django.db import transaction
    from django.utils import timezone

    from annotation_site.catalog.models import Category, Image, Project, Role
    from annotation_site.people.models import TrustPolicy
    from annotation_site.verification.opening import open_campaign

    with transaction.atomic():
        project = Project.objects.create(name="Load", slug="load", k_pa=0.7)
        round_ = project.rounds.create(number=1)
        images = Image.objects.bulk_create(
            Image(
                project=project,
                role=Role.POOL,
                name=f"{n}.jpg",
                path="",
                digest=str(n),
                width=640,
                height=480,
            )
            for n in range(1000)
        )
        leaves = 2 ** min(17, int(np.log2(max(masks, SPACING))))
        for number in range(max(1, round(masks / leaves))):
            category = Category.objects.create(project=project, coco_id=number + 1, name=f"thing {number}")
            share = min(1.0, clusters / (masks / SPACING))
            plant(round_, category, leaves, images, share, np.random.default_rng(number))
        add_gold(project, images[0])
        open_campaign(project=project, at=timezone.now())
        # These people may answer at random, and without a pause: nobody is to be stopped for it.
        lenient = {"stop_below": 0, "watch_below": 0, "stop_agreeing_below": 0, "watch_agreeing_below": 0}
        TrustPolicy.objects.filter(project=project).update(check_clock=False, **lenient)


def plant(round_, category, leaves: int, images: Sequence, share: float, rng: np.random.Generator) -> None:
    """A tree and its masks, by COPY."""
    from django.db import connection

    from annotation_site.catalog.models import Role, Tree
    from pipeline.dendrogram import Dendrogram

    blocks = np.arange(leaves) // (SPACING // 2)
    asked = (blocks % 2 == 0) & (rng.random(leaves // (SPACING // 2))[blocks] < share)
    scores = np.where(asked, 0.75 + 0.2 * rng.random(blocks[-1] + 1)[blocks], 0.1)
    quality = rng.choice([1.0, 0.95, 0.5, 0.0], blocks[-1] + 1)
    is_right = rng.random(leaves) < quality[blocks]
    outlined = [disc(whole=whole)["counts"] for whole in (False, True)]
    dendrogram = Dendrogram.from_linkage(balanced_merges(leaves), scores)
    tree = Tree.objects.create(
        round=round_, category=category, role=Role.POOL, n=leaves, linkage="complete", seed=1,
        packed=dendrogram.to_bytes(),
    )  # fmt: skip
    columns = (
        "tree_id, position, image_id, x, y, width, height, counts, class_score, predicted_iou, score, iou"
    )
    with connection.cursor() as cursor, cursor.copy(f"COPY catalog_mask ({columns}) FROM STDIN") as copy:
        for place in range(leaves):
            where = (tree.pk, place, images[place % len(images)].pk, 10, 8, 60, 40)
            score, right = float(scores[place]), bool(is_right[place])
            copy.write_row((*where, outlined[right], score, 1.0, score, IOUS[right]))


def add_gold(project, image) -> None:
    from annotation_site.people.models import GoldItem

    GoldItem.objects.bulk_create(
        GoldItem(
            project=project, category=project.categories.first(), image=image, x=10, y=8, width=60, height=40,
            counts=disc(whole=right)["counts"], origin="annotation", source_id=n, iou=IOUS[right],
            is_correct=right,
        )
        for n in range(200) for right in [bool(n % 2)]
    )  # fmt: skip


def disc(*, whole: bool) -> dict:
    """A disc, or what is left of one: an outline of some length, as real masks have."""
    from pipeline import masks

    y, x = np.ogrid[:480, :640]
    return masks.encode((((x - 40) / 30) ** 2 + ((y - 28) / 20) ** 2 < 1) & (whole | (x < 40)))


# ── the people ───────────────────────────────────────────────────────────────────────────────────


@dataclass
class Figures:
    """Seconds by kind of request, within the time of measuring, and what went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"page": [], "verify": [], "answer": []})
    problems: Counter[str] = field(default_factory=Counter)
    measuring: bool = False
    others: float = 0.0

    def note(self, kind: str, began: float) -> None:
        if self.measuring:
            self.seconds[kind].append(time.perf_counter() - began)


@dataclass(frozen=True)
class Person:
    """Somebody who sees which masks are right, most of the time."""

    secret: str
    right: str
    """The outline of the right ones."""
    accuracy: float
    think: float
    rng: np.random.Generator

    def pause(self) -> float:
        """Seconds for one mask."""
        return self.think * float(np.exp(PAUSE * self.rng.standard_normal()))

    def says(self, outline: str) -> str:
        return "yes" if (outline == self.right) == (self.rng.random() < self.accuracy) else "no"


async def work(client, person: Person, figures: Figures) -> None:
    """One person, page after page, until cancelled."""
    from annotation_site.pages.crowd.visitor import HIT

    while True:
        began = time.perf_counter()
        async with client.post(f"/w/{person.secret}/start/", allow_redirects=False) as response:
            await response.read()
        figures.note("page", began)
        if response.status != 302:
            figures.problems[response.headers.get("X-Notice", str(response.status))] += 1
            await asyncio.sleep(1)
            continue
        began = time.perf_counter()
        async with client.get(response.headers["Location"]) as response:
            text = await response.text()
        figures.note("verify", began)
        hit = json.loads(HIT.search(text)[1])
        for item in hit["items"]:
            if item["answer"] is None:
                await asyncio.sleep(person.pause())
                await answer(client, hit, item, person.says(item["outline"]), figures)


async def answer(client, hit: dict, item: dict, says: str, figures: Figures) -> None:
    began = time.perf_counter()
    async with client.post(
        f"{hit['api']}{item['key']}/answer",
        json={"says": says, "elapsed_ms": 1400},
        headers={"Authorization": f"Worker {hit['token']}"},
    ) as response:
        await response.read()
    figures.note("answer", began)
    if response.status != 200:
        figures.problems[f"answer {response.status}"] += 1


def busy() -> float:
    """CPU seconds so far of all processes of this machine that are not this run's: what disturbs it."""
    ticks, ours, rest = os.sysconf("SC_CLK_TCK"), os.getpgid(0), 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                is_ours = int(fields[2]) == ours or b"postgres" in (process / "cmdline").read_bytes()
            except OSError:
                continue  # It has ended meanwhile.
            rest += 0 if is_ours else int(fields[11]) + int(fields[12])
    return rest / ticks


async def crowd(url: str, secrets: Sequence[str], options: argparse.Namespace) -> Figures:
    """Everyone at work: a warm-up in which they come one after the other, then the measuring."""
    import aiohttp

    from pipeline import masks

    figures, right = Figures(), masks.outline(disc(whole=True))
    connections = aiohttp.TCPConnector(limit=0, keepalive_timeout=75)
    async with aiohttp.ClientSession(
        url, connector=connections, cookie_jar=aiohttp.DummyCookieJar()
    ) as client:
        tasks = []
        for number, secret in enumerate(secrets):
            rng = np.random.default_rng(number)
            person = Person(secret, right, options.accuracy, options.think, rng)
            tasks.append(asyncio.create_task(work(client, person, figures)))
            await asyncio.sleep(WARM_UP / len(secrets))
        figures.measuring = True
        before = busy()
        await asyncio.sleep(options.seconds)
        figures.others = (busy() - before) / options.seconds
        figures.measuring = False
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if not isinstance(error, asyncio.CancelledError):
            figures.problems[repr(error)] += 1
    return figures


# ── the run ──────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def serving(options: argparse.Namespace) -> Iterator[str]:
    """The site's address, while it runs."""
    import httpx

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "gunicorn", "annotation_site.wsgi", "--log-level", "warning"]
    # As behind a proxy: a connection for each request, taken by a process that is free.
    words += ["--worker-class", "gthread", "--keep-alive", "0", "--preload", "--no-control-socket"]
    words += ["--worker-connections", str(options.server_threads)]
    words += ["--workers", str(options.server_workers), "--threads", str(options.server_threads)]
    process = subprocess.Popen([*words, "--bind", f"127.0.0.1:{port}"])
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(url, timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def summary(figures: Figures, options: argparse.Namespace) -> dict[str, object]:
    found: dict[str, object] = {
        "workers": options.workers,
        "cores": os.cpu_count(),
        "cores_busy_with_others": round(figures.others, 2),
        "think": options.think,
        "answers_per_second": round(len(figures.seconds["answer"]) / options.seconds, 1),
        "problems": dict(figures.problems),
    }
    for kind, seconds in figures.seconds.items():
        milliseconds = 1000 * np.array(seconds or [np.nan])
        found[kind] = {
            "count": len(seconds),
            **{f"p{q}_ms": round(float(np.percentile(milliseconds, q)), 1) for q in (50, 95, 99)},
        }
    return found


def counts() -> dict[str, int]:
    from annotation_site.catalog.models import Mask
    from annotation_site.verification.models import Cluster, Question

    return {
        "masks": Mask.objects.count(),
        "open_clusters": Cluster.objects.filter(is_open=True).count(),
        "questions": Question.objects.count(),
    }


def main() -> None:
    options = arguments()
    var = options.var or Path(tempfile.mkdtemp(prefix="maskgrove-load-"))
    os.environ.update(MASKGROVE_VAR=str(var), DJANGO_SETTINGS_MODULE="annotation_site.settings")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if options.think == 0:
        os.environ["ANSWER_RATE"] = "0"  # Nobody is that quick: the limit is not what is measured.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import django

    django.setup()
    run(options)


def run(options: argparse.Namespace) -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from annotation_site.catalog.models import Project
    from annotation_site.pages.way import Terms
    from annotation_site.people.members import join
    from annotation_site.people.qualification.consent import agree
    from annotation_site.verification.checking import check_campaign

    call_command("migrate", interactive=False, verbosity=0)
    if not Project.objects.exists():
        began = time.perf_counter()
        seed(options.masks, options.clusters)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        print(f"seeded and opened in {time.perf_counter() - began:.0f} s")
    project = Project.objects.get()
    state = counts()
    people = [join(project=project, provider="load", external_id=str(n)) for n in range(options.workers)]
    terms = Terms.of(project)
    for member in people:  # As people who were there before.
        agree(membership=member, version=terms.version, text=terms.text, language="en", at=timezone.now())
    call_command("collectstatic", interactive=False, verbosity=0)
    with serving(options) as url:
        figures = asyncio.run(crowd(url, [member.secret for member in people], options))
    report({**summary(figures, options), **state}, check_campaign(project), options)


def report(found: dict[str, object], broken: list[str], options: argparse.Namespace) -> None:
    found["invariants_broken"] = broken
    print(f"{'request':>8} {'count':>7} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'limit':>6}")
    for kind in ("page", "verify", "answer"):
        row = found[kind]
        limit = f"{1000 * LIMITS[kind]:.0f}" if kind in LIMITS else ""
        print(
            f"{kind:>8} {row['count']:>7} {row['p50_ms']:>8} {row['p95_ms']:>8} {row['p99_ms']:>8} {limit:>6}"
        )
    print({name: value for name, value in found.items() if not isinstance(value, dict) or name == "problems"})
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
