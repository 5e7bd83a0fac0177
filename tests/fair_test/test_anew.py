"""What is kept is made anew when what it was made from has changed."""

from types import SimpleNamespace

import pandas as pd
import pytest
from conftest import changed

from deepcovid.data import phantom
from deepcovid.fair_test import drawn, right_data, study
from deepcovid.models import features
from deepcovid.models.run import Run


@pytest.fixture
def table():
    return pd.DataFrame({"image": ["a", "b"], "sha1": ["1", "2"], "label": [0, 1], "path": "x"})


def test_a_result_hangs_on_settings_images_weights_preparation_and_code(run, table, monkeypatch):
    known = run.depends(table, "fair_test.within")
    others = [changed(run, threshold=0.3), changed(run, models=("resnet18",)), changed(run, weights="random", seeds=(5,)),
              changed(run, preprocessing=("grey",))]  # fmt: skip
    found = {other.depends(table, "fair_test.within") for other in others}
    found.add(run.depends(table.assign(sha1=["1", "3"]), "fair_test.within"))
    found.add(run.depends(table, "fair_test.right_data"))
    monkeypatch.setattr(features, "code", lambda *_: "other")
    found.add(run.depends(table, "fair_test.within"))
    assert len(found) == 7 and known not in found
    other = type(run)(run.profile)
    monkeypatch.setattr(other, "build", lambda name, seed: Run.build(run, name, seed + 1))
    assert other.depends(table, "fair_test.within") not in found | {known}


def test_candidates_are_measured_anew_for_other_code_and_another_segmenter(
    run, table, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(right_data, "candidates", lambda _: ["one"])
    monkeypatch.setattr(right_data, "row", lambda *_: asked.append(1) or {})
    bench = SimpleNamespace(of=table, run=run, prepare=lambda _: SimpleNamespace(variant="first"))
    for _ in range(2):
        list(right_data.measured(bench, tmp_path))
    assert len(asked) == 1
    bench.prepare = lambda _: SimpleNamespace(variant="fitted anew")
    list(right_data.measured(bench, tmp_path))
    monkeypatch.setattr(features, "code", lambda *_: "other")
    list(right_data.measured(bench, tmp_path))
    assert len(asked) == 3


def test_folds_are_computed_anew_for_other_code_of_any_module(run, table, monkeypatch):
    asked = []

    def within(opened, table):
        asked.append(1)
        for name in ("within", "sites"):
            path = opened.folder / "fair_test" / f"{name}.csv"
            path.parent.mkdir(exist_ok=True)
            path.write_text("a\n1\n")

    run = changed(run, collection="any")
    monkeypatch.setattr(study.collection, "of", lambda _: table)
    monkeypatch.setattr(study.collection, "with_trained", lambda _, table: table)
    monkeypatch.setattr(study.swap, "run", lambda *_: table)
    monkeypatch.setattr(study.within, "run", within)
    for _ in range(2):
        study.run(run)
    assert len(asked) == 1
    monkeypatch.setattr(features, "code", lambda *_: "other")
    study.run(run)
    assert len(asked) == 2


def test_what_is_drawn_is_drawn_anew_by_other_code(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn, "COUNTS", {("test", "covid"): 1, ("test", "non"): 1})
    real, drawings = phantom.write, []
    monkeypatch.setattr(phantom, "write", lambda *a, **k: drawings.append(a[0]) or real(*a, **k))
    for _ in range(2):
        drawn.collection(tmp_path)
    assert len(drawings) == 1
    monkeypatch.setattr(drawn, "code", lambda *_: "other")
    drawn.collection(tmp_path)
    assert len(drawings) == 2
