"""A Maskgrove site, as one of its people sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from maskgrove_client.connection import Connection
from maskgrove_client.parts.system import MachineRoom
from maskgrove_client.project import ProjectClient
from maskgrove_client.records import Deletion, Me, Project, StatementLine


class Maskgrove(MachineRoom):
    """The site at an address, for the person of a token; see `Connection` for the options."""

    def __init__(self, url: str, token: str, **options: Any) -> None:
        self._connection = Connection(url, token, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def me(self) -> Me:
        """Who the token stands for, and what it is good for."""
        found: Me = self._connection.get("me")
        return found

    def projects(self, *, archived: bool = False) -> Iterator[Project]:
        """The projects that the token reaches, the newest first: those in use, or those archived."""
        return self._connection.pages("projects", archived=archived)

    def project(self, slug: str) -> ProjectClient:
        """One of them; nothing is asked yet."""
        return ProjectClient(self._connection, slug)

    def deletions(self) -> Iterator[Deletion]:
        """The projects that were deleted, or are being, the latest first."""
        return self._connection.pages("deletions")

    def deletion(self, deletion: int) -> Deletion:
        """How far one is, and its closing statement in sum."""
        found: Deletion = self._connection.get(f"deletions/{deletion}")
        return found

    def stop_deletion(self, deletion: int) -> Deletion:
        """Let whoever is at one end after the batch at hand; what is gone stays gone."""
        found: Deletion = self._connection.send("POST", f"deletions/{deletion}/stop")
        return found

    def go_on_with_deletion(self, deletion: int) -> Deletion:
        """Go on with one that was stopped or failed."""
        found: Deletion = self._connection.send("POST", f"deletions/{deletion}/go-on")
        return found

    def download_answers(self, deletion: int, target: str | Path) -> Path:
        """The answer log that was kept of one, as CSV."""
        return self._connection.download(f"deletions/{deletion}/answers", Path(target))

    def statement(self, deletion: int) -> Iterator[StatementLine]:
        """What was paid to whom."""
        return self._connection.pages(f"deletions/{deletion}/statement")

    def create_project(
        self, name: str, categories: Sequence[str | dict[str, Any]], **parameters: Any
    ) -> ProjectClient:
        """Make a project, which the token's person owns.

        Parameters
        ----------
        categories : names, or {"id", "name", "supercategory"} as in COCO
        parameters : as `ProjectClient.update` takes them; those left out are the paper's
        """
        listed = [{"name": one} if isinstance(one, str) else one for one in categories]
        made: Project = self._connection.send(
            "POST", "projects", {"name": name, "categories": listed, **parameters}
        )
        return ProjectClient(self._connection, made["slug"])
