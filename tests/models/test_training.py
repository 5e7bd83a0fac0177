import numpy as np
import pandas as pd
import pytest
import torch
from conftest import changed, needs_cuda, prepared, user_error
from PIL import Image
from sklearn.metrics import roc_auc_score

from deepcovid import profiles
from deepcovid.data import augmentation, phantom
from deepcovid.metrics.intervals import predict_positive
from deepcovid.models import (
    features,
    fitting,
    lungs,
    networks,
    preprocessing,
    scoring,
    training,
)
from deepcovid.models.run import Run
from deepcovid.profiles import MODELS
from imageaudit import dicom


def fitted(run, model, inputs, seed=0, folder=None):
    history, _ = fitting.fit(run.profile, model, inputs, seed, folder)
    return history, [p.detach().clone() for p in model.parameters()]


def gathered(run, model, monkeypatch=None, cached=True):
    if not cached:
        monkeypatch.setattr(training, "backbone_is_fixed", lambda *_: False)
    return training.gather(run, model, run.phases, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ("resnet18", "squeezenet"))
def test_a_head_trained_on_cached_features_equals_one_trained_on_images(run, name, monkeypatch):
    run = changed(run, epochs=2)
    outcomes = []
    for cached in (True, False):
        model, _ = networks.build(name, "random", 0)
        inputs = gathered(run, model, monkeypatch, cached)
        assert (inputs["train"].cached is not None) == cached
        outcomes.append(fitted(run, model, inputs))
    (history, cached), (slow_history, slow) = outcomes
    assert max((a - b).abs().max() for a, b in zip(cached, slow, strict=True)) < 1e-5
    assert np.allclose(history.select_dtypes(float), slow_history.select_dtypes(float), atol=1e-5)


@pytest.mark.slow
def test_only_the_head_changes_unless_all_is_trained(run):
    for trainable, same in (("head", True), ("all", False)):
        run = changed(run, trainable=trainable, epochs=1)
        model, _ = networks.build("resnet18", "random", 0)
        before, head = networks.state_digest(model.backbone), networks.state_digest(model.head)
        fitted(run, model, gathered(run, model))
        assert (networks.state_digest(model.backbone) == before) == same
        assert networks.state_digest(model.head) != head


def test_frozen_batch_norm_left_in_train_mode_drifts(run):
    run = changed(run, batch_norm="train", epochs=1)
    model, _ = networks.build("resnet18", "random", 0)
    before = {k: v.clone() for k, v in model.backbone.state_dict().items()}
    inputs = gathered(run, model)
    assert inputs["train"].cached is None
    fitted(run, model, inputs)
    drifted = {k for k, v in model.backbone.state_dict().items() if not torch.equal(v, before[k])}
    assert drifted
    assert all("running" in k or "num_batches" in k for k in drifted)


@pytest.mark.slow
def test_a_backbone_in_bfloat16_sees_nearly_the_same_and_is_told_apart(run):
    """Kept features, a pass over the images, and batch norm in train mode: all within a percent."""
    half = changed(run, precision="bfloat16", epochs=2)
    full = changed(run, epochs=2)
    kept, passed = [], []
    for one in (half, full):
        model, _ = one.build("resnet18", 0)
        inputs = gathered(one, model)
        kept.append(inputs["train"].cached)
        files = features.ImageSet(one.paths(one.phases["train"].image), one.profile.image_size)
        batch = next(files.batches([range(8)], torch.device("cpu")))
        with torch.no_grad():
            passed.append(
                networks.forward_backbone(
                    networks.fuse_batch_norm(model.backbone), batch, model.half
                )
            )
    for one, other in (kept, passed):
        assert one.dtype == other.dtype == torch.float32 and not torch.equal(one, other)
        assert (one - other).norm() < 0.01 * other.norm()
    assert torch.allclose(kept[0][:8], passed[0], atol=1e-3)
    assert half.made_from(model) != full.made_from(model)
    losses = [
        training.fit(
            changed(one, batch_norm="train").profile, model := one.build("resnet18", 0)[0],
            gathered(changed(one, batch_norm="train"), model), 0,
        )[0].loss for one in (half, full)
    ]  # fmt: skip
    assert (losses[0] != losses[1]).all() and np.allclose(*losses, atol=0.05)


