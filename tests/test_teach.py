"""The blocks of docs/teach.md run as they are written, on fewer images, and show what it says."""

import re
from functools import partial

import pandas as pd
import pytest
from conftest import prepared

from deepcovid import profiles
from deepcovid.data import miniature, phantom
from deepcovid.runs import ROOT
from imageaudit import duplicates

PAGE = (ROOT / "docs" / "teach.md").read_text(encoding="utf-8")
COUNTS = dict(zip(phantom.GROUPS + phantom.BESIDE, (8, 40, 8, 24, 1, 1, 1, 1), strict=True))


@pytest.fixture
def exercises(tmp_path, monkeypatch) -> dict:
    """The blocks of each exercise by its number; `demo` is a small miniature in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(miniature, "SIZE", 64)
    monkeypatch.setattr(miniature, "draw", partial(miniature.draw, counts=COUNTS))
    # doubles are not what is taught, and take most of the time
    none = pd.DataFrame(columns=duplicates.COLUMNS)
    monkeypatch.setattr(duplicates, "find_duplicates", lambda table, pictures: none)
    monkeypatch.setattr(duplicates, "DEGRADED", 2)
    return {
        int(part[0]): re.findall(r"```python\n(.*?)```", part, re.DOTALL)
        for part in PAGE.split("\n## ")[1:]
    }


def test_the_exercises_run_as_they_are_written(exercises, monkeypatch):
    settings = {"models": "squeezenet", "epochs": 60, "learning_rate": 1e-3}
    profile = profiles.load("demo", settings)
    monkeypatch.setattr(profiles, "load", lambda name, overrides: profile)
    miniature.run(profile)
    prepared(profile)
    names = {}
    for number in (1, 2, 3):
        assert exercises[number]
        for block in exercises[number]:
            exec(block, names)
    good, failed, weighted = (names[name] for name in ("good", "failed", "weighted"))
    assert failed["sensitivity"] == 0 and failed["specificity"] == 1
    assert failed["accuracy"] == 24 / 32 and failed["auc"] > 0.9
    assert min(good["sensitivity"], weighted["sensitivity"]) > 0.25
    flawed, honest = names["flawed"], names["honest"]
    assert min(flawed.values()) > 0.9
    assert honest["border, no lungs"] < 0.75 and honest["mean grey level"] < 0.75
    assert (
        names["caught"].alarm
        and "border" in names["caught"].findings.index[names["caught"].findings.raised]
    )
    assert not names["missed"].alarm and names["secret"] == 1
