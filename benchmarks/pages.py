"""How long each page of a project's people takes, on a project of many masks.

Seeds a database of its own (kept under --var for the next run), then asks for every page in this process,
with other arguments each time. Pages are found in the URL configuration, those of the API among them: only
what a page may be asked for (filters, windows) is written here. "first" is the very first request, which
unpacks trees, fills caches and counts what pages share for some seconds; the percentiles are of those after
it. No page's p95 should be above 300 ms.

    python benchmarks/pages.py --masks 10000000 --trees 80 --answers 200000 --json pages.json
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

LIMIT_MS = 300


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=100_000)
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=40, help="for each page, after the first")
    parser.add_argument("--var", type=Path, help="where the database is kept (default: a new one each time)")
    parser.add_argument("--only", help="pages whose name holds this; a route has its arguments in <>")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


Address = Callable[[np.random.Generator], str]
ELSEWHERE = (
    "django-admin", "w/", "enter/", "join/", "arrive/", "crops/", "api/items/", "invitations/", "login",
    "logout", "account", "static", "api/schema", "api/docs", "readyz",
)  # fmt: skip
"""How routes begin that are no pages of a project's people, or are the same whatever the project's size."""


def pages() -> dict[str, Address]:
    """Name -> what gives an address with arguments of its own each time."""
    some = Samples()
    return {**found(some), **asked_for(some)}


class Samples:
    """Arguments that routes may have, drawn from what is in the database."""

    def __init__(self) -> None:
        from annotation_site.catalog.models import Image, Mask, Project, Tree
        from annotation_site.verification.models import Cluster, Decision

        self.root = f"/projects/{Project.objects.get().slug}/"
        self.trees = list(Tree.objects.order_by("-n").values_list("pk", "n"))
        self.clusters = list(Cluster.objects.values_list("tree", "node")[:5000])
        self.images = list(Image.objects.filter(role="pool").order_by("pk")[:5000])
        self.decisions = list(Decision.objects.values_list("pk", flat=True)[:5000])
        keys = Mask.objects.order_by("pk").values_list("pk", flat=True)
        self.masks = (int(keys.first()), int(keys.last()))

    def tree(self, rng: np.random.Generator) -> tuple[int, int]:
        """Primary key and leaves."""
        return self.trees[int(rng.integers(len(self.trees)))]

    def node(self, rng: np.random.Generator) -> tuple[int, int]:
        """Tree and node: every other one is a cluster."""
        if rng.random() < 0.5:
            return self.clusters[int(rng.integers(len(self.clusters)))]
        pk, n = self.tree(rng)
        return pk, int(rng.integers(2 * n - 1))

    def mask(self, rng: np.random.Generator) -> int:
        return int(rng.integers(*self.masks))

    def image(self, rng: np.random.Generator) -> Any:
        return self.images[int(rng.integers(len(self.images)))]

    def arguments(self, route: str, names: Iterable[str], rng: np.random.Generator) -> dict[str, Any]:
        """A value for each argument of a route.

        Raises
        ------
        KeyError
            Where nothing tells what an argument is of.
        """
        tree, node = self.node(rng)
        known = {"slug": self.root.split("/")[2], "tree": tree, "node": node, "chart": "sizes"}
        return {name: known[name] if name in known else self._key(route, name, rng) for name in names}

    def _key(self, route: str, name: str, rng: np.random.Generator) -> Any:
        """A primary key, of what the argument or the folder before it is called."""
        folder = route.partition(f":{name}>")[0].rpartition("/")[0].rpartition("/")[2]
        of = folder.rstrip("s") if name == "pk" else name
        if of == "decision":
            return self.decisions[int(rng.integers(len(self.decisions)))]
        if of in ("mask", "image"):
            return self.mask(rng) if of == "mask" else self.image(rng).pk
        return first_of(of)


def first_of(name: str) -> Any:
    """The primary key of the first row of what is called so.

    Raises
    ------
    KeyError
    """
    from annotation_site.catalog.models import Category, Round, StageRun
    from annotation_site.people.models import Membership
    from annotation_site.verification.models import Judgment, Overruling, Question

    people = dict.fromkeys(("team", "worker", "member", "membership"), Membership)
    facts = {"judgment": Judgment, "answer": Judgment, "question": Question, "verdict": Overruling}
    rows = {**people, **facts, "category": Category, "round": Round, "stage": StageRun}
    if name == "number":
        return 1
    return rows[name].objects.order_by("pk").values_list("pk", flat=True).first()


def found(some: Samples) -> dict[str, Address]:
    """Every page of the URL configuration, by its route; those without a project come first."""
    from django.urls import get_resolver

    own, names = "projects/<slug:slug>/", {}
    for route, pattern in routes(get_resolver().url_patterns):
        arguments = tuple(pattern.pattern.converters)
        try:
            some.arguments(route, arguments, np.random.default_rng(0))
        except KeyError as unknown:
            print(f"not measured: {route} (what is {unknown}?)", flush=True)
            continue
        names[route.replace(own, "", 1) or "overview"] = partial(filled, some, route, arguments)
    return names


def routes(patterns: Iterable[Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Route -> pattern, of all that may be pages."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern.url_patterns, route)
        elif not route.startswith(ELSEWHERE) and "<path:" not in route and "(?P" not in route:
            yield route, pattern


def filled(some: Samples, route: str, names: Sequence[str], rng: np.random.Generator) -> str:
    """A route with arguments in it."""
    for name, value in some.arguments(route, names, rng).items():
        route = re.sub(rf"<(\w+:)?{name}>", str(value), route)
    return f"/{route}"


def asked_for(some: Samples) -> dict[str, Address]:
    """What pages may be asked for besides: filters, windows, later pages."""
    largest, tree, worker = some.trees[0][0], some.tree, first_of("worker")

    def window(rng: np.random.Generator) -> str:
        pk, n = some.trees[0] if rng.random() < 0.5 else tree(rng)
        width = int(n * rng.random() ** 3) + 1
        lo, top = int(rng.integers(0, n - width + 1)), int(rng.integers(0, 12)) if width < n / 10 else 0
        least = max(1, width // 1200)
        return f"trees/{pk}/visible.json?lo={lo}&hi={lo + width}&top={top}&rows=26&least={least}"

    def further(rng: np.random.Generator) -> str:
        pk, n = tree(rng)
        return f"masks/?after={pk}.0_{int(rng.integers(n))}"

    inside: dict[str, Address] = {
        "largest tree": lambda _: f"trees/{largest}/",
        "node's panel": lambda rng: "trees/{}/{}/?part=node".format(*some.node(rng)),
        "window of a tree": window,
        "two nodes": lambda rng: f"compare/?a={tree(rng)[0]}-0&b={tree(rng)[0]}-1",
        "masks, a later page": further,
        "masks of a category": lambda rng: f"masks/?tree={tree(rng)[0]}&low=0.8&fate=accepted",
        "largest, by score": lambda rng: f"masks/?tree={largest}&order=worst&low={rng.random() / 2:.2f}",
        "refused in a category": lambda rng: f"masks/?said=refused&tree={tree(rng)[0]}",
        "refused anywhere": lambda _: "masks/?said=refused",
        "disagreed anywhere": lambda _: "masks/?said=disagree",
        "by hand anywhere": lambda _: "masks/?said=hand",
        "masks of an image": lambda rng: f"masks/?image={some.image(rng).name}",
        "workers by gold": lambda _: "workers/?sort=-gold",
        "answers others contradict": lambda _: f"workers/{worker}/?which=disagreed",
        "decisions, accepted": lambda _: "decisions/?verdict=accept",
    }
    return {name: within(some.root, at) for name, at in inside.items()}


def within(root: str, address: Address) -> Address:
    """The address below the project's own."""
    return lambda rng: root + address(rng)


