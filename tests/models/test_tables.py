import pandas as pd
import pytest

from deepcovid.models import tables


def history(loss):
    rows = [
        (e, phase, loss / e, 0.5, 0.5, 1e-4) for e in (1, 2) for phase in ("train", "validation")
    ]
    return pd.DataFrame(
        rows, columns=["epoch", "phase", "loss", "accuracy", "auc", "learning_rate"]
    )


def test_a_model_ends_at_the_mean_and_range_of_its_seeds():
    histories = {("squeezenet", 0): history(1.0), ("resnet18", 0): history(1.0),
                 ("resnet18", 4): history(3.0)}  # fmt: skip
    table = tables.ends_by_model(histories)
    assert table.index.tolist() == ["SqueezeNet", "ResNet18"]
    assert table["training loss"].tolist() == ["0.500", "1.000 (0.500 to 1.500)"]
    assert table.seeds.tolist() == [1, 2] and table.epochs.tolist() == [2, 2]


def test_a_training_without_validation_has_none():
    alone = history(1.0)
    table = tables.ends_by_model({("resnet18", 0): alone[alone.phase == "train"]})
    assert table["training loss"].tolist() == ["0.500"] and table["validation AUC"].isna().all()


@pytest.mark.parametrize(("other", "shown"), [(224, "224"), (96, "224, 96")])
def test_the_recipe_says_where_trainings_differ(other, shown):
    def note(size, weights):
        recipe = {"image_size": size, "preprocessing": ["none"]}
        return {"made_from": {"recipe": recipe}, "weights": weights, "images": {"train": 2168}}

    notes = {("resnet18", 0): note(224, {"kind": "file", "file": "a.pth"}),
             ("resnet50", 0): note(other, {"kind": "random"})}  # fmt: skip
    value = tables.recipe(notes).value
    assert value["image size"] == shown and value["preprocessing"] == "none"
    assert value["first weights of ResNet18"] == "a.pth"
    assert value["first weights of ResNet50"] == "random" and value["train images"] == "2,168"
