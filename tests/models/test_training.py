import numpy as np
import pandas as pd
import pytest
import torch
from conftest import changed, prepared
from PIL import Image
from sklearn.metrics import roc_auc_score

from deepcovid import profiles
from deepcovid.data import augmentation, phantom
from deepcovid.models import networks, scoring, training
from deepcovid.models.opened import Run
from deepcovid.profiles import MODELS


def fitted(run, model, inputs, seed=0, folder=None):
    history, _ = training.fit(run.profile, model, inputs, seed, folder)
    return history, [p.detach().clone() for p in model.parameters()]


def gathered(run, model, monkeypatch=None, cached=True):
    if not cached:
        monkeypatch.setattr(training, "backbone_is_fixed", lambda *_: False)
    return training.gather(run, model, training.phase_tables(run), 0)


@pytest.mark.parametrize("name", MODELS)
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
        folder = phantom.write(tmp_path / str(shortcut), 1, counts, 64, shortcut, "covid")
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
    monkeypatch.setattr(training, "SAVE_EVERY", -1)
    run = changed(run, epochs=6)
    training.run(run, "squeezenet", 0)
    folder = run.model_folder("squeezenet", 0)
    whole = networks.load_state(folder / "checkpoint.pt")
    history = pd.read_csv(folder / "history.csv")
    assert not (folder / "resume.pt").exists()
    (folder / "checkpoint.pt").unlink()

    def stop_in_epoch_4(*args, real=training.evaluate, **options):
        stop_in_epoch_4.calls += 1
        if stop_in_epoch_4.calls == 4:
            raise KeyboardInterrupt
        return real(*args, **options)

    stop_in_epoch_4.calls = 0
    with monkeypatch.context() as patch:
        patch.setattr(training, "evaluate", stop_in_epoch_4)
        with pytest.raises(KeyboardInterrupt):
            training.run(run, "squeezenet", 0)
    assert (folder / "resume.pt").exists() and not (folder / "checkpoint.pt").exists()
    training.run(run, "squeezenet", 0)
    resumed = networks.load_state(folder / "checkpoint.pt")
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "history.csv"), history)


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
        assert np.allclose(training.learning_rates(run.profile), expected, rtol=1e-9)
    assert set(training.learning_rates(changed(run, schedule="constant").profile)) == {1e-4}


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
    assert ((test.score > 0.5) == test.label).mean() == pytest.approx(best)


def test_class_weights_balance_the_classes(run):
    """With balanced weights, scores no longer lean towards the frequent class."""
    means = {}
    for weights in ("none", "balanced"):
        run = changed(run, class_weights=weights, epochs=8, augment_positives=1)
        prepared(run.profile)
        training.run(run, "squeezenet", 0)
        scores = pd.read_csv(scoring.run(run, "squeezenet", 0))
        means[weights] = scores.score.mean()
    assert means["balanced"] > means["none"]