def test_random_crops_are_read_from_images_and_squeezenet_is_still_scored_from_cache(run):
    run = changed(run, batch_norm="train", train_crop="random")
    model, _ = networks.build("squeezenet", "random", 0)
    inputs = gathered(run, model)
    assert inputs["train"].cached is None and inputs["validation"].cached is not None


def test_it_learns_what_tells_the_classes_apart(run):
    run = changed(run, epochs=60)
    training.run(run, "squeezenet", 0)
    scores = pd.read_csv(scoring.run(run, "squeezenet", 0))
    test = scores[scores.split == "test"]
    assert roc_auc_score(test.label, test.score) > 0.95
    history = pd.read_csv(run.model_folder("squeezenet", 0) / "history.csv")
    loss = history[history.phase == "train"].loss
    assert loss.iloc[-1] < 0.8 * loss.iloc[0]


@pytest.mark.slow
def test_a_planted_shortcut_raises_the_score_of_a_model_trained_on_it(tmp_path, monkeypatch):
    """And of no other: the same marker says nothing to a model that never met it."""
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    healthy = [
        [phantom.radiograph("No Finding", 900 + i, 64, shortcut).image for i in range(12)]
        for shortcut in (None, "marker")
    ]
    raised = {}
    for shortcut in (None, "marker"):
        counts = dict(zip(phantom.GROUPS, (24, 24, 4, 4), strict=True))
        folder = phantom.write(tmp_path / str(shortcut), 1, counts, 64, shortcut)
        settings = {
            "data": folder,
            "validation_fraction": 0,
            "threshold": 0.5,
            "epochs": 40,
            "augment_positives": 1,
            "models": "resnet18",
        }
        run = Run(prepared(profiles.load("demo", settings)))
        training.run(run, "resnet18", 0)
        model, to_input = run.model("resnet18", 0), augmentation.to_input(64)
        plain, marked = (
            torch.stack([to_input(Image.fromarray(i).convert("RGB")) for i in group])
            for group in healthy
        )
        with torch.no_grad():
            raised[shortcut] = (model(marked).softmax(1) - model(plain).softmax(1))[:, 1]
    assert raised["marker"].mean() > 0.1
    assert raised["marker"].mean() > 3 * raised[None].mean()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(run):
    run = changed(run, seeds=(0, 1))
    training.run(run, "squeezenet", 0)
    folder = run.model_folder("squeezenet", 0)
    first = networks.load_state(folder / "checkpoint.pt")
    (folder / "checkpoint.pt").unlink()
    training.run(run, "squeezenet", 0)
    again = networks.load_state(folder / "checkpoint.pt")
    assert all(torch.equal(first[k], again[k]) for k in first)
    training.run(run, "squeezenet", 1)
    other = networks.load_state(run.model_folder("squeezenet", 1) / "checkpoint.pt")
    assert not all(torch.equal(first[k], other[k]) for k in first)


def test_a_stopped_training_goes_on_with_the_same_result(run, monkeypatch):
    monkeypatch.setattr(fitting, "SAVE_EVERY", -1)
    run = changed(run, epochs=6)
    training.run(run, "squeezenet", 0)
    folder = run.model_folder("squeezenet", 0)
    whole = networks.load_state(folder / "checkpoint.pt")
    history = (folder / "history.csv").read_bytes()
    assert not (folder / "resume.pt").exists()
    (folder / "checkpoint.pt").unlink()

    def stop_in_epoch_4(*args, real=fitting.evaluate, **options):
        stop_in_epoch_4.calls += 1
        if stop_in_epoch_4.calls == 4:
            raise KeyboardInterrupt
        return real(*args, **options)

    stop_in_epoch_4.calls = 0
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "evaluate", stop_in_epoch_4)
        with pytest.raises(KeyboardInterrupt):
            training.run(run, "squeezenet", 0)
    assert (folder / "resume.pt").exists() and not (folder / "checkpoint.pt").exists()
    training.run(run, "squeezenet", 0)
    resumed = networks.load_state(folder / "checkpoint.pt")
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)
    assert (folder / "history.csv").read_bytes() == history
    assert not list(folder.glob("resume*"))


