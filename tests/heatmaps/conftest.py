"""A small network and inputs for it, and a trained run on phantoms, that the tests share."""

import shutil

import pytest
import torch
from conftest import changed, prepared

from deepcovid.data import phantom
from deepcovid.heatmaps import calibration
from deepcovid.models import scoring, training
from deepcovid.models.run import Run


@pytest.fixture(scope="module")
def model():
    """A small untrained network whose answers are not all alike."""
    made = calibration.network(0).eval().requires_grad_(False)
    made.head.weight *= 20
    return made


@pytest.fixture(scope="module")
def inputs():
    return torch.randn(3, 3, 30, 24, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Eight phantoms of each class and split, with their masks; not to be changed."""
    counts = {group: 8 for group in phantom.GROUPS}
    return phantom.write(tmp_path_factory.mktemp("drawn") / "phantoms", 0, counts, 64)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Where the training of `phantoms` is kept, once it was done."""
    return tmp_path_factory.mktemp("trained") / "squeezenet"


@pytest.fixture
def phantoms(profile, drawn, trained, tmp_path):
    """A trained run on a few phantoms, with the masks that a phantom has."""
    folder = tmp_path / "phantoms"
    shutil.copytree(drawn, folder)
    settings = {"data": str(folder), "epochs": 1, "augment_positives": 1}
    run = Run(prepared(changed(profile, **settings)))
    if trained.is_dir():
        shutil.copytree(trained, run.folder / "squeezenet")
        return run
    training.run(run, "squeezenet", 0)
    scoring.run(run, "squeezenet", 0)
    shutil.copytree(run.folder / "squeezenet", trained)
    return run
