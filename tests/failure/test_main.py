import json
import shutil

import pandas as pd
import pytest
from conftest import draw

from deepcovid import profiles
from deepcovid.failure import ablation, design
from deepcovid.failure.__main__ import main


@pytest.mark.slow
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
        ablation, "train_cell", lambda cache, cell: trained.append(cell) or train(cache, cell)
    )
    for part in ("1/2", "2/2", "1/2"):
        assert main(["train", *words, "--part", part]) == 0
    assert sorted(map(repr, trained)) == sorted(map(repr, small))
    assert main(["collect", *words, "--out", str(table)]) == 0
    assert pd.read_csv(table).digest.nunique() == 3
    assert main(["train", *words, "--overrides", '{"epochs": 0}']) == 2


@pytest.mark.parametrize("part", ["0/2", "3/2", "-1/2", "1", "a/b", "1/2/3"])
def test_a_part_that_is_none_is_refused(part, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", f"--part={part}"])
    assert stopped.value.code == 2 and "k/n with k from 1 to n" in capsys.readouterr().err


def test_settings_that_are_no_json_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--overrides", "{"])
    assert "--overrides" in capsys.readouterr().err


def test_other_images_make_another_manifest(data, tmp_path, monkeypatch):
    """Else what is seen of an image would be kept under another's hash."""
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    mine = tmp_path / "mine"
    shutil.copytree(data, mine)
    given = {"data": str(mine), "models": "resnet18", "weights": "random", "augment_positives": 1}
    words = ["prepare", "--profile", "released", "--overrides", json.dumps(given)]
    assert main(words) == 0
    table = tmp_path / "runs" / "ablation" / "manifest.csv"
    before = pd.read_csv(table)
    image = mine / before.image[0]
    draw(image, 4321)
    assert main(words) == 0
    after = pd.read_csv(table)
    assert after.sha1[0] != before.sha1[0] and after.sha1[1:].equals(before.sha1[1:])
