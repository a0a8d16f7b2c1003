"""Progress in a terminal: readable in a log, a bar on a screen, and Ctrl-C ends work between two pieces."""

from __future__ import annotations

import io
import os
import signal
import threading

import pytest

from annotation_site.catalog.progress import Lines, terminal_progress
from pipeline.progress import StopRequested


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_lines_come_now_and_then_and_at_the_end() -> None:
    out, now = io.StringIO(), iter(range(1000))
    lines = Lines("detect", out, clock=lambda: next(now) / 10)
    for done in range(101):
        lines(done, 100, "Detecting")
    written = out.getvalue().splitlines()
    assert written[0] == "detect: 0 of 100, Detecting"
    assert written[-1] == "detect: 100 of 100, Detecting"
    assert 2 < len(written) < 10


def test_the_same_line_is_not_repeated() -> None:
    out = io.StringIO()
    lines = Lines("cluster", out)
    lines(5, 5, "Done")
    lines(5, 5, "Done")
    assert out.getvalue() == "cluster: 5 of 5, Done\n"


def test_without_a_known_total_none_is_named() -> None:
    out = io.StringIO()
    Lines("import", out)(7, 0)
    assert out.getvalue() == "import: 7\n"


def test_a_stream_that_is_no_terminal_gets_lines() -> None:
    out = io.StringIO()
    with terminal_progress("train", stream=out) as progress:
        progress(1, 2, "loss 0.5")
        progress(2, 2, "loss 0.4")
    assert out.getvalue() == "train: 1 of 2, loss 0.5\ntrain: 2 of 2, loss 0.4\n"


def test_a_terminal_gets_a_bar() -> None:
    out = Screen()
    with terminal_progress("train", stream=out) as progress:
        progress(3, 4, "loss 0.5")
    assert "3/4" in out.getvalue()
    assert "loss 0.5" in out.getvalue()


def test_ctrl_c_ends_the_work_at_its_next_piece() -> None:
    before = signal.getsignal(signal.SIGINT)
    with terminal_progress("train", stream=io.StringIO()) as progress:
        progress(1, 3)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(StopRequested, match="Ctrl-C"):
            progress(2, 3)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_ends_it_at_once() -> None:
    with terminal_progress("train", stream=io.StringIO()):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_outside_the_main_thread_ctrl_c_is_left_alone() -> None:
    seen = []

    def work() -> None:
        with terminal_progress("train", stream=io.StringIO()) as progress:
            progress(1, 1)
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
