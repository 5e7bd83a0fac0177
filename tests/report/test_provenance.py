"""Cards of models follow from the files beside them."""

import pandas as pd
import pytest
from conftest import user_error

from deepcovid import profiles
from deepcovid.report import provenance
from deepcovid.runs import RESULTS, UserError, read_json


@pytest.mark.parametrize(
    "folder", sorted(RESULTS.glob("*/run.json")), ids=lambda path: path.parent.name
)
def test_a_published_card_is_that_of_the_run(folder):
    folder, external = folder.parent, []
    made = read_json(folder / "run.json")
    if (folder / "external.json").is_file():
        external = read_json(folder / "external.json")["models"]
    mixed = folder.name == "fair"  # trained on a collection with images of both classes
    for model in made["profile"]["models"]:
        text = provenance.card(model, made, pd.read_csv(folder / "metrics.csv"), external, mixed)
        assert (folder / model / "card.md").read_text() == text


def test_a_card_says_whether_the_source_tells_the_class():
    apart = pd.DataFrame({"source": ["a", "a", "b"], "label": [1, 1, 0]})
    shared = pd.DataFrame({"source": ["a", "a", "b", "b"], "label": [1, 0, 0, 1]})
    partly = pd.concat([shared, pd.DataFrame({"source": ["c"], "label": [0]})])
    assert [provenance.sources_are_mixed(t) for t in (apart, shared, partly)] == [
        False,
        True,
        False,
    ]


def test_a_study_is_published_once_all_its_runs_may_be(tmp_path, monkeypatch):
    looked, copied, unfinished = [], [], []

    def refuse(run):
        if run.profile.name in unfinished:
            raise UserError("no finished run")

    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(provenance, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(provenance, "record", lambda profile: None)
    monkeypatch.setattr(provenance.Run, "model", lambda *_: None)
    monkeypatch.setattr(provenance, "refuse_unfinished", refuse)
    monkeypatch.setattr(provenance.pack, "verify", looked.append)
    monkeypatch.setattr(provenance.pack, "is_whole", lambda _: True)
    monkeypatch.setattr(provenance, "copy_run", lambda run, *_: copied.append(run.profile.name))
    settings = {"data": str(tmp_path / "release")}
    unfinished.append("real/fair")
    with user_error("no finished run"):
        provenance.publish("real", settings, replace=True)
    assert not copied
    unfinished.clear()
    provenance.publish("real", settings, replace=True)
    # what `fair` was trained on was made of the release, and is none
    assert looked == [tmp_path / "release"] and {"real/paper", "real/fair"} <= {*copied}
    monkeypatch.setattr(provenance.pack, "is_whole", lambda _: False)
    copied.clear()
    with user_error("is not that release"):
        provenance.publish("real", settings, replace=True)
    assert not copied
