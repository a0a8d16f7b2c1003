"""The device, precision and threads that a network runs with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch

from pipeline.detection.options import Hardware, InvalidOption, available_cpus


@dataclass(frozen=True, slots=True)
class Machine:
    """Hardware with every choice made.

    Attributes
    ----------
    device : where the network runs
    mixed : whether it runs in half precision where that is safe
    threads : of the network on the CPU
    loaders : threads that prepare images and encode masks
    """

    device: torch.device
    mixed: bool
    threads: int
    loaders: int

    @classmethod
    def choose(cls, hardware: Hardware) -> Machine:
        """Make the choices that were left open.

        Raises
        ------
        InvalidOption
            When the device asked for does not exist here.
        """
        device = _device(hardware.device)
        on_gpu = device.type != "cpu"
        return cls(
            device=device,
            mixed=device.type == "cuda" if hardware.mixed_precision is None else hardware.mixed_precision,
            threads=hardware.threads or available_cpus(),
            loaders=hardware.loaders or (min(4, available_cpus()) if on_gpu else 1),
        )

    def autocast(self) -> AbstractContextManager[None]:
        """Half precision where it is safe: float16 on a GPU, bfloat16 on a CPU."""
        kind = torch.float16 if self.device.type == "cuda" else torch.bfloat16
        return torch.autocast(self.device.type, dtype=kind, enabled=self.mixed)

    @contextmanager
    def threads_set(self) -> Iterator[None]:
        """Run the body with this many CPU threads, then as many as before."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InvalidOption(f"device {wanted!r} cannot be used here ({error}): try auto or cpu.") from error
    return device
