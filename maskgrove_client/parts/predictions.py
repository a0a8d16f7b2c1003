"""The model's predictions: those of another model in their place, and the threshold of what is asked."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from maskgrove_client.parts.scope import ProjectScope
from maskgrove_client.records import Offered


class Predictions(ProjectScope):
    def upload_predictions(
        self,
        results: str | Path,
        *,
        features: str | Path | None = None,
        images: str | Path | None = None,
        computed_by: str = "auto",
        replace: bool = False,
    ) -> Offered:
        """Have workers take in another model's predictions, cluster them and calibrate.

        Parameters
        ----------
        results : COCO results
        features : a .npy whose row i belongs to entry i; without, they are computed from the images
        images : a COCO file that says which file names the image ids mean
        computed_by : what computes the features
        replace : in the place of the round's predictions and of all that rests on them
        """
        named = {"results": results, "features": features, "images": images}
        said = {"computed_by": computed_by, "replace": str(replace).lower()}
        with ExitStack() as opened:
            files = {
                what: (Path(path).name, opened.enter_context(Path(path).open("rb")))
                for what, path in named.items()
                if path is not None
            }
            told = self._connection.send_files(self._at("predictions"), files, said)
        offered: Offered = told["offered"]
        return offered

    def offered_predictions(self) -> Offered | None:
        """What was uploaded and waits to be taken in."""
        found: Offered | None = self._get("predictions")["offered"]
        return found

    def withdraw_predictions(self) -> None:
        """Forget what was uploaded and not taken in yet; workers leave the round."""
        self._send("DELETE", "predictions")
