"""Can a column be read from the picture, and is its relation to the class that of the test?"""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from imageaudit import relations
from imageaudit.examine import examine
from imageaudit.probes import Probe

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


def table(folder, site, label, split=None):
    """Pictures of noise, those of site `n` brighter to the left."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"path": [f"{i}.png" for i in range(len(site))], "label": label, "site": site,
                         "day": rng.permutation(np.arange(len(site)) % 2)})  # fmt: skip
    folder.mkdir(exist_ok=True)
    for name, where in zip(rows.path, site, strict=True):
        pixels = np.kron(rng.integers(60, 140, (8, 8)), np.ones((8, 8)))
        pixels[16:48, 8:24] += 60 * (where == "n")
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    rows = rows if split is None else rows.assign(split=split)
    rows.to_csv(folder / "t.csv", index=False)
    found = examine(folder / "t.csv", say=lambda _: None)
    return {f.kind: f for f in found.findings}


def test_a_site_that_shows_and_goes_with_the_label_is_dangerous(tmp_path):
    label = np.repeat(["a", "b"], 40)
    site = np.where(np.arange(80) % 40 < 32, np.where(label == "a", "n", "s"), np.where(label == "a", "s", "n"))  # fmt: skip
    found = table(tmp_path / "x", site, label)["visible"]
    by_name = {row["seen"]: row for row in found.rows}
    assert found.raised and by_name["site"]["visible"] and by_name["site"]["goes with the class"]
    assert by_name["site"]["asked within the classes"] and not by_name["day"]["visible"]
    even = table(tmp_path / "y", np.tile(["n", "s"], 40), label)["visible"]
    assert not even.raised and next(r for r in even.rows if r["seen"] == "site")["visible"]


def test_a_site_that_is_the_label_is_one_question(tmp_path):
    label = np.repeat(["a", "b"], 20)
    found = table(tmp_path / "x", np.where(label == "a", "n", "s"), label)["visible"]
    row = next(r for r in found.rows if r["seen"] == "site")
    assert found.raised and row["visible"] and not row["asked within the classes"]


def test_a_relation_of_training_that_the_test_lacks_is_named(tmp_path):
    label, split = np.tile(["a", "b"], 60), np.repeat(["train", "test"], 60)
    even = np.repeat(np.tile(["n", "s"], 30), 2)
    apart = np.where(split == "train", np.where(label == "a", "n", "s"), even)
    found = table(tmp_path / "x", apart, label, split)["shift"]
    assert found.raised and found.rows[0]["seen"] == "site"
    assert abs(found.rows[0]["more in train"]) == 1 and found.rows[0]["more in test"] == 0
    assert not [row for row in found.rows if row["seen"] == "day" and row["differs"]]
    same = np.where(label == "a", "n", "s")
    assert not table(tmp_path / "y", same, label, split)["shift"].raised


def test_what_goes_with_one_of_three_classes_hides_no_other_shift():
    """The mix of the other classes differs between the splits, so that its gap does, too."""
    counts = {("train", "a"): 60, ("train", "b"): 180, ("train", "c"): 18,
              ("test", "a"): 60, ("test", "b"): 18, ("test", "c"): 180}  # fmt: skip
    split, label = (np.repeat(part, [*counts.values()]) for part in zip(*counts, strict=True))
    rng = np.random.default_rng(0)
    north = np.where(label == "a", np.where(split == "train", 0.75, 0.25), 0.5)
    columns = {"site": np.where(rng.random(len(label)) < north, "n", "s"),
               "ward": np.where(rng.random(len(label)) < np.where(label == "c", 0.9, 0.1), "x", "y")}  # fmt: skip
    fitted = [(Probe("columns", name, np.zeros((len(label), 1)), 1.0, words=pd.Series(words)),)
              for name, words in columns.items()]  # fmt: skip
    people = pd.DataFrame(
        {"patient": np.arange(len(label)).astype(str), "label": label, "split": split}
    )
    rows = {row["seen"]: row for row in relations.of_shift(fitted, people, ["a", "b", "c"])[0].rows}
    assert rows["site"]["p"] < 0.05 < rows["ward"]["p"]
