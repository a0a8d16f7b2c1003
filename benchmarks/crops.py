"""Time of one core for a worker's crop: cold from originals of 12 megapixels, warm from the disk.

    .venv/bin/python benchmarks/crops.py [--photos 4] [--crops 25] [--json FILE]

The rival is the plain way to do it: decode the whole photo, turn it, cut, scale with Lanczos, encode.
"""

# ruff: noqa: E402 - Django is set up before its models are imported.
from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from time import process_time

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation_site.settings")
os.environ["MASKGROVE_VAR"] = tempfile.mkdtemp(prefix="maskgrove-bench-")

import django

django.setup()

from PIL import ExifTags, Image, ImageOps
from rich.console import Console
from rich.table import Table

from annotation_site.catalog import framing, photos
from annotation_site.catalog.framing import Frame
from annotation_site.catalog.kept_photos import kept
from annotation_site.catalog.models import Image as Photo
from annotation_site.pages import crops
from pipeline.scenes import SceneOptions, generate

WIDTH, HEIGHT = 4000, 3000
OBJECTS = {"150 px": 150, "400 px": 400, "900 px": 900, "2000 px": 2000}


def photographs(folder: Path, count: int, rng: np.random.Generator) -> list[Photo]:
    """Photos of a phone held upright: noisy, 12 megapixels, turned by EXIF."""
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    made = []
    for number in range(count):
        scene = Image.fromarray(generate(SceneOptions(height=300, width=400), rng).image)
        pixels = np.asarray(scene.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = (pixels + rng.integers(-8, 8, pixels.shape, dtype=np.int16)).clip(0, 255).astype(np.uint8)
        path = folder / f"{number}.jpg"
        Image.fromarray(noisy).save(path, quality=90, exif=turned)
        made.append(Photo(path=str(path), width=HEIGHT, height=WIDTH))
    return made


def plainly(photo: Photo, frame: Frame, *, longest: int) -> bytes:
    """The rival."""
    with Image.open(photo.path) as image:
        upright = ImageOps.exif_transpose(image.convert("RGB"))
        part = upright.crop((frame.x, frame.y, frame.x + frame.width, frame.y + frame.height))
        written = BytesIO()
        part.resize(frame.fitted(longest), Image.Resampling.LANCZOS).save(written, "JPEG", quality=88)
        return written.getvalue()


def times(act: Callable[[Photo, Frame], object], cases: list[tuple[Photo, Frame]]) -> tuple[float, float]:
    """Median and 95th percentile, in milliseconds."""
    taken = []
    for case in cases:
        begun = process_time()
        act(*case)
        taken.append((process_time() - begun) * 1000)
    return float(np.median(taken)), float(np.percentile(taken, 95))


def warm(content: bytes, count: int) -> tuple[float, float]:
    """Median and 95th percentile of a crop that is kept already, in milliseconds."""
    kept("bench.jpg", lambda: content)
    taken = []
    for _ in range(count):
        begun = process_time()
        kept("bench.jpg", lambda: b"")
        taken.append((process_time() - begun) * 1000)
    return float(np.median(taken)), float(np.percentile(taken, 95))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=int, default=4)
    parser.add_argument("--crops", type=int, default=25)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    table = Table(
        "object", "median", "p95", "plainly, p95", "ratio", title="A cold crop of 12 megapixels, ms"
    )
    with tempfile.TemporaryDirectory() as folder:
        originals = photographs(Path(folder), options.photos, rng)
        for name, side in OBJECTS.items():
            cases = [_case(originals, side, rng) for _ in range(options.crops)]
            own = times(lambda photo, frame: photos.render(photo, frame, longest=crops.CROP_SIDE), cases)
            rival = times(lambda photo, frame: plainly(photo, frame, longest=crops.CROP_SIDE), cases)
            rows.append({"object": name, "ms": own, "plainly_ms": rival})
            table.add_row(name, *(f"{t:.0f}" for t in (*own, rival[1])), f"{rival[1] / own[1]:.1f}x")
        content = photos.render(*cases[0], longest=crops.CROP_SIDE)
    console = Console()
    console.print(table)
    from_disk = warm(content, 500)
    console.print("Warm, from the disk: median {:.2f} ms, p95 {:.2f} ms".format(*from_disk))
    if options.json:  # Each time: median and 95th percentile.
        options.json.write_text(json.dumps({"cold": rows, "warm_ms": from_disk}, indent=1))


def _case(originals: list[Photo], side: int, rng: np.random.Generator) -> tuple[Photo, Frame]:
    photo = originals[int(rng.integers(len(originals)))]
    x, y = (float(rng.integers(0, limit - side)) for limit in (photo.width, photo.height))
    return photo, framing.around((x, y, side, 0.8 * side), width=photo.width, height=photo.height)


if __name__ == "__main__":
    main()
