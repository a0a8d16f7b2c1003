"""PointRend alone: sparse annotations, masks that are judged, published weights. The rest is the contract."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="pip install 'maskgrove[vision]'")

from pipeline.detection import (  # noqa: E402
    AnnotatedImage,
    DetectorUnavailable,
    FitOptions,
    Hardware,
    InvalidOption,
    PredictOptions,
    WeightsUnavailable,
    get_detector,
)

try:
    get_detector("pointrend")
except DetectorUnavailable as missing:
    pytest.skip(str(missing), allow_module_level=True)

from pipeline.detection.network_detector import NetworkDetector  # noqa: E402
from pipeline.detection.pointrend.designs import FULL, TINY, configuration  # noqa: E402
from pipeline.detection.pointrend.network import LOSSES, PointRendNetwork  # noqa: E402
from pipeline.detection.pointrend.published import MODEL_ZOO, read_published  # noqa: E402
from pipeline.detection.validation import validate  # noqa: E402

SIDE = 96
BOXES = [[10.0, 10.0, 50.0, 60.0], [56.0, 40.0, 92.0, 90.0]]


@pytest.fixture
def network() -> PointRendNetwork:
    torch.manual_seed(0)
    return TINY.build(classes=3, body="resnet")


def target(*, objects: int = 2, ignored: list[list[float]] | None = None, sparse: bool = False) -> Any:
    shapes = torch.zeros((objects, SIDE, SIDE), dtype=torch.uint8)
    for shape, (x0, y0, x1, y1) in zip(shapes, BOXES, strict=False):
        shape[int(y0) : int(y1), int(x0) : int(x1)] = 1
    return {
        "boxes": torch.tensor(BOXES[:objects]).reshape(-1, 4),
        "labels": torch.arange(1, objects + 1),
        "masks": shapes,
        "ignored": torch.tensor(ignored or []).reshape(-1, 4),
        "sparse": torch.tensor(sparse),
        "overlap": torch.tensor(0.5),
    }


def pictures(count: int) -> list[Any]:
    return list(torch.randint(0, 255, (count, 3, SIDE, SIDE), dtype=torch.uint8))


def losses(network: PointRendNetwork, *targets: Any) -> dict[str, float]:
    return {name: loss.item() for name, loss in network(pictures(len(targets)), list(targets)).items()}


def test_every_part_of_the_loss_is_there_and_reaches_the_pixels(network: PointRendNetwork) -> None:
    found = network(pictures(2), [target(), target(objects=1)])
    assert set(found) == set(LOSSES.values())
    assert all(loss.item() > 0 for loss in found.values())
    found["mask_point"].backward()
    assert network.model.backbone.bottom_up.stem.conv1.weight.grad.abs().sum() > 0


def test_judging_masks_does_not_bend_what_they_are_made_from(network: PointRendNetwork) -> None:
    network(pictures(1), [target()])["mask_iou"].backward()
    heads = network.model.roi_heads
    assert heads.judge.fc1.weight.grad.abs().sum() > 0
    assert all(value.grad is None for value in heads.mask_head.parameters())
    assert all(value.grad is None for value in network.model.backbone.parameters())


def test_a_batch_without_objects_can_be_learnt(network: PointRendNetwork) -> None:
    found = losses(network, target(objects=0), target(objects=0))
    assert found["mask"] == found["mask_point"] == found["mask_iou"] == found["box"] == 0
    assert found["class"] > 0


def test_a_sparse_image_without_a_known_object_teaches_nothing(network: PointRendNetwork) -> None:
    assert set(losses(network, target(objects=0, sparse=True)).values()) == {0}


def learnt_proposals(network: PointRendNetwork, which: Any) -> list[tuple[int, int]]:
    """Objects and background among the proposals that the heads learn from, per image, asked ten times."""
    heads, sampled = network.model.roi_heads, []
    ours = heads.label_and_sample_proposals

    def spy(proposals: Any, targets: Any) -> Any:
        found = ours(proposals, targets)
        background = int((found[0].gt_classes == heads.num_classes).sum())
        sampled.append((len(found[0]) - background, background))
        return found

    heads.label_and_sample_proposals = spy
    for _ in range(10):
        network(pictures(1), [which])
    return sampled


def test_sparse_images_keep_the_share_of_negatives(network: PointRendNetwork) -> None:
    share = network.model.roi_heads.share
    share.ratio.fill_(2.0)
    for positives, negatives in learnt_proposals(network, target(sparse=True)):
        assert positives
        assert negatives <= 2 * positives
    assert share.ratio.item() == 2


def test_full_images_teach_the_share(network: PointRendNetwork) -> None:
    share = network.model.roi_heads.share
    share.ratio.fill_(500.0)
    learnt_proposals(network, target())
    assert share.ratio.item() < 500


def test_no_proposal_in_an_ignored_box_is_background(network: PointRendNetwork) -> None:
    everywhere = target(ignored=[[0.0, 0.0, SIDE, SIDE]])
    assert all(background == 0 for _, background in learnt_proposals(network, everywhere))


def test_anchors_in_an_ignored_box_are_no_background(network: PointRendNetwork) -> None:
    generator, seen = network.model.proposal_generator, []
    ours = generator.losses

    def spy(anchors: Any, objectness: Any, labels: Any, *rest: Any) -> Any:
        seen.extend(labels)
        return ours(anchors, objectness, labels, *rest)

    generator.losses = spy
    network(pictures(1), [target(ignored=[[-500.0, -500.0, 500.0, 500.0]])])
    assert not (seen[0] == 0).any()
    assert (seen[0] == 1).any()


def test_memory_of_masks_does_not_grow_with_the_categories() -> None:
    network = TINY.build(classes=40, body="resnet").eval()
    network.keep(PredictOptions(min_confidence=0.0, max_masks=5))
    shapes = []
    head = network.model.roi_heads.mask_head
    ours = head._get_point_logits

    def spy(*arguments: Any) -> Any:
        logits = ours(*arguments)
        shapes.append(tuple(logits.shape[:2]))
        return logits

    head._get_point_logits = spy
    with torch.inference_mode():
        (found,) = network(pictures(1))
    assert found["masks"].shape == (5, 56, 56)
    assert set(shapes) == {(5, 1)}


def test_masks_are_those_that_pointrend_predicts_itself(network: PointRendNetwork) -> None:
    """The mask of the class alone is what comes out when the masks of all classes are refined."""
    from detectron2.projects.point_rend import PointRendMaskHead

    network.eval().keep(PredictOptions(min_confidence=0.0, max_masks=4, features=()))
    picture = pictures(1)
    with torch.inference_mode():
        (ours,) = network(picture)
        head = network.model.roi_heads.mask_head
        head.__class__ = PointRendMaskHead
        (theirs,) = network(picture)
    assert torch.equal(ours["labels"], theirs["labels"])
    assert torch.allclose(ours["masks"], theirs["masks"], atol=1e-5)


def test_the_full_size_is_the_papers() -> None:
    cfg = configuration(FULL, classes=80, body="resnet-frozen")
    assert (cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.FPN.OUT_CHANNELS) == (50, 256)
    assert (cfg.MODEL.MASK_IOU.WIDTH, cfg.MODEL.MASK_IOU.HIDDEN) == (256, 1024)
    assert cfg.MODEL.ROI_MASK_HEAD.OUTPUT_SIDE_RESOLUTION * 2**cfg.MODEL.POINT_HEAD.SUBDIVISION_STEPS == 224


def test_projections_agree_with_those_of_the_torchvision_detector(network: PointRendNetwork) -> None:
    from pipeline.detection.features import PROJECTION_SEED, gaussian_projection

    state = network.state_dict()
    expected = gaussian_projection(56 * 56, seed=PROJECTION_SEED)
    assert torch.equal(state["model.roi_heads.describe.on_mask"], expected)


def test_weights_are_names_entries_of_the_zoo_or_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    file.touch()
    assert FULL.choose_weights("auto") == "coco"
    for weights in ("coco", "none", MODEL_ZOO + "Some/model.pkl", str(file)):
        assert FULL.choose_weights(weights) == weights
    for wrong in ("imagenet", "https://example.org/model.pkl", str(tmp_path / "missing.pth")):
        with pytest.raises(InvalidOption, match="entry of the model zoo"):
            FULL.choose_weights(wrong)


def test_published_weights_fill_all_but_the_categories(tmp_path: Path, network: PointRendNetwork) -> None:
    """Older files call the heads otherwise and hold numpy arrays."""
    theirs = TINY.build(classes=7, body="resnet").model.state_dict()
    old = {
        name.replace("mask_head.coarse_head.fc", "mask_coarse_head.coarse_mask_fc")
        .replace("mask_head.coarse_head.", "mask_coarse_head.")
        .replace("mask_head.point_head.", "mask_point_head."): np.full(value.shape, 0.25, np.float32)
        for name, value in theirs.items()
        if ".judge." not in name and ".describe." not in name
    }
    file = tmp_path / "model_final.pkl"
    file.write_bytes(pickle.dumps({"model": old, "__author__": "somebody"}))
    TINY.fill(network, str(file))
    state = network.state_dict()
    assert (state["model.backbone.bottom_up.res4.1.conv2.weight"] == 0.25).all()
    assert (state["model.roi_heads.mask_head.coarse_head.fc1.weight"] == 0.25).all()
    assert (state["model.roi_heads.mask_head.point_head.fc1.bias"] == 0.25).all()
    assert not (state["model.roi_heads.box_predictor.cls_score.weight"] == 0.25).all()


class Malicious:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return print, ("run",)


@pytest.mark.parametrize("content", [b"", b"\x80\x02garbage", pickle.dumps({"model": Malicious()})])
def test_what_is_no_weights_is_refused_and_runs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "evil.pkl"
    file.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match=r"evil\.pkl"):
        read_published(str(file))
    assert capsys.readouterr().out == ""


def test_weights_of_another_network_are_refused(tmp_path: Path, network: PointRendNetwork) -> None:
    file = tmp_path / "other.pth"
    torch.save({"model": {"something.else": torch.zeros(3)}}, file)
    with pytest.raises(WeightsUnavailable, match="nothing that fits"):
        TINY.fill(network, str(file))


def test_weights_that_cannot_be_downloaded_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("pipeline.detection.pointrend.published.PathManager.get_local_path", offline)
    with pytest.raises(WeightsUnavailable, match=r"no network.*weights=none"):
        read_published(MODEL_ZOO + "PointRend/model.pkl")


def test_an_option_of_the_design_reaches_detectron2() -> None:
    narrow = dataclasses.replace(TINY, regions=16, overlap=0.6)
    cfg = configuration(narrow, classes=2, body="resnet")
    assert (cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE, cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST) == (16, 0.6)


@pytest.mark.slow
def test_it_learns_a_few_scenes(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    cpu = Hardware(device="cpu")
    detector = NetworkDetector(TINY)
    options = FitOptions(iterations=150, batch_size=4, short_side=96, weights="none", hardware=cpu)
    training = detector.fit(initial, category_ids=(1, 2, 3, 4, 5), folder=tmp_path, options=options)
    predictor = detector.load(training.model, options=PredictOptions(hardware=cpu))
    found = validate(predictor, initial, k_iou=0.75)
    assert found.ap50 > 0.5
    first, last = training.history[0].losses, training.history[-1].losses
    assert last["mask_point"] < 0.8 * first["mask_point"]
