"""Networks together and ridge are candidates like the others; external images choose nothing."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepcovid.fair_test import training_data
from deepcovid.shortcuts.probing import Candidate

STEPS = ("downsample", "equalise")


@pytest.fixture
def data(monkeypatch, tmp_path):
    """Networks `a` and `b` that each see a part of the disease; border and framing see none."""
    monkeypatch.setattr(training_data.Data, "repeats", 1)
    random = np.random.default_rng(0)
    label = np.tile([0, 1], 120)
    source = np.repeat(["collection", "external"], [160, 80])
    of = pd.DataFrame({
        "label": label, "source": source, "group": [f"g{i // 4}" for i in range(240)],
        "site": [f"s{i // 4 % 3}" * (i < 160) for i in range(240)], "part": "collection",
    })  # fmt: skip
    features = {name: random.standard_normal((240, 20)) for name in "ab"}
    for name, column in (("a", 0), ("b", 3)):
        features[name][:, column] += 1.2 * label
    blank = random.standard_normal((240, 20))
    bank = SimpleNamespace(
        ablation=lambda steps, border, copy: border,
        encode_models=lambda of, border, names: dict.fromkeys("ab", blank) if border else features,
        framing=lambda of: blank[:, :5],
    )
    path = tmp_path / "any.png"
    Image.new("L", (8, 8)).save(path)
    return training_data.Data(of.assign(path=path), bank, "ab")


def test_six_candidates_see_with_all_networks_on_the_collection_alone():
    found = training_data.candidates(["a", "b"])
    together = [each for each in found if "+" in each.model]
    assert len(found) == len(set(found)) == 24 + 6
    assert {each.trained_on for each in together} == {"collection"}
    assert {each.classifier for each in together} == {"logistic", "ridge"}
    assert all("equalise" in each.preprocessing for each in together)
    assert len(training_data.candidates(["a"])) == 12  # with one network there is nothing to join


@pytest.mark.parametrize("classifier", training_data.CLASSIFIERS)
def test_networks_together_know_what_each_knows(data, classifier):
    alone = [training_data.row(data, Candidate("collection", name, STEPS)) for name in "ab"]
    both = training_data.row(data, Candidate("collection", "a+b", STEPS, classifier))
    for column in ("within", "site", "external"):
        assert both[column] > max(each[column] for each in alone)
    for blind in ("border", "frame", "external_border", "external_frame"):
        assert abs(both[blind] - 0.5) < 0.15
    assert both["within_low"] < both["within"] < both["within_high"]
    assert (both["external_positives"], both["external_negatives"]) == (40, 40)


def test_external_images_change_nothing_inside(data):
    candidate = Candidate("collection", "a+b", STEPS, "ridge")
    known = training_data.row(data, candidate)
    data.of.loc[data.external, "label"] = 1 - data.of.label[data.external]
    data.label = data.of.label.to_numpy()
    found = training_data.row(data, candidate)
    changed = {key for key in known if known[key] != found[key]}
    assert changed and all(key.startswith("external") for key in changed)
    assert found["external"] == pytest.approx(1 - known["external"])
