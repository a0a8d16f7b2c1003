"""The mask-IoU head, the features, and regions that are no background."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="pip install 'maskgrove[vision]'")

from pipeline.detection.architectures import FULL, SMALL, Network, build  # noqa: E402
from pipeline.detection.background import near_ignored  # noqa: E402
from pipeline.detection.features import MaskFeatures, gaussian_projection  # noqa: E402
from pipeline.detection.mask_iou import MaskIoUHead, relaxed_iou  # noqa: E402
from pipeline.detection.roi_heads import _some_of  # noqa: E402


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return build(SMALL, classes=3, body="resnet10")


def target(
    *, boxes: list[list[float]], ignored: list[list[float]], side: int = 64
) -> dict[str, torch.Tensor]:
    shapes = torch.zeros((len(boxes), side, side), dtype=torch.uint8)
    for shape, (x0, y0, x1, y1) in zip(shapes, boxes, strict=True):
        shape[int(y0) : int(y1), int(x0) : int(x1)] = 1
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.ones(len(boxes), dtype=torch.int64),
        "masks": shapes,
        "ignored": torch.tensor(ignored, dtype=torch.float32).reshape(-1, 4),
        "sparse": torch.tensor(False),
        "overlap": torch.tensor(0.5),
    }


def test_relaxed_iou_of_sharp_masks_is_their_iou() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.random((5, 28, 28)) < 0.5, rng.random((5, 28, 28)) < 0.4
    expected = (one & two).sum((1, 2)) / (one | two).sum((1, 2))
    found = relaxed_iou(torch.from_numpy(one).float(), torch.from_numpy(two).float())
    assert np.allclose(found.numpy(), expected)


def test_relaxed_iou_is_one_for_the_same_and_falls_with_doubt() -> None:
    truth = torch.zeros((1, 28, 28))
    truth[:, 7:21, 7:21] = 1
    sure, unsure = relaxed_iou(truth, truth), relaxed_iou(truth * 0.6, truth)
    assert sure.item() == pytest.approx(1)
    assert unsure.item() == pytest.approx(0.6)
    assert relaxed_iou(truth * 0, truth * 0).item() == 0


@pytest.mark.parametrize(("width", "hidden"), [(48, 256), (256, 1024)])
def test_the_iou_head_has_the_papers_layers(width: int, hidden: int) -> None:
    head = MaskIoUHead(channels=width, width=width, hidden=hidden)
    assert [tuple(layer.stride) for layer in head.convolutions] == [(1, 1), (1, 1), (1, 1), (2, 2)]
    assert head.convolutions[0].in_channels == width + 1
    ious, features = head(torch.rand(3, width, 14, 14), torch.rand(3, 28, 28))
    assert ious.shape == (3,)
    assert features.shape == (3, hidden)


def test_the_iou_head_does_not_bend_what_it_judges() -> None:
    head = MaskIoUHead(channels=8, width=8, hidden=16)
    regions, masks = (torch.rand(shape, requires_grad=True) for shape in ((2, 8, 14, 14), (2, 28, 28)))
    head(regions, masks)[0].sum().backward()
    assert regions.grad is None
    assert masks.grad is None
    assert head.fc1.weight.grad is not None


def test_the_iou_head_learns_to_judge() -> None:
    torch.manual_seed(0)
    head = MaskIoUHead(channels=4, width=16, hidden=32)
    optimizer = torch.optim.Adam(head.parameters(), lr=3e-3)
    truth = torch.zeros((64, 28, 28))
    truth[:, 4:24, 4:24] = 1
    reach = torch.linspace(4, 24, 64)
    masks = truth * (torch.arange(28)[None, None, :] < reach[:, None, None])
    regions = torch.nn.functional.avg_pool2d(truth[:, None], 2).expand(-1, 4, -1, -1)
    goal = relaxed_iou(masks, truth)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(head(regions, masks)[0], goal).backward()
        optimizer.step()
    found = head(regions, masks)[0].detach()
    assert np.corrcoef(found.numpy(), goal.numpy())[0, 1] > 0.9


def test_projections_are_fixed_by_their_seed_and_keep_lengths() -> None:
    one, again, other = (gaussian_projection(900, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    vectors = torch.randn(200, 900)
    ratio = (vectors @ one).norm(dim=1) / vectors.norm(dim=1)
    assert ratio.mean().item() == pytest.approx(1, abs=0.02)
    assert ratio.std().item() < 0.06


def test_features_have_the_papers_meaning() -> None:
    describe = MaskFeatures(channels=4, seed=0)
    regions, judged = torch.rand(2, 4, 14, 14), torch.rand(2, 64)
    full, none = torch.ones(2, 28, 28), torch.zeros(2, 28, 28)
    kinds = ("mask", "backbone", "mask_iou", "attention")
    found, empty = (describe(regions, masks, judged, kinds) for masks in (full, none))
    assert {kind: tuple(rows.shape) for kind, rows in found.items()} == {
        "mask": (2, 512),
        "backbone": (2, 512),
        "mask_iou": (2, 64),
        "attention": (2, 512),
    }
    assert torch.allclose(found["attention"], found["backbone"], atol=1e-5)  # all of the region counts
    assert torch.equal(empty["attention"], torch.zeros(2, 512))  # none of it does
    assert torch.equal(found["backbone"], empty["backbone"])
    assert torch.equal(found["mask_iou"], judged)


def test_projections_are_stored_with_the_model(network: Network) -> None:
    assert {"roi_heads.describe.on_mask", "roi_heads.describe.on_region"} <= set(network.state_dict())


def test_the_full_size_has_the_papers_sizes() -> None:
    full = build(FULL, classes=80, body="resnet50-frozen")
    assert full.roi_heads.judge.fc1.in_features == 256 * 7 * 7
    assert full.roi_heads.judge.iou.in_features == 1024
    assert full.roi_heads.describe.on_region.shape == (256 * 7 * 7, 512)
    assert not full.backbone.body.layer1[0].conv1.weight.requires_grad
    assert full.backbone.body.layer2[0].conv1.weight.requires_grad


def test_losses_reach_every_part_that_learns(network: Network) -> None:
    network.train()
    images = [torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8) for _ in range(2)]
    targets = [target(boxes=[[8, 8, 40, 44]], ignored=[]), target(boxes=[[20, 10, 60, 50]], ignored=[])]
    losses = network(images, targets)
    assert set(losses) == {"proposal", "proposal_box", "class", "box", "mask", "mask_iou"}
    network.zero_grad()
    sum(losses.values()).backward()
    still = [name for name, value in network.named_parameters() if value.requires_grad and value.grad is None]
    assert still == []


def test_an_image_without_objects_is_learnt_as_background(network: Network) -> None:
    network.train()
    losses = network([torch.zeros((3, 64, 64), dtype=torch.uint8)], [target(boxes=[], ignored=[])])
    assert losses["mask"].item() == losses["mask_iou"].item() == losses["box"].item() == 0
    assert losses["class"].item() > 0
    sum(losses.values()).backward()


def test_an_image_that_is_ignored_altogether_teaches_nothing(network: Network) -> None:
    network.train()
    wide = [[-200.0, -200.0, 264.0, 264.0]]  # anchors reach beyond the image
    losses = network([torch.zeros((3, 64, 64), dtype=torch.uint8)], [target(boxes=[], ignored=wide)])
    assert [loss.item() for loss in losses.values()] == [0] * 6
    sum(losses.values()).backward()


def test_proposals_within_an_ignored_box_are_known_by_their_share() -> None:
    proposals = torch.tensor(
        [[0, 0, 10, 10], [5, 0, 15, 10], [6, 0, 16, 10], [30, 30, 40, 40]], dtype=torch.float32
    )
    ignored = torch.tensor([[0, 0, 10, 10]], dtype=torch.float32)
    assert near_ignored(proposals, ignored, overlap=0.5).tolist() == [True, True, False, False]
    assert near_ignored(proposals, ignored, overlap=0.9).tolist() == [True, False, False, False]
    assert near_ignored(proposals, torch.zeros((0, 4)), overlap=0.5).tolist() == [False] * 4


def test_an_ignored_region_does_not_hide_an_object_in_it(network: Network) -> None:
    heads = network.roi_heads.train()
    goal = target(boxes=[[8, 8, 40, 40]], ignored=[[0, 0, 64, 64]])
    proposals = [torch.tensor([[9, 9, 41, 41], [44, 44, 60, 60]], dtype=torch.float32)]
    kept, _, labels, _ = heads.select_training_samples(proposals, [goal])
    assert (labels[0] == 1).all()
    assert [44, 44, 60, 60] not in kept[0].tolist()


def test_predictions_hold_all_that_is_needed(network: Network) -> None:
    network.eval()
    network.roi_heads.kinds = ("attention",)
    network.roi_heads.score_thresh = 0.0
    with torch.inference_mode():
        (found,) = network([torch.randint(0, 256, (3, 64, 80), dtype=torch.uint8)])
    count = len(found["boxes"])
    assert count > 0
    assert found["masks"].shape == (count, 28, 28)
    assert found["attention"].shape == (count, 512)
    assert ((found["ious"] >= 0) & (found["ious"] <= 1)).all()
    assert (found["boxes"] >= 0).all()
    assert (found["boxes"][:, 2] <= 80).all()


def test_nothing_found_is_no_error(network: Network) -> None:
    network.eval()
    network.roi_heads.score_thresh = 2.0
    with torch.inference_mode():
        first, second = network([torch.zeros((3, 64, 64), dtype=torch.uint8)] * 2)
    network.roi_heads.score_thresh = 0.05
    assert len(first["boxes"]) == len(second["masks"]) == 0


def test_an_object_gets_one_class_where_that_is_asked_for(network: Network) -> None:
    heads = network.roi_heads
    boxes = [torch.tensor([[0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40]], dtype=torch.float32)]
    scores, labels = [torch.tensor([0.6, 0.9, 0.3])], [torch.tensor([1, 2, 1])]
    assert heads.one_class_a_box
    kept = heads._distinct(boxes, scores, labels)
    assert [part[0].tolist() for part in kept[1:]] == [pytest.approx([0.9, 0.3]), [2, 1]]
    heads.one_class_a_box = False
    try:
        assert len(heads._distinct(boxes, scores, labels)[0][0]) == 3
    finally:
        heads.one_class_a_box = True


@pytest.mark.parametrize(("there", "wanted"), [(0, 3), (2, 3), (9, 3)])
def test_mask_heads_learn_from_some_of_the_objects_regions(there: int, wanted: int) -> None:
    chosen = torch.tensor([True] * there + [False] * 4)
    some = _some_of(chosen, wanted)
    assert some.dtype == torch.bool
    assert int(some.sum()) == min(there, wanted)
    assert not (some & ~chosen).any()
