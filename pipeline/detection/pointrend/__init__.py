"""PointRend as a Detector: detectron2's, extended by configuration and registered heads.

detectron2 is on no package index. It is found where it is installed, or in a checkout that the environment
variable MASKGROVE_DETECTRON2 names; its C++ part is not needed. Importing the modules below raises
ImportError where it is neither.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from importlib.util import find_spec

CHECKOUT = "MASKGROVE_DETECTRON2"
"""Environment variable: the folder of a checkout of detectron2."""


def find_detectron2() -> None:
    """Make detectron2 importable.

    Raises
    ------
    ModuleNotFoundError
        When it is neither installed nor in the checkout.
    """
    checkout = os.environ.get(CHECKOUT, "")
    if checkout and checkout not in sys.path and find_spec("detectron2") is None:
        sys.path.append(checkout)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit.script, which it uses while it is imported
        import detectron2.modeling  # noqa: F401
        from detectron2.projects import point_rend
    # Its heads tell of weights in an older format whenever a state has no version; ours are of today's.
    logging.getLogger(point_rend.mask_head.__name__).setLevel(logging.ERROR)


find_detectron2()
