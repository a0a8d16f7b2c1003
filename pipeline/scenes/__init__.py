"""Generated scenes: look-alike things on a forest floor, with exact ground truth.

They stand in for photos where none may be shipped: the demo, the tests and the benchmarks learn, detect and
verify them. Everything follows from a seed.
"""

from pipeline.scenes.compose import Scene, SceneOptions, generate
from pipeline.scenes.folder import SceneSet, write_scenes
from pipeline.scenes.shapes import SPECIES, Species

__all__ = ["SPECIES", "Scene", "SceneOptions", "SceneSet", "Species", "generate", "write_scenes"]
