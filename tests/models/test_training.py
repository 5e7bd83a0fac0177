import numpy as np
import pandas as pd
import pytest
import torch
from conftest import changed, prepared, user_error
from PIL import Image
from sklearn.metrics import roc_auc_score

from deepcovid import profiles
from deepcovid.data import augmentation, phantom
from deepcovid.data.augmentation import locate
from deepcovid.models import features, networks, scoring, training
from deepcovid.profiles import MODELS


def fitted(profile, model, inputs, seed=0, folder=None):
    history, _ = training.fit(profile, model, inputs, seed, folder)
    return history, [p.detach().clone() for p in model.parameters()]


def gathered(profile, model, monkeypatch=None, cached=True):
    if not cached:
        monkeypatch.setattr(training, "backbone_is_fixed", lambda *_: False)
    tables = training.phase_tables(profile)
    return training.gather(profile, model, tables, 0, torch.device("cpu"))


@pytest.mark.parametrize("name", MODELS)
def test_a_head_trained_on_cached_features_equals_one_trained_on_images(profile, name, monkeypatch):
    run = changed(profile, epochs=2)
    outcomes = []
    for cached in (True, False):
        model, _ = networks.build(name, "random", 0)
        inputs = gathered(run, model, monkeypatch, cached)
        assert (inputs["train"].cached is not None) == cached
        outcomes.append(fitted(run, model, inputs))
    (history, cached), (slow_history, slow) = outcomes
    assert max((a - b).abs().max() for a, b in zip(cached, slow, strict=True)) < 1e-5
    assert np.allclose(history.select_dtypes(float), slow_history.select_dtypes(float), atol=1e-5)


def test_only_the_head_changes_unless_all_is_trained(profile):
    for trainable, same in (("head", True), ("all", False)):
        run = changed(profile, trainable=trainable, epochs=1)
        model, _ = networks.build("resnet18", "random", 0)
        before, head = networks.state_digest(model.backbone), networks.state_digest(model.head)
        fitted(run, model, gathered(run, model))
        assert (networks.state_digest(model.backbone) == before) == same
        assert networks.state_digest(model.head) != head


def test_frozen_batch_norm_left_in_train_mode_drifts(profile):
    run = changed(profile, batch_norm="train", epochs=1)
    model, _ = networks.build("resnet18", "random", 0)
    before = {k: v.clone() for k, v in model.backbone.state_dict().items()}
    inputs = gathered(run, model)
    assert inputs["train"].cached is None
    fitted(run, model, inputs)
    drifted = {k for k, v in model.backbone.state_dict().items() if not torch.equal(v, before[k])}
    assert drifted
    assert all("running" in k or "num_batches" in k for k in drifted)


def test_random_crops_are_read_from_images_and_squeezenet_is_still_scored_from_cache(profile):
    run = changed(profile, batch_norm="train", train_crop="random")
    model, _ = networks.build("squeezenet", "random", 0)
    inputs = gathered(run, model)
    assert inputs["train"].cached is None and inputs["validation"].cached is not None


def test_it_learns_what_tells_the_classes_apart(profile):
    run = changed(profile, epochs=60)
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
        run = prepared(profiles.load("demo", settings))
        training.run(run, "resnet18", 0)
        model, to_input = training.load(run, "resnet18", 0).eval(), augmentation.to_input(64)
        plain, marked = (
            torch.stack([to_input(Image.fromarray(i).convert("RGB")) for i in group])
            for group in healthy
        )
        with torch.no_grad():
            raised[shortcut] = (model(marked).softmax(1) - model(plain).softmax(1))[:, 1]
    assert raised["marker"].mean() > 0.1
    assert raised["marker"].mean() > 3 * raised[None].mean()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(profile):
    run = changed(profile, seeds=(0, 1))
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


