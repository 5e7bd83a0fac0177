import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import changed, draw, prepared, user_error
from PIL import Image

from deepcovid import profiles
from deepcovid.data import audit, manifest
from deepcovid.metrics.run import evaluate
from deepcovid.models import scoring, training
from deepcovid.models.run import Run
from deepcovid.report import provenance
from deepcovid.runs import read_json
from deepcovid.shortcuts import external
from imageaudit import images

SETTINGS = {"models": "squeezenet", "image_size": 64, "epochs": 3, "learning_rate": 1e-2,
            "augment_positives": 2}  # fmt: skip
pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


@pytest.fixture
def untrained(run, tmp_path):
    """Twelve images of another collection, and one of them taken from the training images."""
    folder = tmp_path / "elsewhere"
    for i in range(6):
        draw(folder / "covid" / f"a{i}.png", 900 + i, 70)
        draw(folder / "non" / f"0000000{i // 2}_00{i}.png", 950 + i)
    twin = sorted((run.data / "train" / "covid").iterdir())[0]
    shutil.copyfile(twin, folder / "covid" / "ein Bild ä.png")
    return changed(run, external=str(folder))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder of a run on `data` that is trained, once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "RUNS", tmp_path_factory.mktemp("trained"))
        run = Run(prepared(profiles.load("demo", SETTINGS | {"data": str(data)})))
        training.run(run, "squeezenet", 0)
        scoring.run(run, "squeezenet", 0)
        audit.run(run.profile)
        yield run.folder


@pytest.fixture
def outside(untrained, trained):
    """The same, trained."""
    shutil.copytree(trained, untrained.folder, dirs_exist_ok=True)
    return untrained


def test_duplicates_are_left_out_and_the_rest_is_evaluated(outside):
    found = external.run(outside)
    assert read_json(outside.folder / "external.json") == found
    assert found["duplicates_dropped"] == 1
    counts = {name: sum(bins) for name, bins in found["histograms"].items() if "external" in name}
    assert counts == {"Non-COVID, external": 6, "COVID-19, external": 6}
    assert found["auc_low"] <= found["auc"] <= found["auc_high"]
    table = pd.read_csv(outside.model_folder("squeezenet", 0) / "external.csv")
    assert table.patient.nunique() == 10 and table.score.between(0, 1).all()
    assert list(table.columns) == list(external.SCORES)
    tidy = pd.read_csv(outside.folder / "external.csv")
    assert tidy.quantity.tolist() == ["sensitivity", "specificity", "auc", "auc"]
    assert tidy.model.tolist() == ["squeezenet"] * 3 + ["border alone"]  # no masks, no framing
    assert tidy.images.tolist() == [6, 6, 12, 12] and tidy.patients.tolist() == [6, 3, 9, 9]
    assert tidy.value[1] == found["specificity"] and tidy["set"][1] == "Non-COVID, ChestX-ray8"
    assert "source of its own" in tidy["set"][2]


def test_the_model_card_says_what_the_model_scores_here_and_elsewhere(outside):
    run = changed(outside, models=("squeezenet",), seeds=(0,))
    found = external.run(run)
    evaluate(run.folder, run.profile.models, run.profile.seeds, run.profile.threshold)
    row = pd.read_csv(run.folder / "metrics.csv").iloc[0]
    provenance.record(run.profile)
    card = (run.folder / "squeezenet" / "card.md").read_text()
    here, _, elsewhere = card.partition("## External images")
    for of, part in ((row, here), (found, elsewhere)):
        assert f"{of['auc']:.3f} ({of['auc_low']:.3f} to {of['auc_high']:.3f})" in part
    assert "test data (1)" in elsewhere and "not for clinical use" in here
    (run.folder / "external.json").unlink()
    provenance.record(run.profile)
    assert "External images" not in (run.folder / "squeezenet" / "card.md").read_text()


def test_nothing_of_external_reaches_training_or_selection(run, untrained):
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
    assert made(untrained) == without
    first = external.run(untrained)
    folder = untrained.folder.parent.parent / "elsewhere"
    for name, other in (("covid", "x"), ("non", "covid"), ("x", "non")):
        (folder / name).rename(folder / other)
    shutil.rmtree(untrained.model_folder("squeezenet", 0))
    assert made(untrained) == without
    second = external.run(untrained)
    assert second["threshold"] == first["threshold"]
    assert second["auc"] == pytest.approx(1 - first["auc"], abs=2e-4)


def test_a_finished_evaluation_is_read(outside, monkeypatch):
    first, made = external.run(outside), []
    monkeypatch.setattr(external, "each", lambda *_: made.append(1))
    assert external.run(outside) == first and not made
    for settings in ({"threshold": 0.3}, {"preprocessing": ("grey",)}):
        external.run(changed(outside, **settings))
    monkeypatch.setattr("deepcovid.models.run.code", lambda *names: "other")
    for _ in range(2):
        external.run(outside)
    assert len(made) == 3
    (outside.folder / "external.csv").unlink()
    external.run(outside)
    assert len(made) == 4


