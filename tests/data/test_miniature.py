"""The miniature: the flaw is there or it is not, and all that the study reads is drawn at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepcovid import profiles
from deepcovid.data import manifest, miniature, phantom
from deepcovid.fair_test import collection, severity
from deepcovid.heatmaps import masks
from deepcovid.models.run import Run
from deepcovid.runs import UserError, state

FEW = dict.fromkeys(phantom.GROUPS + phantom.BESIDE, 8)
draw = miniature.draw


@pytest.fixture(scope="module")
def flawed(tmp_path_factory):
    return miniature.draw(tmp_path_factory.mktemp("drawn") / "flawed", counts=FEW)


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return miniature.draw(tmp_path_factory.mktemp("drawn") / "honest", honest=True, counts=FEW)


def modes(folder, group: str) -> set[str]:
    return {Image.open(path).mode for path in folder.glob(f"{group}/*.jpg")}


def test_where_an_image_was_taken_tells_the_class_only_in_the_flawed_miniature(flawed, honest):
    for split in ("train", "test"):
        assert modes(flawed, f"data/{split}/covid") == {"RGB"}
        assert modes(flawed, f"data/{split}/non") == {"L"}
    for kind in ("covid", "non"):
        assert modes(honest, f"data/*/{kind}") == {"RGB", "L"}
        for folder in (flawed, honest):  # the fair negatives are taken as COVID-19 is
            assert modes(folder, f"collection/{kind}") == {"RGB"}
            assert modes(folder, f"external/{kind}") == {"L"}


def test_three_places_differ_at_the_border_and_nobody_is_in_two(flawed):
    def border(group):
        grey = [np.array(Image.open(path).convert("L")) for path in flawed.glob(f"{group}/*.jpg")]
        return np.mean(
            [np.r_[g[:6].ravel(), g[-6:].ravel(), g[:, :6].ravel()].mean() for g in grey]
        )

    covid, fair, other, there = map(
        border, ("data/*/covid", "collection/non", "data/*/non", "external/*")
    )
    assert abs(covid - fair) < 25 < min(abs(covid - other), abs(fair - other))
    assert other + 15 < there < covid - 15
    places = ("data/train/*", "data/test/*", "collection/*", "external/*")
    people = [{p.name.split("-")[1] for p in flawed.glob(f"{place}/*.jpg")} for place in places]
    assert len(set.union(*people)) == sum(map(len, people))


def test_tables_and_masks_are_what_the_study_reads(flawed):
    table = manifest.make(flawed / "data", 0)
    assert table.patient.str.startswith("phantom").all()
    assert set(table.finding[table.label == 1]) == {"COVID-19"} != set(table.finding)
    assert manifest.external(flawed / "external").label.value_counts().tolist() == [8, 8]
    listed = pd.read_csv(flawed / "external" / "metadata.csv").set_index("image")
    assert set(listed.index) == set(manifest.external(flawed / "external").image)
    beside = collection.outer(flawed / "collection")
    assert set(beside.site) == set(miniature.SITES) and "COVID-19" not in set(
        beside.finding[beside.label == 0]
    )
    masks = list((flawed / "data" / "lesion-masks").rglob("*.png"))
    own = [FEW[group] for group in phantom.GROUPS]
    assert len(masks) == sum(min(miniature.MASKED, count) for count in own)
    for path in masks:
        image = (
            flawed / "data" / path.relative_to(flawed / "data" / "lesion-masks").with_suffix(".jpg")
        )
        assert Image.open(path).size == Image.open(image).size
        assert np.array(Image.open(path)).any() == (not path.name.startswith("No Finding"))


def test_grades_follow_the_lesion_and_the_second_rater_slips_a_little(flawed):
    grades = masks.read_grades(flawed / "severity.csv", [*masks.SENIOR, *masks.JUNIOR], 3)
    assert {Path(path).parent.name for path in grades.index} == {"covid"} and len(grades) == 24
    senior, junior = (grades[columns].to_numpy() for columns in (masks.SENIOR, masks.JUNIOR))
    assert 0 < (senior != junior).mean() < 0.5 and np.abs(senior - junior).max() == 1
    lungs = np.zeros((30, 30), bool)
    lungs[3:27, 2:13] = lungs[3:27, 17:28] = True
    lesion = np.zeros_like(lungs)
    lesion[19:27, 2:13] = True
    found = miniature.graded(lesion, lungs, seed=0)
    assert [found[f"S-{zone}"] for zone in "ABCDEF"] == [0, 0, 3, 0, 0, 0] and found[
        "S-Global"
    ] == 3


def test_all_that_steps_depend_on_is_drawn_before_the_first_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "RUNS", tmp_path)
    monkeypatch.setattr(miniature, "draw", lambda to, is_honest: draw(to, is_honest, counts=FEW))
    profile = profiles.load("demo", {"models": "squeezenet"})
    miniature.run(profile)
    places = profile.data_folder, profile.external, profile.collection, profile.severity
    before = [state(place) for place in places]
    assert state("") not in before
    manifest.run(profile)
    table = collection.of(Run(profile))
    assert len(severity.graded(Run(profile), table)) == 24
    assert [state(place) for place in places] == before


def test_a_profile_names_what_is_drawn_beside_its_data(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "RUNS", tmp_path)
    flawed, honest = (profiles.load("demo", {"data": d}) for d in ("phantom", "phantom-honest"))
    assert flawed.data_folder != honest.data_folder and flawed.external != honest.external
    assert flawed.drawn and honest.drawn and not profiles.load("paper").drawn


def test_a_folder_with_something_in_it_is_kept(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=tmp_path.name):
        miniature.draw(tmp_path, counts=FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
