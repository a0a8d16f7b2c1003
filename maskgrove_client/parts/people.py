"""Who runs the project, and who changed what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import Entry, Invitation, Person

Access = Literal["viewer", "admin", "owner"]


class People(ProjectScope):
    def people(self) -> Iterator[Person]:
        return self._pages("people")

    def set_access(self, person: int, access: Access) -> Person:
        changed: Person = self._send("PATCH", f"people/{person}", access=access)
        return changed

    def remove_person(self, person: int) -> None:
        self._send("DELETE", f"people/{person}")

    def invitations(self) -> Iterator[Invitation]:
        """Those that wait, with their links."""
        return self._pages("invitations")

    def invite(self, email: str, access: Access) -> Invitation:
        """Send them the link in the reply."""
        made: Invitation = self._send("POST", "invitations", email=email, access=access)
        return made

    def revoke_invitation(self, invitation: int) -> None:
        self._send("DELETE", f"invitations/{invitation}")

    def history(self, *, who: str | None = None, what: str | None = None) -> Iterator[Entry]:
        """Who changed what, the newest first; `what` as "budget.Budget"."""
        return self._pages("history", who=who, what=what)
