"""No route tests a model by images that it saw: twins are planted before each."""

import shutil

import pandas as pd
import pytest
from conftest import changed, prepared
from planted import film, plant, stranger

from deepcovid import profiles
from deepcovid.data import manifest
from deepcovid.data.duplicates import unseen
from deepcovid.fair_test import collection, severity, study, training_data
from deepcovid.models import training
from deepcovid.models.run import Run
from deepcovid.shortcuts import external, mitigation


@pytest.fixture(scope="module")
def films(data, tmp_path_factory):
    """A data folder with a training and a test radiograph of each class, and a collection."""
    folder = tmp_path_factory.mktemp("films")
    shutil.copytree(data, folder / "own")
    for seed, (split, name) in enumerate(
        (s, n) for s in ("train", "test") for n in ("covid", "non")
    ):
        film(folder / "own" / split / name / f"harbour-{split}-{name}.png", seed)
    film(folder / "collection" / "covid" / "ours.png", 50)
    stranger(folder / "collection" / "non", 3)
    described(folder / "collection")
    return folder


@pytest.fixture
def laid(films, tmp_path, monkeypatch):
    """A run on copies of `films`."""
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    shutil.copytree(films, tmp_path, dirs_exist_ok=True)
    settings = {"data": str(tmp_path / "own"), "collection": str(tmp_path / "collection"),
                "models": "squeezenet", "image_size": 64, "epochs": 3, "learning_rate": 1e-2,
                "augment_positives": 2}  # fmt: skip
    profile = profiles.load("demo", settings)
    return Run(prepared(changed(profile, external=str(tmp_path / "there"))))


def described(rest):
    """A collection's `metadata.csv`: each image of a patient of its own."""
    rows = [
        {"name": path.name, "finding": "any", "patientid": path.stem} for path in rest.glob("*/*.*")
    ]
    pd.DataFrame(rows).to_csv(rest / "metadata.csv", index=False)


def reasons(found: pd.DataFrame, column: str) -> dict[str, str]:
    return dict(zip(found.image.str.split("/").str[-1], found[column], strict=True))


def test_external_images_are_compared_with_all_that_a_model_saw(laid, tmp_path):
    there = tmp_path / "there"
    expected = plant(there / "non", laid.data / "train" / "covid" / "harbour-train-covid.png")
    expected |= dict.fromkeys(stranger(there / "covid", 2), "")
    training.run(laid, "squeezenet", 0)
    table = manifest.external(there)
    _, _, found = next(external.with_duplicates(laid, table))
    assert reasons(found, "duplicate") == expected


def test_a_fair_folder_remembers_names_and_patients(laid, tmp_path):
    """Its prefixes hide no twin, and a patient is known although cases are numbered anew."""
    made = collection.fair_data(laid)
    fair = Run(prepared(changed(laid.profile, data=str(made), augment_positives=1)))
    there = tmp_path / "there"
    expected = plant(there / "covid", laid.data / "train" / "covid" / "harbour-train-covid.png")
    film(there / "non" / "another.png", 60)
    pd.DataFrame({"image": ["non/another.png"], "patient": ["ours"]}).to_csv(
        there / "metadata.csv", index=False
    )
    table = manifest.external(there)
    table["patient"] = table.patient.replace("listed ours", "covid-chestxray ours")
    found = unseen(table, fair.everything(), fair.signatures)
    assert reasons(found, "reason") == expected | {"another.png": "patient"}


def test_candidates_are_tested_by_nothing_of_collection_or_release(laid, tmp_path):
    there = tmp_path / "there"
    plant(there / "covid", tmp_path / "collection" / "covid" / "ours.png")
    plant(there / "non", laid.data / "train" / "non" / "harbour-train-non.png")
    film(there / "covid" / "alone.png", 70), film(there / "non" / "alone.png", 71)
    of = training_data.images_of(laid, collection.of(laid))
    assert of.image[of.source == "external"].tolist() == ["non/alone.png", "covid/alone.png"]


def test_no_model_within_the_collection_is_fitted_on_a_twin_from_the_release(laid, tmp_path):
    plant(tmp_path / "collection" / "non", laid.data / "train" / "non" / "harbour-train-non.png")
    described(tmp_path / "collection")
    for name in ("covid", "non"):
        film(tmp_path / "there" / name / "alone.png", 80 + len(name))
    of = training_data.images_of(laid, collection.of(laid))
    assert "train/non/harbour-train-non.png" not in set(of.image[of.source == "other"])


def test_the_steps_of_the_mitigation_are_tested_by_no_twin(laid, tmp_path):
    there = tmp_path / "there"
    expected = plant(there / "non", laid.data / "test" / "non" / "harbour-test-non.png")
    expected |= dict.fromkeys([*stranger(there / "covid", 2), "b.png"], "")
    film(there / "non" / "b.png", 72)
    data = mitigation.Data(laid)
    assert {name for name, reason in expected.items() if not reason} == {
        image.split("/")[-1] for image in data.of.image[data.external]
    }
    assert data.of.image[data.external].tolist() == [
        "non/b.png",
        "covid/stranger-0.png",
        "covid/stranger-1.png",
    ]


def test_negatives_and_graded_images_that_are_twins_of_trained_ones_are_out(
    laid, tmp_path, monkeypatch
):
    rest = tmp_path / "collection"
    planted = plant(rest / "covid", laid.data / "train" / "covid" / "harbour-train-covid.png")
    described(rest)
    training.run(laid, "squeezenet", 0)
    table = collection.with_trained(laid, collection.of(laid))
    there = table[table.part == "collection"]
    assert set(there.image[there.trained].str.split("/").str[-1]) == set(planted) - {
        "same file.png"
    }
    graded = [f"covid/{path.name}" for path in (rest / "covid").iterdir()]
    sums = pd.DataFrame({"image": graded, "S-Global": 3, "J-Global": 3})
    sums.to_csv(rest / "severity.csv", index=False)
    run = changed(laid, severity=str(rest / "severity.csv"))
    untrained = lambda _, fresh, bank: [("untrained: squeezenet", [0.5] * len(fresh))]  # noqa: E731
    monkeypatch.setattr(severity, "floors", untrained)
    found = severity.compare(run, table, study.scored(run, table), None)
    assert (found.images == len(graded) - len(planted)).all()


def test_twins_within_the_collection_are_on_one_side_of_every_fold(laid, tmp_path):
    rest = tmp_path / "collection"
    plant(rest / "covid", rest / "covid" / "ours.png")
    (rest / "covid" / "same file.png").unlink()  # the same bytes are one image already
    described(rest)
    table = collection.of(laid)
    twins = table.image.str.contains("ours.png|printed.jpg")
    assert twins.sum() == 4 and table.group[twins].nunique() == 1
    assert not set(table.group[twins]) & set(table.group[~twins])