def test_a_finished_training_is_kept_until_its_recipe_changes(run, monkeypatch):
    calls = []
    real = training.fit
    monkeypatch.setattr(training, "fit", lambda *a: calls.append(1) or real(*a))
    training.run(run, "squeezenet", 0)
    training.run(run, "squeezenet", 0)
    training.run(changed(run, threshold=0.3), "squeezenet", 0)
    assert len(calls) == 1
    training.run(changed(run, learning_rate=2e-2), "squeezenet", 0)
    assert len(calls) == 2
    (run.model_folder("squeezenet", 0) / "seen.csv").unlink()
    training.run(changed(run, learning_rate=2e-2), "squeezenet", 0)
    assert len(calls) == 3


def test_learning_rates_are_those_of_torchs_scheduler(run):
    for schedule, first in (("step", False), ("step_first", True)):
        run = changed(run, schedule=schedule, epochs=30, learning_rate=1e-4)
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1e-4)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 7, 0.1)
        expected = []
        for _ in range(30):
            optimizer.step()
            if first:
                scheduler.step()
            expected.append(optimizer.param_groups[0]["lr"])
            if not first:
                scheduler.step()
        assert np.allclose(fitting.learning_rates(run.profile), expected, rtol=1e-9)
    assert set(fitting.learning_rates(changed(run, schedule="constant").profile)) == {1e-4}


def test_the_selected_epoch_is_the_best_one(run):
    run = changed(
        run,
        selection="test_accuracy",
        epochs=12,
        optimizer="sgd",
        learning_rate=0.5,
        momentum=0.9,
    )
    training.run(run, "squeezenet", 0)
    history = pd.read_csv(run.model_folder("squeezenet", 0) / "history.csv")
    best = history[history.phase == "test"].accuracy.max()
    scores = pd.read_csv(scoring.run(run, "squeezenet", 0))
    test = scores[scores.split == "test"]
    assert (predict_positive(test.score, 0.5) == test.label).mean() == pytest.approx(best)
    row = history[(history.phase == "test") & (history.accuracy == best)].iloc[0]
    assert row.auc == pytest.approx(roc_auc_score(test.label, test.score))
    right = np.where(test.label == 1, test.score, 1 - test.score)
    assert row.loss == pytest.approx(-np.log(right).mean(), rel=1e-3)


def test_an_images_score_is_its_own_whatever_the_others_have(monkeypatch):
    logits = torch.tensor([[5.0, 6.0], [1.0, 3.0], [9.0, 7.0]])
    monkeypatch.setattr(fitting, "predict", lambda *_: logits)
    inputs = fitting.Inputs(torch.tensor([1, 1, 0]), cached=torch.zeros(3, 1))
    found = fitting.evaluate(torch.nn.Identity(), inputs)
    assert found["auc"] == found["accuracy"] == 1


def test_class_weights_balance_the_classes(run):
    """With balanced weights, scores no longer lean towards the frequent class."""
    means = {}
    for kind in ("none", "balanced"):
        run = changed(run, class_weights=kind, epochs=8, augment_positives=1)
        prepared(run.profile)
        training.run(run, "squeezenet", 0)
        scores = pd.read_csv(scoring.run(run, "squeezenet", 0))
        means[kind] = scores.score.mean()
    assert means["balanced"] > means["none"]


