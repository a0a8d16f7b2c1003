"""Zip files of strangers: what they say of themselves is checked before anything is unpacked.

Nothing is written under the names that an archive gives; members are unpacked one by one, under numbers, and
never beyond the size that was checked.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import Path
from typing import IO

from annotation_site.catalog.places import Unfetchable
from annotation_site.preparing.uploads import is_plain

MOST_MEMBERS = 300_000
"""Each takes some memory before it is unpacked; more images come as a folder or a bucket."""
MOST_RATIO = 200
"""Times that a member may be larger than it is packed; photos hardly shrink, JSON by 30."""

UNSUSPICIOUS = 1 << 20
"""Bytes up to which a member may be packed however well."""

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What Python raises for members that are broken, or packed in a way that it does not know."""


class UnsafeArchive(ValueError):
    """An archive that is not unpacked; the message names the member and says why."""


class Archive:
    """A zip file's members, once they are known to be harmless."""

    def __init__(self, name: str, file: IO[bytes], *, limit: int) -> None:
        """Check what the archive lists; `limit` bytes may its members come to.

        Raises
        ------
        UnsafeArchive
        """
        self.name = name
        try:
            self._zip = zipfile.ZipFile(file)
        except DAMAGE as error:
            raise UnsafeArchive(f"{name} is no zip file to be read ({error}): pack it again.") from error
        listed = [info for info in self._zip.infolist() if not info.is_dir()]
        self._check(listed, limit)
        self.members = {info.filename: info for info in listed if not _is_hidden(info.filename)}

    def _check(self, listed: list[zipfile.ZipInfo], limit: int) -> None:
        if len(listed) > MOST_MEMBERS:
            raise UnsafeArchive(f"{self.name} has more than {MOST_MEMBERS:,} files: divide it.")
        total = 0
        for info in listed:
            self._check_member(info)
            total += info.file_size
            if total > limit:
                raise UnsafeArchive(
                    f"{self.name} unpacks to more than {limit / 1e9:,.1f} GB (UPLOAD_LIMIT): divide it."
                )

    def _check_member(self, info: zipfile.ZipInfo) -> None:
        what = f"{self.name} was not unpacked: its member {info.filename!r}"
        if not is_plain(info.filename):
            raise UnsafeArchive(f"{what} leads out of the archive, or has a name that cannot be stored.")
        if info.flag_bits & 0x1:
            raise UnsafeArchive(f"{what} is encrypted: pack it without a password.")
        if info.file_size > max(UNSUSPICIOUS, MOST_RATIO * info.compress_size):
            raise UnsafeArchive(f"{what} grows more than {MOST_RATIO}-fold, as in a zip bomb.")

    def unpack(self, member: str, target: Path) -> None:
        """Write a member to a file.

        Raises
        ------
        Unfetchable
        """
        try:
            with self._zip.open(self.members[member]) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file)
        except DAMAGE as error:
            raise Unfetchable(f"damaged in {self.name} ({error})") from error

    def close(self) -> None:
        """Nothing more is unpacked."""
        self._zip.close()


def _is_hidden(name: str) -> bool:
    """What systems add by themselves."""
    return any((part.startswith(".") and part != ".") or part == "__MACOSX" for part in name.split("/"))
