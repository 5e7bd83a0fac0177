"""An opened run of two epochs."""

import pytest
from conftest import changed

from deepcovid.models.run import Run


@pytest.fixture
def run(profile):
    return Run(changed(profile, epochs=2))
