"""What is kept is made anew when what it was made from has changed."""

import os

import pandas as pd
import pytest
from conftest import changed

from deepcovid.data import manifest
from deepcovid.fair_test import study

NAMES = ("swap", "findings", "within", "sites")


def test_a_result_depends_on_settings_images_models_tables_and_code(run, monkeypatch, tmp_path):
    known = run.depends("fair_test.study", trained=True)
    others = [changed(run, threshold=0.3), changed(run, models=("resnet18",)),
              changed(run, weights="random", seeds=(5,)), changed(run, preprocessing=("grey",)),
              changed(run, collection=str(tmp_path))]  # fmt: skip
    found = {other.depends("fair_test.study", trained=True) for other in others}
    found |= {run.depends("fair_test.study"), run.depends("shortcuts.measure", trained=True)}
    scores = run.model_folder("squeezenet", 0) / "scores.csv"
    scores.parent.mkdir(parents=True)
    scores.write_text("any")
    found.add(run.depends("fair_test.study", trained=True))
    table = manifest.read(run.folder / "manifest.csv")
    table.iloc[1:].to_csv(run.folder / "manifest.csv", index=False)
    found.add(run.depends("fair_test.study", trained=True))
    monkeypatch.setattr("deepcovid.models.run.code", lambda *_: "other")
    found.add(run.depends("fair_test.study", trained=True))
    assert len(found) == 10 and known not in found


@pytest.fixture
def asked(monkeypatch):
    made = []
    table = pd.DataFrame({"a": [1]})
    monkeypatch.setattr(study, "tables", lambda run: made.append(1) or dict.fromkeys(NAMES, table))
    return made


def test_all_tables_are_made_once_and_anew_where_one_is_gone_or_an_image_changed(
    run, asked, tmp_path
):
    image = tmp_path / "collection" / "covid" / "a.png"
    image.parent.mkdir(parents=True)
    image.write_text("a")
    run = changed(run, collection=str(tmp_path / "collection"))
    for _ in range(2):
        study.run(run)
    assert len(asked) == 1
    (run.folder / "fair_test" / "sites.csv").unlink()
    study.run(run)
    assert len(asked) == 2 and (run.folder / "fair_test" / "sites.csv").is_file()
    os.utime(image, (1, 1))
    study.run(run)
    assert len(asked) == 3


def test_without_lung_masks_training_data_are_not_compared(run, asked, tmp_path):
    (tmp_path / "other").mkdir()
    run = changed(run, collection=str(tmp_path / "other"), external=str(tmp_path / "other"))
    for _ in range(2):
        study.run(run)
    assert len(asked) == 1 and not (run.folder / "fair_test" / "training_data.csv").exists()


def test_without_a_collection_nothing_is_made(run, asked):
    study.run(run)
    assert not asked and not (run.folder / "fair_test").exists()
