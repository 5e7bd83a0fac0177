import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import changed, draw, user_error
from PIL import Image

from deepcovid.data import audit, duplicates
from deepcovid.metrics import tables as metrics_tables
from deepcovid.metrics.run import evaluate
from deepcovid.models import scoring, training
from deepcovid.report import cards, provenance
from deepcovid.runs import read_json
from deepcovid.shortcuts import external


@pytest.fixture
def outside(run, tmp_path):
    """Twelve images of another collection, and one of them taken from the training images."""
    folder = tmp_path / "elsewhere"
    for i in range(6):
        draw(folder / "covid" / f"a{i}.png", 900 + i, 70)
        draw(folder / "non" / f"0000000{i // 2}_00{i}.png", 950 + i)
    twin = sorted((run.data / "train" / "covid").iterdir())[0]
    shutil.copyfile(twin, folder / "covid" / "ein Bild ä.png")
    return changed(run, external=str(folder))


def judged(run):
    training.run(run, "squeezenet", 0)
    scoring.run(run, "squeezenet", 0)
    audit.run(run.profile)
    return external.run(run)


def test_duplicates_are_left_out_and_the_rest_is_judged(outside):
    found = judged(outside)
    assert read_json(outside.folder / "external.json") == found
    assert found["images"] == {"Non-COVID": 6, "COVID-19": 6}
    assert found["duplicates_dropped"] == 1 and found["duplicates"] == {"bytes": 1}
    assert found["tp"] + found["fn"] == 6 and found["tn"] + found["fp"] == 6
    both = found["with_duplicates"]
    assert both["tp"] + both["fn"] == 7
    assert found["auc_low"] <= found["auc"] <= found["auc_high"]
    part = found["drop"]
    total = part["internal"] - part["external"]
    assert part["ranking"] + part["threshold_shift"] == pytest.approx(total, abs=3e-4)
    table = pd.read_csv(outside.model_folder("squeezenet", 0) / "external.csv")
    assert table.patient.nunique() == 10 and table.score.between(0, 1).all()


def test_the_model_card_says_what_the_model_scores_here_and_elsewhere(outside):
    run = changed(outside, models=("squeezenet",), seeds=(0,))
    found = judged(run)
    evaluate(run.folder, run.profile.models, run.profile.seeds, run.profile.threshold)
    (row,) = metrics_tables.summaries(run.folder)
    cards.cards(run, provenance.provenance(run))
    card = (run.folder / "squeezenet" / "card.md").read_text()
    here, _, elsewhere = card.partition("## Elsewhere")
    for of, part in ((row, here), (found, elsewhere)):
        assert f"{of['auc']:.3f} ({of['auc_low']:.3f} to {of['auc_high']:.3f})" in part
    assert "test data (1)" in elsewhere and "not for clinical use" in here
    (run.folder / "external.json").unlink()
    cards.cards(run, provenance.provenance(run))
    assert "Elsewhere" not in (run.folder / "squeezenet" / "card.md").read_text()


def test_nothing_of_external_reaches_training_or_selection(run, outside):
    """The same weights, scores and thresholds with no external folder, and with its labels swapped."""

    def made(opened):
        training.run(opened, "squeezenet", 0)
        scores = scoring.run(opened, "squeezenet", 0).read_bytes()
        folder = opened.model_folder("squeezenet", 0)
        names = ("manifest.csv", "training.csv")
        tables = [(opened.folder / name).read_bytes() for name in names]
        return [scores, (folder / "history.csv").read_bytes(), *tables]

    without = made(run)
    shutil.rmtree(run.model_folder("squeezenet", 0))
    assert made(outside) == without
    audit.run(outside.profile)
    first = external.run(outside)
    folder = outside.folder.parent.parent / "elsewhere"
    for name, other in (("covid", "x"), ("non", "covid"), ("x", "non")):
        (folder / name).rename(folder / other)
    shutil.rmtree(outside.model_folder("squeezenet", 0))
    assert made(outside) == without
    audit.run(outside.profile)
    second = external.run(outside)
    assert second["threshold"] == first["threshold"]
    assert second["with_duplicates"]["auc"] == pytest.approx(
        1 - first["with_duplicates"]["auc"], abs=2e-4
    )


def test_scores_are_computed_once(outside, monkeypatch):
    first = judged(outside)
    monkeypatch.setattr(external, "predict", None)
    assert external.run(outside) == first


def test_drop_tells_ranking_from_threshold():
    label = np.repeat([0, 1], 50)
    inside = pd.DataFrame({"label": label, "score": np.linspace(0, 1, 100)})
    lower = inside.assign(score=inside.score / 3)  # ranked as well, all below the threshold
    part = external.drop(inside, lower, 0.5)
    assert part["ranking"] == 0 and part["threshold_shift"] == pytest.approx(0.5)
    mixed = inside.assign(score=np.tile([0.2, 0.8], 50))
    part = external.drop(inside, mixed, 0.5)
    assert part["threshold_shift"] == 0 and part["ranking"] == pytest.approx(0.5)


def test_users_mistakes_are_named(outside, tmp_path):
    with user_error("no external folder"):
        external.table(tmp_path / "nowhere")
    folder = tmp_path / "half"
    Image.new("L", (40, 40)).save(
        (folder / "covid").mkdir(parents=True) or folder / "covid" / "a.png"
    )
    with user_error("No images in non"):
        external.table(folder)
    (folder / "non").mkdir()
    for name in ("b.png", "c.jpg"):
        (folder / "non" / name).write_text("no picture")
    with user_error("(?s)2 of 3 images.*b.png.*c.jpg"):
        external.table(folder)


def test_an_external_folder_of_known_images_only_is_refused(run, tmp_path):
    folder = tmp_path / "same"
    shutil.copytree(run.data / "train", folder)
    run = changed(run, external=str(folder))
    assert (duplicates.external_images(folder).label == 1).sum() == 12
    with user_error("are in"):
        judged(run)
