"""An opened run of two epochs, whose features are kept in a folder of its own."""

import pytest
from conftest import changed

from deepcovid import runs
from deepcovid.models.opened import Run


@pytest.fixture
def run(profile, monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    return Run(changed(profile, epochs=2))
