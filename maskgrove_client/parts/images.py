"""Images: those that there are, and how more come in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import Image, Import, Upload

PIECE = 8 << 20
"""Bytes that are sent at once."""


class Images(ProjectScope):
    def images(self, *, role: Literal["initial", "heldout", "pool"] | None = None) -> Iterator[Image]:
        return self._pages("images", role=role)

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
