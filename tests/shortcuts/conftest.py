"""What the tests of this wing share: phantoms that the alarm is held against."""

import pytest

from deepcovid import profiles
from deepcovid.data import phantom
from deepcovid.models.opened import Run
from deepcovid.shortcuts import calibration


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory):
    """A run, the alarms of its phantoms: two honest ones, one with each shortcut; their counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "RUNS", tmp_path_factory.mktemp("runs"))
        run = Run.open("demo", {"models": "squeezenet", "device": "cpu"})
        counts = dict.fromkeys(phantom.GROUPS, 30)
        yield run, calibration.calibrate(run, 2, 1, counts), counts