def test_a_stopped_training_goes_on_with_the_same_result(profile, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", -1)
    run = changed(profile, epochs=6)
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


def test_a_finished_training_is_kept_until_its_recipe_changes(profile, monkeypatch):
    calls = []
    real = training.fit
    monkeypatch.setattr(training, "fit", lambda *a: calls.append(1) or real(*a))
    training.run(profile, "squeezenet", 0)
    training.run(profile, "squeezenet", 0)
    training.run(changed(profile, threshold=0.3), "squeezenet", 0)
    assert len(calls) == 1
    training.run(changed(profile, learning_rate=2e-2), "squeezenet", 0)
    assert len(calls) == 2


def test_learning_rates_are_those_of_torchs_scheduler(profile):
    for schedule, first in (("step", False), ("step_first", True)):
        run = changed(profile, schedule=schedule, epochs=30, learning_rate=1e-4)
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
        assert np.allclose(training.learning_rates(run), expected, rtol=1e-9)
    assert set(training.learning_rates(changed(profile, schedule="constant"))) == {1e-2}


def test_the_selected_epoch_is_the_best_one(profile):
    run = changed(
        profile,
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


def test_class_weights_balance_the_classes(profile):
    """With balanced weights, scores no longer lean towards the frequent class."""
    means = {}
    for weights in ("none", "balanced"):
        run = changed(profile, class_weights=weights, epochs=8, augment_positives=1)
        prepared(run)
        training.run(run, "squeezenet", 0)
        scores = pd.read_csv(scoring.run(run, "squeezenet", 0))
        means[weights] = scores.score.mean()
    assert means["balanced"] > means["none"]


def test_features_are_kept_by_content_and_computed_once(profile, monkeypatch, tmp_path):
    model, _ = networks.build("squeezenet", "random", 0)
    table = training.inventory_of(profile)
    paths, sha1 = [locate(profile, image) for image in table.image], list(table.sha1)
    monkeypatch.setattr(features, "CHUNK", 10)

    def extract(wanted, keep):
        return features.extract(
            model.backbone, paths, sha1, wanted, 64, torch.device("cpu"), keep=keep
        )

    wanted = [31, 2, 17, 2]
    direct = extract(wanted, None)
    kept = extract(wanted, tmp_path / "kept")
    assert np.array_equal(direct, kept)
    assert not np.array_equal(kept[0], kept[1]) and np.array_equal(kept[1], kept[3])
    assert len(list((tmp_path / "kept").rglob("*.npy"))) == 3

    def dark(picture, path):
        return picture.point(lambda value: 0)

    changed = features.extract(
        model.backbone, paths, sha1, wanted, 64, torch.device("cpu"),
        keep=tmp_path / "kept", change=dark, variant="dark",
    )  # fmt: skip
    assert np.array_equal(changed[0], changed[1]) and not np.array_equal(changed, kept)
    monkeypatch.setattr(features.images, "open_radiograph", None)  # reading again would fail
    assert np.array_equal(extract(wanted, tmp_path / "kept"), kept)
    sha1[2] = "0" * 40  # another image
    with pytest.raises(TypeError):
        extract(wanted, tmp_path / "kept")


def test_scores_cover_the_originals_and_nothing_else(profile):
    training.run(profile, "squeezenet", 0)
    scores = pd.read_csv(scoring.run(profile, "squeezenet", 0))
    assert list(scores.columns) == scoring.COLUMNS
    assert len(scores) == 56 and not scores.image.str.startswith("augmented/").any()
    assert scores.score.between(0, 1).all()
    model = training.load(profile, "squeezenet", 0).eval()
    image = scores.image[7]
    x = features.ImageSet([locate(profile, image)], 64)[0, 0]
    with torch.no_grad():
        direct = model(x[None]).softmax(1)[0, 1]
    assert float(direct) == pytest.approx(scores.score[7], abs=1e-5)


def test_a_step_whose_input_is_missing_says_which_notebook_to_run(profile):
    with user_error("03_training first"):
        scoring.run(profile, "squeezenet", 0)
    (profile.folder / "training.csv").unlink()
    with user_error("02_augmentation first"):
        training.run(profile, "squeezenet", 0)
