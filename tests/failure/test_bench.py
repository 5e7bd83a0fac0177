import torch
from conftest import changed

from deepcovid import runs
from deepcovid.failure import bench
from deepcovid.failure.design import cell


def test_a_digest_stands_for_settings_images_and_first_weights(run):
    made = bench.Bench(run, "resnet18", "pretrained", views=2)
    digests = {
        made.digest(cell("resnet18")),
        made.digest(cell("resnet18", seed=1)),
        made.digest(cell("resnet18", optimiser="Adam")),
        bench.Bench(changed(run, image_size=48), "resnet18", "pretrained", 2).digest(
            cell("resnet18")
        ),
        bench.Bench(changed(run, learning_rate=1.0), "resnet18", "pretrained", 2).digest(
            cell("resnet18")
        ),
        bench.Bench(run, "resnet18", "pretrained", 3).digest(cell("resnet18")),
    }
    assert len(digests) == 6
    again = bench.Bench(run, "resnet18", "pretrained", views=2)
    assert again.digest(cell("resnet18")) == made.digest(cell("resnet18"))


def test_views_are_random_crops_that_epochs_go_through_in_turn(run):
    made = bench.Bench(run, "resnet18", "pretrained", views=2)
    originals = made.inputs(cell("resnet18"))["train"]
    augmented = made.inputs(cell("resnet18", positives="augmented"))["train"]
    assert len(originals.label) < len(augmented.label)
    assert augmented.label.sum() == 2 * originals.label.sum()
    group = [torch.arange(4)]
    first, second, third = (next(originals.batches(group, epoch)) for epoch in range(3))
    assert torch.equal(first, third) and not torch.equal(first, second)
    files = list((runs.RUNS / "features" / "views").glob("*.npy"))
    assert len(files) == 2
    again = bench.Bench(run, "resnet18", "pretrained", views=2).inputs(cell("resnet18"))["train"]
    assert torch.equal(next(again.batches(group, 1)), second)
    assert len(list((runs.RUNS / "features" / "views").glob("*.npy"))) == 2


def test_batch_norm_in_train_mode_changes_training_and_test_inputs(run):
    made = bench.Bench(run, "resnet18", "pretrained", views=1)
    still, drifted = (
        made.inputs(cell("resnet18", crop="none", batch_norm=n)) for n in ("eval", "train")
    )
    group = [torch.arange(5)]
    assert not torch.equal(
        next(still["train"].batches(group)), next(drifted["train"].batches(group))
    )
    assert not torch.equal(still["test"].cached, drifted["test"].cached)
    squeezenet = bench.Bench(run, "squeezenet", "pretrained", views=1)
    still, same = (
        squeezenet.inputs(cell("resnet18", crop="none", batch_norm=n)) for n in ("eval", "train")
    )
    assert torch.equal(still["test"].cached, same["test"].cached)
