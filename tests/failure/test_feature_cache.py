import pytest
import torch
from conftest import changed, draw, user_error

from deepcovid.failure import feature_cache
from deepcovid.failure.design import cell
from deepcovid.models import fitting, networks


def test_a_digest_stands_for_settings_images_and_first_weights(run):
    made = feature_cache.FeatureCache(run, "resnet18", "pretrained", views=2)
    digests = {
        made.digest(cell("resnet18")),
        made.digest(cell("resnet18", seed=1)),
        made.digest(cell("resnet18", optimiser="Adam")),
        feature_cache.FeatureCache(changed(run, image_size=48), "resnet18", "pretrained", 2).digest(
            cell("resnet18")
        ),
        feature_cache.FeatureCache(
            changed(run, learning_rate=1.0), "resnet18", "pretrained", 2
        ).digest(cell("resnet18")),
        feature_cache.FeatureCache(run, "resnet18", "pretrained", 3).digest(cell("resnet18")),
    }
    assert len(digests) == 6
    again = feature_cache.FeatureCache(run, "resnet18", "pretrained", views=2)
    assert again.digest(cell("resnet18")) == made.digest(cell("resnet18"))


def test_what_other_code_made_is_not_taken(run, monkeypatch):
    def made():
        found = feature_cache.FeatureCache(run, "resnet18", "pretrained")
        return found.path("crops", 0), found.digest(cell("resnet18"))

    before = made()
    assert made() == before
    monkeypatch.setattr(fitting, "__file__", networks.__file__)  # as if it were changed
    assert not {*made()} & {*before}
    monkeypatch.undo()
    monkeypatch.setattr(feature_cache.Path, "with_name", lambda *_: networks.__file__)
    assert made()[1] != before[1]


def test_random_crops_are_views_that_epochs_go_through_in_turn(run):
    crops = {"batch_norm": "eval", "epochs": 3}
    made = feature_cache.FeatureCache(run, "resnet18", "pretrained", views=2)
    originals = made.inputs(cell("resnet18", **crops))["train"]
    augmented = made.inputs(cell("resnet18", positives="augmented", **crops))["train"]
    assert len(originals.label) < len(augmented.label)
    assert augmented.label.sum() == 2 * originals.label.sum()
    group = [torch.arange(4)]
    first, second, third = (next(originals.batches(group, epoch)) for epoch in range(3))
    assert torch.equal(first, third) and not torch.equal(first, second)
    files = list((run.profile.features / "views").glob("*.npy"))
    assert len(files) == 2
    again = feature_cache.FeatureCache(run, "resnet18", "pretrained", views=2).inputs(
        cell("resnet18", **crops)
    )
    assert torch.equal(next(again["train"].batches(group, 1)), second)
    assert len(list((run.profile.features / "views").glob("*.npy"))) == 2


def test_batch_norm_in_train_mode_changes_training_and_test_inputs(run):
    made = feature_cache.FeatureCache(run, "resnet18", "pretrained", views=1)
    still, drifted = (
        made.inputs(cell("resnet18", crop="none", batch_norm=n)) for n in ("eval", "train")
    )
    group = [torch.arange(5)]
    assert not torch.equal(
        next(still["train"].batches(group)), next(drifted["train"].batches(group))
    )
    assert not torch.equal(*(next(each["test"].batches(group)) for each in (still, drifted)))
    squeezenet = feature_cache.FeatureCache(run, "squeezenet", "pretrained", views=1)
    still, same = (
        squeezenet.inputs(cell("squeezenet", crop="none", batch_norm=n)) for n in ("eval", "train")
    )
    assert torch.equal(*(next(each["test"].batches(group)) for each in (still, same)))


@pytest.mark.slow
def test_a_drifting_backbones_test_features_belong_to_crop_seed_and_epoch(run):
    """Not only to batch norm and positives: the statistics are those of what was seen."""
    made = feature_cache.FeatureCache(run, "resnet18", "pretrained", views=2)
    group = [torch.arange(4)]
    seen = {}
    for crop, seed in (("random", 0), ("none", 0), ("none", 1)):
        found = made.inputs(cell("resnet18", seed, crop=crop, epochs=3))
        for epoch in range(3):
            next(found["train"].batches(group, epoch))
            seen[crop, seed, epoch] = next(found["test"].batches(group))
    assert torch.equal(seen["none", 0, 0], seen["none", 0, 2])  # two epochs are kept
    keys = [key for key in seen if key[2] < 2]
    assert not any(torch.equal(seen[a], seen[b]) for a in keys for b in keys if a < b)


@pytest.mark.parametrize("norm", ["train", "eval"])
def test_a_last_batch_of_one_image_is_seen_too(run, norm):
    """Of n images and batches of n - 1."""
    n = len(run.training)
    made = feature_cache.FeatureCache(
        changed(run, batch_size=n - 1), "resnet18", "pretrained", views=1
    )
    found = made.inputs(cell("resnet18", positives="augmented", batch_norm=norm, epochs=1))["train"]
    assert next(found.batches([torch.arange(n)])).isfinite().all()


def test_a_batch_norm_that_drifts_is_refused_batches_of_one(run):
    made = feature_cache.FeatureCache(changed(run, batch_size=1), "resnet18", "pretrained", views=1)
    with user_error("batch_size of 2"):
        made.inputs(cell("resnet18"))


def test_an_image_that_changed_since_the_manifest_is_refused(run):
    draw(run.paths(run.training.image)[-1], 4321)
    with user_error("no longer the image"):
        feature_cache.FeatureCache(run, "resnet18", "pretrained").inputs(
            cell("resnet18", positives="augmented")
        )


@pytest.mark.slow
def test_epochs_of_a_drifting_backbone_go_on_where_they_were_stopped(run):
    one, two = (cell("resnet18", epochs=epochs) for epochs in (1, 2))
    made = feature_cache.FeatureCache(run, "resnet18", "pretrained")
    made.inputs(one)
    folder = run.profile.features / "views"
    first = {path: path.stat().st_mtime_ns for path in folder.glob("*.pt")}
    rows = torch.arange(5)
    second = made.inputs(two)["test"].views[1](rows)
    assert len(first) == 1 and len(list(folder.glob("*.pt"))) == 2
    assert all(path.stat().st_mtime_ns == then for path, then in first.items())
    for path in folder.glob("*.pt"):
        path.unlink()
    assert torch.equal(
        feature_cache.FeatureCache(run, "resnet18", "pretrained")
        .inputs(two)["test"]
        .views[1](rows),
        second,
    )
