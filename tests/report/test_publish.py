from types import SimpleNamespace

import pandas as pd

from deepcovid.report import publish


def test_models_that_were_not_run_have_a_row_with_the_reason(tmp_path):
    (tmp_path / "squeezenet1_1-own.pth").touch()
    opened = SimpleNamespace(profile=SimpleNamespace(name="paper", weights=str(tmp_path)))
    row = {"model": "resnet18", "weights": "own.pth", "seed": 0, "tp": 1, "fn": 0, "fp": 2, "tn": 3}
    publish.write_rows(opened, pd.DataFrame([row]), tmp_path / "metrics.csv")
    table = pd.read_csv(tmp_path / "metrics.csv").set_index("model").weights
    assert table.to_dict() == {
        "resnet18": "own.pth",
        "resnet50": "not run: weights not at hand",
        "squeezenet": "not run: not asked for",
        "densenet121": "not run: weights not at hand",
    }