def test_sampled_classes_are_drawn_with_equal_chance(run):
    """As many images as there are, half of either class, anew in each epoch; none is weighted."""
    model, _ = run.build("squeezenet", 0)
    label = torch.tensor([1] * 20 + [0] * 980)
    inputs = fitting.Inputs(label, cached=torch.zeros(1000, 1))
    sampled = changed(run, class_weights="sampled").profile
    fitting_run = fitting.Trainer(sampled, model, inputs, 0)
    assert fitting_run.weight is None
    drawn = [
        torch.cat(fitting.epoch_batches(1000, 64, fitting_run.shuffle, False, fitting_run.chances))
        for _ in range(2)
    ]
    assert all(len(epoch) == 1000 and 0.45 < label[epoch].float().mean() < 0.55 for epoch in drawn)
    assert not torch.equal(*drawn)
    assert (
        fitting.Trainer(changed(run, class_weights="none").profile, model, inputs, 0).chances
        is None
    )


def test_sources_weigh_so_that_none_tells_the_class():
    """Each class of each source has the same sum; the mean weight is 1."""
    label = torch.tensor([1, 0, 0, 1, 0, 0, 0])
    source = torch.tensor([0, 0, 0, 0, 1, 1, 1])  # the second holds no positive
    weight = fitting.weights("sources", fitting.Inputs(label, source=source))
    sums = pd.Series(weight.numpy()).groupby([source.numpy(), label.numpy()]).sum()
    assert np.allclose(sums, 7 / 3) and weight.mean().item() == pytest.approx(1)
    balanced = fitting.weights("balanced", fitting.Inputs(label))
    assert torch.allclose(balanced, torch.tensor([7 / 4, 7 / 10])[1 - label])
    assert fitting.weights("none", fitting.Inputs(label)) is None


def test_views_weigh_the_same_in_both_classes():
    """So that none tells the class; a view that one class lacks weighs nothing, the mean is 1."""
    label = torch.tensor([1, 1, 1, 0, 0, 0, 0, 0])
    view = torch.tensor([0, 0, 1, 0, 1, 1, 1, 2])
    weight = fitting.weights("views", fitting.Inputs(label, view=view))
    sums = pd.Series(weight.numpy()).groupby([view.numpy(), label.numpy()]).sum()
    assert np.allclose(sums[0], 4 * 3 / 7) and np.allclose(sums[1], 4 * 4 / 7) and sums[2, 0] == 0
    assert weight.mean().item() == pytest.approx(1)
    unknown = fitting.weights("views", fitting.Inputs(label, view=torch.zeros_like(view)))
    assert torch.allclose(unknown, fitting.weights("balanced", fitting.Inputs(label)))
    with user_error("No view occurs in both classes.*class_weights balanced"):
        fitting.weights("views", fitting.Inputs(label, view=label))


def test_an_epoch_of_images_that_weigh_nothing_changes_nothing(run):
    """A batch of none but views that only one class has is no division by zero."""
    model, _ = networks.build("squeezenet", "random", 0)
    inputs = fitting.Inputs(torch.tensor([1, 0]), cached=torch.rand(2, 512, 3, 3))
    profile = changed(run, optimizer="sgd").profile
    fit = fitting.Trainer(profile, model, inputs, 0)
    before, fit.weight = networks.state_digest(model), torch.zeros(2)
    assert fit.one_epoch()["loss"] == 0 and networks.state_digest(model) == before


def test_the_view_of_a_training_image_is_that_of_the_table_beside_it(run):
    """Of an augmented image, its original's; changed views make a training stale."""
    run = changed(run, class_weights="views", augment_positives=3, epochs=1)
    prepared(run.profile)
    ours = run.training[(run.training.label == 1) & (run.training.augmented_from == "")].image
    rows = [[image.rpartition("/")[2], "p1", "", "", "PA", "X-ray"] for image in ours[:1]]
    table = pd.DataFrame(rows, columns=["name", "patientid", "sex", "age", "view", "modality"])
    table.to_csv(run.data / "covid-metadata.csv", index=False)
    found = run.views(run.training)
    copies = run.training.augmented_from == ours.iloc[0]
    assert (
        copies.sum() == 2 and (found[copies | (run.training.image == ours.iloc[0])] == "PA").all()
    )
    assert (found == "PA").sum() == 3 and (found == "").sum() == len(found) - 3
    path = training.run(run, "squeezenet", 0) / "checkpoint.pt"
    made = path.stat().st_mtime_ns
    assert training.run(run, "squeezenet", 0) and path.stat().st_mtime_ns == made
    assert scoring.run(run, "squeezenet", 0).is_file()
    table.assign(view="AP").to_csv(run.data / "covid-metadata.csv", index=False)
    run = Run(run.profile)
    with user_error("other views"):
        run.model("squeezenet", 0)
    assert training.run(run, "squeezenet", 0) and path.stat().st_mtime_ns > made


