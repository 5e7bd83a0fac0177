"""A small data folder and profile that tests share. Nothing here needs a GPU or a network."""

import dataclasses
import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deepcovid import profiles, runs
from deepcovid.data import augmentation, manifest
from deepcovid.models.run import Run

gc.disable()  # until all tests are imported
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
SHARED = Path(__file__).resolve().parents[2] / "shared"

# begun first: a file goes to one process as a whole, and a long one that comes last is waited for alone
LONG = ("test_slurm.py", ".ipynb", "test_cli.py", "test_stale.py", "test_site.py", "test_lungs.py",
        "test_interruption.py", "test_mitigation.py", "test_lab.py")  # fmt: skip


def pytest_collection_modifyitems(items):
    def rank(item) -> int:
        found = (i for i, end in enumerate(LONG) if item.path.name.endswith(end))
        return next(found, len(LONG))

    items.sort(key=rank)


def pytest_collection_finish():
    """Python need not look for garbage among all that was imported: a tenth of the time."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure():
    gc.unfreeze()


def draw(path: Path, seed: int, bright: int = 0, size: int = 48) -> None:
    """A smooth grey picture; `bright` lifts a square in its middle, for a model to learn."""
    rng = np.random.default_rng(seed)
    pixels = np.kron(rng.integers(60, 120, (6, 6)), np.ones((size // 6, size // 6)))
    pixels[size // 3 : -size // 3, size // 3 : -size // 3] += bright
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """`train|test / covid|non`: 12 and 24 training images, 8 and 12 test images, all of patients
    of their own but for covid-phantom 0 and 1, who have two training images each."""
    folder = tmp_path_factory.mktemp("data")
    seed = 0
    for split, covid, non in (("train", 12, 24), ("test", 8, 12)):
        for i in range(covid):
            patient = (i // 2 if i < 4 else i) + (500 if split == "test" else 0)
            seed += 1
            draw(folder / split / "covid" / f"covid-phantom{patient:05d}-{i}.png", seed, 70)
        for i in range(non):
            seed += 1
            finding = ("No Finding", "Edema")[i % 2]
            draw(folder / split / "non" / f"{finding}-phantom{seed + 1000:05d}-study1.png", seed)
    return folder


@pytest.fixture
def profile(data, tmp_path, monkeypatch) -> profiles.Profile:
    """A quick run on `data` in a folder of its own, its manifest and training table written."""
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    run = profiles.load(
        "demo",
        {
            "data": str(data),
            "models": "squeezenet",
            "image_size": 64,
            "epochs": 3,
            "learning_rate": 1e-2,
            "augment_positives": 2,
        },
    )
    return prepared(run)


@pytest.fixture
def run(profile) -> Run:
    """The opened run of `profile`."""
    return Run(profile)


def prepared(profile: profiles.Profile) -> profiles.Profile:
    """The profile, once its manifest and training table are written."""
    manifest.run(profile)
    augmentation.run(profile)
    return profile


def changed(given, **settings):
    """A profile, or an opened run, with other settings; the given one stays as it was."""
    if isinstance(given, Run):
        return Run(changed(given.profile, **settings))
    return dataclasses.replace(given, **settings)


def user_error(match: str):
    return pytest.raises(runs.UserError, match=match)
