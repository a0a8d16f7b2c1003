"""The site's settings with servers of their own for one test run, in a directory that goes with it."""

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

RUNS = Path(tempfile.gettempdir()) / f"maskgrove-tests-{os.getuid()}"


def is_over(run: Path) -> bool:
    """Whether no process of that run is left: the kernel keeps its lock as long as one is."""
    with (run / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def begin() -> Path:
    """A directory for this run; those of runs that were killed are removed."""
    RUNS.mkdir(mode=0o700, exist_ok=True)
    for earlier in RUNS.iterdir():
        if (earlier / "run.lock").exists() and is_over(earlier):
            shutil.rmtree(earlier, ignore_errors=True)
    run = Path(tempfile.mkdtemp(prefix="run-", dir=RUNS))
    lock = (run / "run.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_SH)
    globals()["_lock"] = lock
    atexit.register(end, run, os.getpid())
    return run


def end(run: Path, owner: int) -> None:
    """Stop the servers and remove the directory, in the process that began the run only."""
    if os.getpid() == owner:
        from annotation_site import embedded

        embedded.release(run)
        shutil.rmtree(run, ignore_errors=True)


if "MASKGROVE_TEST_VAR" not in os.environ:  # Processes that xdist starts inherit it.
    os.environ["MASKGROVE_TEST_VAR"] = str(begin())
os.environ["MASKGROVE_VAR"] = os.environ["MASKGROVE_TEST_VAR"]
# Where we are root, servers run by another account must be able to walk through the tests' directories.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", os.environ["MASKGROVE_TEST_VAR"])
os.environ["MASKGROVE_THROWAWAY"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
for outside in ("DATABASE_URL", "REDIS_URL"):
    os.environ.setdefault(outside, "")

from annotation_site.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}  # noqa: F405
ANSWER_SLOT_MS = 0  # Tests of the slots set their own.
REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"answers": None}}  # noqa: F405  # As below.
RATE_LIMITS = dict.fromkeys(RATE_LIMITS, 0)  # noqa: F405  # Tests of limits set their own.