def measure(address: Address, requests: int) -> dict[str, float] | None:
    """Milliseconds of a page; None for what is no page to look at."""
    from django.contrib.auth.models import User
    from django.test import Client

    client, rng, taken = Client(), np.random.default_rng(0), []
    client.handler = timed_handler()
    client.force_login(User.objects.get(username="admin"))
    for _ in range(requests + 1):
        where = address(rng)
        response = client.get(where)
        if response.status_code in (400, 401, 403, 404, 405, 409):
            return None
        if response.status_code not in (200, 302):
            raise SystemExit(f"{where} answered {response.status_code}.")
        taken.append(1000 * client.handler.took)
    later = np.array(taken[1:])
    shown = {"p50": np.median(later), "p95": np.percentile(later, 95), "max": later.max()}
    return {"first": taken[0], **{name: float(ms) for name, ms in shown.items()}}


def timed_handler() -> Any:
    """Takes the time until a page is there to be sent; what the site does after that keeps nobody waiting."""
    from django.test.client import ClientHandler

    class Timed(ClientHandler):
        took = 0.0

        def get_response(self, request: Any) -> Any:
            began = time.perf_counter()
            response = super().get_response(request)
            self.took = time.perf_counter() - began
            return response

    return Timed(enforce_csrf_checks=False)


