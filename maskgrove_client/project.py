"""A project: what it is, how far it is, what is in it, and what may be done with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from maskgrove_client.connection import Connection
from maskgrove_client.errors import ApiError
from maskgrove_client.records import (
    Budget,
    Category,
    Dataset,
    Decision,
    Estimate,
    Export,
    Image,
    Import,
    LedgerEntry,
    Mask,
    MaskFacts,
    Node,
    Project,
    Report,
    Round,
    Stage,
    Status,
    Tree,
    Upload,
    Verdict,
    Worker,
    WorkerFacts,
)

Fate = Literal["accepted", "rejected", "replaced", "undecided"]
PIECE = 8 << 20
"""Bytes that are sent at once."""
POLL = 2.0
"""Seconds between two looks at something that is under way."""
ENDED = frozenset({"done", "stopped", "failed"})


class NotDone(Exception):
    """What was waited for ended otherwise; the message says how."""


class ProjectClient:
    """One project. Lists are iterators: they read page after page as far as one asks."""

    def __init__(self, connection: Connection, slug: str) -> None:
        self._connection, self.slug = connection, slug

    def _get(self, path: str = "", **query: Any) -> Any:
        return self._connection.get(self._at(path), **query)

    def _pages(self, path: str, **query: Any) -> Iterator[Any]:
        return self._connection.pages(self._at(path), **query)

    def _send(self, method: str, path: str = "", **body: Any) -> Any:
        return self._connection.send(method, self._at(path), body or None)

    def _at(self, path: str) -> str:
        return f"projects/{self.slug}/{path}".rstrip("/")

    # The project itself

    def read(self) -> Project:
        """Its parameters and state."""
        found: Project = self._get()
        return found

    def update(self, **parameters: Any) -> Project:
        """Change parameters, as `k_a=0.9`. An open round keeps its rules."""
        changed: Project = self._send("PATCH", **parameters)
        return changed

    def open(self) -> Project:
        """Let workers in, after a pause."""
        found: Project = self._send("PUT", "state", state="open")
        return found

    def pause(self) -> Project:
        """Keep workers out; answers under way still count."""
        found: Project = self._send("PUT", "state", state="paused")
        return found

    def status(self) -> Status:
        """How far it is."""
        found: Status = self._get("status")
        return found

    def categories(self) -> Iterator[Category]:
        return self._pages("categories")

    def images(self, *, role: Literal["initial", "heldout", "pool"] | None = None) -> Iterator[Image]:
        return self._pages("images", role=role)

    # Images in

    def imports(self) -> Iterator[Import]:
        return self._pages("imports")

    def import_from(self, place: str, **wish: Any) -> Import:
        """Import a folder of the server, or s3://bucket/prefix, as `role="pool"`; a worker does it."""
        asked: Import = self._send("POST", "imports", place=place, **wish)
        return asked

    def upload(self, files: Iterable[str | Path], **wish: Any) -> Import:
        """Send images, zips of them, and maybe a COCO file; a worker imports them, as `role="pool"`.

        Called again with the same files after a break, it sends what is missing.
        """
        paths = [Path(file) for file in files]
        listed = [{"name": path.name, "size": path.stat().st_size} for path in paths]
        upload: Upload = self._send("POST", "imports/uploads", files=listed, **wish)
        for told, path in zip(upload["files"], paths, strict=True):
            self._send_file(f"imports/{upload['id']}/files/{told['number']}", path, told["received"])
        finished: Import = self._send("POST", f"imports/{upload['id']}/finish")
        return finished

    def _send_file(self, address: str, path: Path, received: int) -> None:
        with path.open("rb") as file:
            file.seek(received)
            while piece := file.read(PIECE):
                self._connection.put(self._at(address), piece, at=received)
                received += len(piece)

    # Rounds and their stages

    def rounds(self) -> Iterator[Round]:
        """The latest first."""
        return self._pages("rounds")

    def start_round(self, **options: Any) -> Round:
        """Begin the next round; `run` carries it on."""
        begun: Round = self._send("POST", "rounds", **options)
        return begun

    def stages(self) -> list[Stage]:
        """Those of the current round, in order."""
        found: list[Stage] = self._get("stages")["results"]
        return found

    def run(self, until: str = "open") -> list[Stage]:
        """Let workers carry the round on, up to a stage."""
        found: list[Stage] = self._send("POST", "stages/run", until=until)["results"]
        return found

    def stop(self) -> list[Stage]:
        """Let workers leave it; what is finished is kept."""
        found: list[Stage] = self._send("DELETE", "stages/run")["results"]
        return found

    # Trees, masks, verdicts

    def trees(self) -> list[Tree]:
        """One a category and round, the latest and largest first."""
        found: list[Tree] = self._get("trees")["results"]
        return found

    def node(self, tree: int, node: int = 0) -> Node:
        """A node of a tree with its decision and what that rests on; 0 is the root."""
        found: Node = self._get(f"trees/{tree}/nodes/{node}")
        return found

    def decisions(self, verdict: Literal["accept", "reject", "split"] | None = None) -> Iterator[Decision]:
        """Those in force, the newest first."""
        return self._pages("decisions", verdict=verdict)

    def masks(
        self,
        *,
        became: Fate | None = None,
        tree: int | None = None,
        image: int | None = None,
        said: str | None = None,
        score_from: float | None = None,
        score_to: float | None = None,
        order: Literal["leaves", "best", "worst"] | None = None,
        limit: int = 200,
    ) -> Iterator[Mask]:
        """Masks by filter, `limit` of them at each request."""
        asked = {"became": became, "tree": tree, "image": image, "said": said, "order": order}
        return self._pages("masks", score_from=score_from, score_to=score_to, limit=limit, **asked)

    def mask(self, mask: int) -> MaskFacts:
        """One mask with its outline, its answers, and why it became what it is."""
        found: MaskFacts = self._get(f"masks/{mask}")
        return found

    def overrule(
        self, tree: int, node: int, verdict: Literal["accept", "reject", "reopen"], *, reason: str
    ) -> Verdict:
        """Accept or reject a node by hand, or have it asked about again."""
        made: Verdict = self._send(
            "POST", f"trees/{tree}/nodes/{node}/verdicts", verdict=verdict, reason=reason
        )
        return made

    def undo(self, verdict: int) -> Verdict:
        """Undo a verdict by hand."""
        undone: Verdict = self._send("DELETE", f"verdicts/{verdict}")
        return undone

    def verdicts(self) -> Iterator[Verdict]:
        return self._pages("verdicts")

    # Money and people

    def budget(self) -> Budget:
        found: Budget = self._get("budget")
        return found

    def set_budget(self, **caps: Any) -> Budget:
        """Set caps and pay, as `questions=5000`, `money="120.00"`."""
        changed: Budget = self._send("PATCH", "budget", **caps)
        return changed

    def ledger(self) -> Iterator[LedgerEntry]:
        return self._pages("ledger")

    def estimate(self, *, anew: bool = False) -> Estimate:
        """What the round will bring and cost, as far as a worker has worked it out; `anew` has it do so."""
        found: Estimate = self._send("POST", "estimate") if anew else self._get("estimate")
        return found

    def workers(self, standing: str | None = None) -> Iterator[Worker]:
        return self._pages("workers", standing=standing)

    def worker(self, worker: int) -> WorkerFacts:
        found: WorkerFacts = self._get(f"workers/{worker}")
        return found

    def invite_worker(self, name: str, **options: Any) -> WorkerFacts:
        """Somebody of your own team; their personal link is in the reply."""
        made: WorkerFacts = self._send("POST", "workers", name=name, **options)
        return made

    def stop_worker(self, worker: int, *, reason: str, **options: Any) -> WorkerFacts:
        found: WorkerFacts = self._send("POST", f"workers/{worker}/stop", reason=reason, **options)
        return found

    def reinstate_worker(self, worker: int, *, reason: str, **options: Any) -> WorkerFacts:
        found: WorkerFacts = self._send("POST", f"workers/{worker}/reinstate", reason=reason, **options)
        return found

    # What comes out

    def exports(self) -> Iterator[Export]:
        return self._pages("exports")

    def export(self, format: str = "coco", **choice: Any) -> Export:
        """Ask for an export; a worker writes it. See `wait_for` and `download`."""
        asked: Export = self._send("POST", "exports", format=format, **choice)
        return asked

    def wait_for(
        self, export: Export, *, sleep: Callable[[float], None] = time.sleep, seconds: float = 3600
    ) -> Export:
        """The export once it is done.

        Raises
        ------
        NotDone
            When it was stopped, failed, or takes longer than `seconds`.
        """
        waited = 0.0
        while (now := self._export(export))["state"] not in ENDED:
            if waited >= seconds:
                raise NotDone(f"After {seconds:.0f} s the export is at {now['done']:,} of {now['total']:,}.")
            sleep(POLL)
            waited += POLL
        if now["state"] != "done":
            raise NotDone(f"The export was {now['state']}. {now['error']}".strip())
        return now

    def download(self, export: Export, target: str | Path) -> Path:
        """The file of an export that is done, checked by its SHA-256."""
        path = self._at(f"exports/{export['id']}/file")
        return self._connection.download(path, Path(target), sha256=export["sha256"])

    def _export(self, export: Export) -> Export:
        found: Export = self._get(f"exports/{export['id']}")
        return found

    def report(self) -> Report:
        """What the project brought and what it cost."""
        found: Report = self._get("report")
        return found

    def dataset(self, *, sleep: Callable[[float], None] = time.sleep) -> Dataset:
        """Figures of the accepted masks beside the initial set; waits until they are counted."""
        while (found := self._get("dataset"))["figures"] is None:
            sleep(0.2)
        counted: Dataset = found["figures"]
        return counted


__all__ = ["ApiError", "NotDone", "ProjectClient"]
