import pandas as pd

from deepcovid import runs
from deepcovid.models import tables


def history(loss):
    rows = [
        (e, phase, loss / e, 0.5, 0.5, 1e-4) for e in (1, 2) for phase in ("train", "validation")
    ]
    return pd.DataFrame(
        rows, columns=["epoch", "phase", "loss", "accuracy", "auc", "learning_rate"]
    )


def test_the_answer_names_each_model_and_each_seed_where_there_are_several(tmp_path):
    one = {("resnet18", 0): history(1.0)}
    assert "**resnet18** 0.500." in tables.answer(one, tmp_path)
    both = tables.answer(one | {("resnet18", 4): history(3.0)}, tmp_path)
    assert "**resnet18, seed 0** 0.500, **resnet18, seed 4** 1.500." in both
    assert "lungs" not in both.lower()
    assert list(tables.ends(one).epoch) == [2, 2]


def test_pictures_without_lungs_are_told(tmp_path):
    told = {"masks": 71, "dice": 0.93, "pictures": 5184, "without_lungs": 7}
    runs.write_json(tmp_path / "lungs.json", told)
    said = tables.answer({("resnet18", 0): history(1.0)}, tmp_path)
    assert "(Dice 0.930 on test masks) were not found in **7** of 5184 pictures" in said
    runs.write_json(tmp_path / "lungs.json", told | {"dice": None})
    assert "Dice" not in tables.lungs(tmp_path)