def stopped(run, monkeypatch):
    """A training that is interrupted in its second epoch, its state kept."""

    def stop(*args, real=fitting.Trainer.one_epoch):
        if args[0].epoch == 1:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "SAVE_EVERY", -1)
        patch.setattr(fitting.Trainer, "one_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            training.run(run, "squeezenet", 0)


def test_a_recipe_that_was_stopped_leaves_a_finished_one_as_it_was(run, monkeypatch):
    folder = training.run(run, "squeezenet", 0)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    stopped(changed(run, learning_rate=0.1), monkeypatch)
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    training.run(run, "squeezenet", 0)  # nothing to do
    assert {name: (folder / name).read_bytes() for name in kept} == kept


def test_a_checkpoint_depends_on_the_code_that_made_it(run, edited, monkeypatch):
    run, fit, fitted, result = changed(run, epochs=1), training.fit, [], []

    def once(*given):
        fitted.append(given)
        result.append(result[0] if result else fit(*given))
        return result[0]

    monkeypatch.setattr(training, "fit", once)
    training.run(run, "squeezenet", 0)
    for module in (dicom, augmentation, networks, features, fitting, training):
        training.run(run, "squeezenet", 0)  # which is kept
        count = len(fitted)
        edited(module)
        training.run(run, "squeezenet", 0)
        assert len(fitted) == count + 1, module
    assert len(fitted) == 7


@pytest.mark.parametrize("module", (lungs, preprocessing))
def test_prepared_pictures_depend_on_the_code_that_prepares_them(run, module, edited):
    model, _ = run.build("squeezenet", 0)
    plain, grey = run.made_from(model), changed(run, preprocessing=("grey",)).made_from(model)
    edited(module)
    assert changed(run, threshold=0.5).made_from(model) == plain
    assert changed(run, preprocessing=("grey",)).made_from(model) != grey


def test_one_half_says_covid_in_training_too():
    """As a head whose ReLU is dead gives for every image."""
    label, half = torch.tensor([0, 1, 1, 1]), torch.full((4,), 0.5)
    assert fitting.measure(torch.zeros(4), label, half)["accuracy"] == 0.75


def test_a_training_that_diverges_says_so(run):
    run = changed(run, optimizer="sgd", learning_rate=10.0, trainable="all", epochs=4)
    with user_error(r"diverged: in epoch \d the \w+ loss is no number.*-p learning_rate 1.$"):
        training.run(run, "resnet18", 0)
    assert not (run.model_folder("resnet18", 0) / "checkpoint.pt").exists()


def test_a_last_batch_of_one_joins_the_one_before_under_batch_norm(run):
    """At 32 pixels batch norm sees one value per channel of it, which it refuses."""
    n = len(run.training)
    settings = {"batch_norm": "train", "batch_size": n - 1, "validation_fraction": 0.0}
    run = changed(run, image_size=32, epochs=1, **settings)
    model, _ = run.build("resnet18", 0)
    fitted(run, model, gathered(run, model))

    def sizes(count, drifts):
        shuffle = torch.Generator().manual_seed(0)
        groups = fitting.epoch_batches(count, 3, shuffle, drifts)
        assert sorted(torch.cat(groups).tolist()) == list(range(count))
        return [len(group) for group in groups]

    assert sizes(10, True) == [3, 3, 4] and sizes(10, False) == [3, 3, 3, 1]
    assert sizes(11, True) == [3, 3, 3, 2]


def test_training_leaves_the_random_numbers_of_others_alone(run, monkeypatch):
    """Those of a graphics card too, which torch.manual_seed sets anew for good."""
    monkeypatch.setattr(torch.cuda, "manual_seed_all", None)
    torch.default_generator.manual_seed(5)
    expected = torch.rand(3)
    torch.default_generator.manual_seed(5)
    training.run(changed(run, train_crop="affine", epochs=1), "squeezenet", 0)
    assert torch.equal(torch.rand(3), expected)


@needs_cuda
def test_a_state_from_a_graphics_card_goes_on_without_one(run, monkeypatch):
    run = changed(run, epochs=3, device="cuda")
    stopped(run, monkeypatch)
    folder = run.model_folder("squeezenet", 0)
    state = torch.load(folder / "resume.pt", weights_only=True)
    assert any(value.is_cuda for value in state["part"].values())
    model, _ = run.build("squeezenet", 0)
    inputs = gathered(changed(run, device="cpu"), model)
    history, _ = fitted(run, model, inputs, folder=folder)
    assert list(history.epoch.unique()) == [1, 2, 3]


@needs_cuda
@pytest.mark.parametrize("name", MODELS)
def test_on_a_graphics_card_too_a_head_learns_the_same_from_features_and_images(
    run, name, monkeypatch
):
    run = changed(run, epochs=2, device="cuda")
    outcomes = []
    for cached in (True, False):
        model, _ = run.build(name, 0)
        features.to_device(model, run.device)
        inputs = gathered(run, model, monkeypatch, cached)
        outcomes.append(fitted(run, model, inputs)[1])
    assert max((a - b).abs().max() for a, b in zip(*outcomes, strict=True)) < 1e-3


@needs_cuda
def test_on_a_graphics_card_the_last_layer_decides_in_32_bits(run):
    run = changed(run, epochs=1, device="cuda", precision="bfloat16", batch_norm="train")
    model, _ = run.build("resnet18", 0)
    features.to_device(model, run.device)
    seen = set()
    model.head.register_forward_hook(lambda head, given, logits: seen.add(logits.dtype))
    fitted(run, model, gathered(run, model))
    assert seen == {torch.float32}


def test_a_head_is_trained_in_one_thread_and_the_others_come_back(run, monkeypatch):
    seen, one_epoch = [], fitting.Trainer.one_epoch
    monkeypatch.setattr(fitting.Trainer, "one_epoch",
                        lambda self: seen.append(torch.get_num_threads()) or one_epoch(self))  # fmt: skip
    model, before = run.build("squeezenet", 0)[0], torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        for cached in (True, False):
            fitted(run, model, gathered(run, model, monkeypatch, cached))
        assert {*seen[: run.profile.epochs]} == {1} and {*seen[run.profile.epochs :]} == {2}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_fitted_model_is_left_as_the_epoch_that_was_selected(run):
    chosen = changed(run, selection="test_accuracy", epochs=4, learning_rate=0.05)
    model, _ = chosen.build("squeezenet", 0)
    inputs = training.gather(chosen, model, chosen.phases, 0)
    history, state = fitting.fit(chosen.profile, model, inputs, 0)
    accuracies = history[history.phase == "test"].accuracy.to_numpy()
    assert accuracies.argmax() < 3  # the last epoch is another one
    part = networks.trained_part(chosen.profile, model).state_dict()
    assert all(torch.equal(part[name], value) for name, value in state.items())


def test_a_frozen_backbone_drops_nothing_out(profile):
    backbone = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Dropout())
    model = networks.Classifier(backbone, torch.nn.Sequential(torch.nn.Dropout()), "0")
    norm, drops, head = backbone[0], backbone[1], model.head[0]
    for settings, expected in (
        ({"trainable": "head", "batch_norm": "eval"}, (False, False, True)),
        ({"trainable": "head", "batch_norm": "train"}, (True, False, True)),
        ({"trainable": "all", "batch_norm": "eval"}, (False, True, True)),
    ):
        fitting.set_mode(changed(profile, **settings), model)
        assert (norm.training, drops.training, head.training) == expected
