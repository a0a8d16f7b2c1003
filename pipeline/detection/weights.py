"""Loading weights into networks whose heads may be of another size."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def load_fitting(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load what is of the same size; what depends on the number of categories may not be."""
    own = network.state_dict()
    fitting = {name: value for name, value in state.items() if own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
