import json

import pandas as pd

from deepcovid import profiles
from deepcovid.failure import ablation, design
from deepcovid.failure.__main__ import main


def test_parts_train_each_cell_once_and_make_one_table(data, tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    small = [dict(c, epochs=1, crop="none") for c in design.plan(("resnet50",), (0,))[:3]]
    monkeypatch.setattr(design, "plan", lambda *_: small)
    given = {"data": str(data), "models": "resnet50", "weights": "random", "image_size": 32,
             "augment_positives": 2}  # fmt: skip
    words = ["--profile", "released", "--overrides", json.dumps(given)]
    table = tmp_path / "runs" / "ablation" / "ablation.csv"
    assert main(["prepare", *words]) == 0
    trained = []
    train = ablation.train_cell
    monkeypatch.setattr(
        ablation, "train_cell", lambda bench, cell: trained.append(cell) or train(bench, cell)
    )
    for part in ("1/2", "2/2", "1/2"):
        assert main(["train", *words, "--part", part]) == 0
    assert sorted(map(repr, trained)) == sorted(map(repr, small))
    assert main(["collect", *words, "--out", str(table)]) == 0
    assert pd.read_csv(table).digest.nunique() == 3
    assert main(["train", *words, "--overrides", '{"epochs": 0}']) == 2