def test_users_mistakes_are_named(outside, tmp_path):
    with user_error("no external folder"):
        manifest.external(tmp_path / "nowhere")
    folder = tmp_path / "half"
    Image.new("L", (40, 40)).save(
        (folder / "covid").mkdir(parents=True) or folder / "covid" / "a.png"
    )
    with user_error("No images in non"):
        manifest.external(folder)
    (folder / "non").mkdir()
    for name in ("b.png", "c.jpg"):
        (folder / "non" / name).write_text("no picture")
    with user_error("(?s)2 of 3 images.*b.png.*c.jpg"):
        manifest.external(folder)


def test_an_external_folder_of_known_images_only_is_refused(outside, tmp_path):
    folder = tmp_path / "same"
    shutil.copytree(outside.data / "train", folder)
    run = changed(outside, external=str(folder))
    assert (manifest.external(folder).label == 1).sum() == 12
    with user_error("one class of the external folder are in"):
        external.run(run)


def test_a_radiograph_that_was_packed_anew_and_renamed_is_recognised(run, outside):
    twin = next(iter(sorted((run.data / "test" / "non").iterdir())))
    picture = images.open_radiograph(twin)
    picture.save(Path(outside.profile.external) / "non" / "another.jpg", quality=60)
    assert external.run(outside)["duplicates_dropped"] == 2
    path = outside.model_folder("squeezenet", 0) / "external.csv"
    table = pd.read_csv(path, keep_default_na=False)
    assert dict(zip(table.image, table.duplicate, strict=True))["non/another.jpg"] == "picture"


def test_the_first_image_of_a_folder_may_be_a_known_one_and_names_are_those_of_files(run, outside):
    folder = Path(outside.profile.external)
    twin, other = sorted((run.data / "test" / "non").iterdir())[:2]
    images.open_radiograph(twin).save(folder / "non" / "0.jpg", quality=60)
    # of another radiograph, deeper in the folder: only the name is known
    named = folder / "covid" / "deep" / other.name
    draw(named, 990)
    external.run(outside)
    path = outside.model_folder("squeezenet", 0) / "external.csv"
    table = pd.read_csv(path, keep_default_na=False)
    reason = dict(zip(table.image, table.duplicate, strict=True))
    assert table.image[0] == "non/0.jpg" and reason["non/0.jpg"] == "picture"
    assert reason[named.relative_to(folder).as_posix()] == "name"


def test_what_is_known_of_external_images_is_taken_from_their_table(tmp_path):
    for name in ("covid/a.png", "covid/b.png", "non/00001234_005.png", "non/c.png"):
        draw(tmp_path / name, 1)
    rows = [["covid/a.png", "p1", "AP", "Hannover"], ["non/c.png", "p1", "", "Hannover"]]
    table = pd.DataFrame(rows, columns=["image", "patient", "view", "source"])
    table.to_csv(tmp_path / "metadata.csv", index=False)
    found = manifest.external(tmp_path).set_index("image")
    assert found.patient.to_dict() == {
        "covid/a.png": "listed p1", "covid/b.png": "by path covid/b.png",
        "non/00001234_005.png": "ChestX-ray8 00001234", "non/c.png": "listed p1",
    }  # fmt: skip
    assert found.source.tolist() == ["ChestX-ray8", "Hannover", "Hannover", ""]
    assert found.loc["covid/a.png", "view"] == "AP" and not external.coincide(found)
    assert external.coincide(found[found.patient != "listed p1"])
    table.assign(image="covid/a.png").to_csv(tmp_path / "metadata.csv", index=False)
    with user_error("lists more than once"):
        manifest.external(tmp_path)
    draw(tmp_path / "non" / "a.png", 2)
    table.assign(image=["a.png", "non/c.png"]).to_csv(tmp_path / "metadata.csv", index=False)
    with user_error("has one name for several images"):
        manifest.external(tmp_path)


def test_each_source_is_evaluated_by_itself_and_by_patients():
    """By hand: of ten images of one source's two patients six are found; of the other's all."""
    of = pd.DataFrame({
        "label": [1] * 14 + [0] * 4, "score": [0.9] * 6 + [0.1] * 4 + [0.9] * 4 + [0.1] * 4,
        "patient": list("aaaaaabbbb") + list("cdef") + list("ghij"),
        "source": ["one"] * 10 + ["two"] * 4 + ["three"] * 4,
    })  # fmt: skip
    rows = pd.DataFrame(external.quantities(of, 0.5)).set_index("set")
    one, two = rows.loc["COVID-19, one"], rows.loc["COVID-19, two"]
    assert (one.value, one.low, one.high) == (0.6, 0, 1)  # by images 0.31 to 0.83
    assert (one.images, one.patients) == (10, 2)
    assert two.value == 1 and two.low == pytest.approx(0.51, abs=0.01) and "Wilson" in two.method
    assert rows.loc["Non-COVID, three"].value == 1 and rows.quantity.iloc[-1] == "auc"


def test_scores_are_counted_in_equal_bins():
    inside = pd.DataFrame({"label": [1, 1, 0], "score": [0.0, 1.0, 0.5]})
    found = external.histograms(inside, inside[:0])
    half = external.BINS // 2
    assert found["COVID-19, test"] == [1, *[0] * (external.BINS - 2), 1]
    assert found["Non-COVID, test"] == [int(i == half) for i in range(external.BINS)]
    assert set(map(sum, found.values())) == {0, 1, 2}


def test_models_are_judged_only_where_it_is_known_what_they_saw(untrained):
    with user_error("seen.csv is not there, or not whole: run notebook 03_training"):
        external.run(untrained)
