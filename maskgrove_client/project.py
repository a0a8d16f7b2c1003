"""A project: what it is, how far it is, what is in it, and what may be done with it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from maskgrove_client.errors import ApiError
from maskgrove_client.parts.images import Images
from maskgrove_client.parts.marketplaces import Marketplaces
from maskgrove_client.parts.masks import Masks
from maskgrove_client.parts.money import Money
from maskgrove_client.parts.people import People
from maskgrove_client.parts.predictions import Predictions
from maskgrove_client.parts.results import NotDone, Results
from maskgrove_client.parts.rounds import Rounds
from maskgrove_client.parts.teaching import Teaching
from maskgrove_client.parts.webhooks import Webhooks
from maskgrove_client.parts.workers import Workers
from maskgrove_client.records import Deletion, ForeseenDeletion, Overview, Project, Status


class ProjectClient(
    Images, Rounds, Predictions, Masks, Teaching, Workers, Marketplaces, Money, Results, People, Webhooks
):
    """One project. Lists are iterators: they read page after page as far as one asks."""

    def read(self) -> Project:
        """Its parameters and state."""
        found: Project = self._get()
        return found

    def update(self, **parameters: Any) -> Project:
        """Change parameters, as `k_a=0.9`. An open round keeps its rules.

        `detector_options` are set among those that there are, as records.DetectorOptions; None forgets one.
        """
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

    def archive(self) -> None:
        """Put it away: it is only read from then on, and nobody works on it."""
        self._send("POST", "archive")

    def take_out(self) -> None:
        """Take it out of the archive again, as a draft, or paused where people were asked."""
        self._send("DELETE", "archive")

    def foresee_deletion(self) -> ForeseenDeletion:
        """What deleting it would take and leave, and what stands in the way."""
        found: ForeseenDeletion = self._get("archive")
        return found

    def delete(self, *, name: str, keep_answers: bool = True) -> Deletion:
        """Delete it for good, once it is archived; a worker does it, as `Maskgrove.deletion` tells.

        Parameters
        ----------
        name : the project's, to confirm
        keep_answers : keep the log of all answers with the closing statement
        """
        said = urlencode({"name": name, "keep_answers": keep_answers})
        begun: Deletion = self._connection.send("DELETE", f"{self._at('')}?{said}")
        return begun

    def status(self) -> Status:
        """How far it is."""
        found: Status = self._get("status")
        return found

    def overview(self) -> Overview:
        """Alarms, what was bought and how good it is, the forecast, throughput and gold accuracy."""
        found: Overview = self._get("overview")
        return found


__all__ = ["ApiError", "NotDone", "ProjectClient"]