def main() -> None:
    options = arguments()
    var = options.var or Path(tempfile.mkdtemp(prefix="maskgrove-pages-"))
    os.environ.update(MASKGROVE_VAR=str(var), DJANGO_SETTINGS_MODULE="annotation_site.settings")
    os.environ.update(ALLOWED_HOSTS="testserver", API_LIMIT="0")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import django
    from django.conf import settings

    django.setup()
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("whitenoise")]
    import annotation_site.wsgi  # noqa: F401  # As the site begins: its memory is laid out alike.

    logging.getLogger("django.request").setLevel(logging.ERROR)  # 404 and 405 are no pages to look at.
    run(options, var)


def run(options: argparse.Namespace, var: Path) -> None:
    from django.core.management import call_command

    from annotation_site.catalog.models import Mask, Project, Tree
    from annotation_site.verification.models import Cluster, Decision, Judgment
    from benchmarks.seeds import many_masks

    call_command("migrate", interactive=False, verbosity=0)
    if not Project.objects.exists():
        began = time.perf_counter()
        many_masks.seed(
            masks=options.masks, trees=options.trees, answers=options.answers, photo=photo_in(var)
        )
        vacuum()
        print(f"seeded in {time.perf_counter() - began:.0f} s", flush=True)
    models = (Tree, Mask, Cluster, Decision, Judgment)
    counted = {model.__name__.lower(): model.objects.count() for model in models}
    print(", ".join(f"{n:,} {name}s" for name, n in counted.items()), flush=True)
    wanted = {name: at for name, at in pages().items() if not options.only or options.only in name}
    found = {}
    print(f"{'page':<44}" + "".join(f"{head + ' ms':>11}" for head in ("first", "p50", "p95", "max")))
    for name, address in wanted.items():
        row = measure(address, options.requests)
        if row is not None:
            found[name] = row
            print(f"{name:<44}" + "".join(f"{ms:>11.1f}" for ms in row.values()) + late(row), flush=True)
    slow = [name for name, row in found.items() if row["p95"] > LIMIT_MS]
    print(f"p95 above {LIMIT_MS} ms: {', '.join(slow) or 'none'}")
    if options.json:
        told = {"counts": counted, "limit_ms": LIMIT_MS, "pages": found}
        options.json.write_text(json.dumps(told, indent=1))


def late(row: dict[str, float]) -> str:
    return "  above the limit" if row["p95"] > LIMIT_MS else ""


def photo_in(var: Path) -> Path:
    """The photo that all images show."""
    from PIL import Image

    path = var / "photo.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((640, 480)).save(path)
    return path


def vacuum() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    main()
