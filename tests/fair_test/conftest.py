"""A trained run of small drawn pictures with a collection beside it."""

import shutil

import pandas as pd
import pytest
from conftest import draw, prepared

from deepcovid import profiles
from deepcovid.models import scoring, training
from deepcovid.models.run import Run

SIZE = 48


def corner(path, value: int) -> None:
    """Plant a source's mark: a square of a grey level in the upper left corner."""
    import numpy as np
    from PIL import Image

    pixels = np.array(Image.open(path))
    pixels[:12, :12] = value
    Image.fromarray(pixels).save(path)


def source(folder, covid: int, non: int, marked: dict, ill: int, seed: int) -> None:
    """`covid` and `non` pictures; `ill` brightens the middle of the first, `marked` says by class
    whose corner is white."""
    for name, count in (("covid", covid), ("non", non)):
        for i in range(count):
            path = folder / name / f"{name}-{seed + i}.png"
            draw(path, seed + 1000 * (name == "non") + i, ill if name == "covid" else 0, SIZE)
            corner(path, 255 if marked[name] else 0)


def collection(folder, marked: dict, ill: int, per_class: int = 20):
    """A collection of `per_class` images of each class, each a case of its own, of three sites."""
    source(folder, per_class, per_class, marked, ill, seed=5000)
    rows = [
        {"name": path.name, "finding": "COVID-19" if path.parent.name == "covid" else "Other",
         "patientid": path.stem, "case": f"case {path.stem}", "published_at": f"site {i % 3}"}
        for i, path in enumerate(sorted(folder.glob("*/*.png")))
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
    return folder


def opened(folder) -> Run:
    """The run on `folder/data`, whose manifest and training table are written."""
    settings = {"data": str(folder / "data"), "collection": str(folder / "collection"),
                "models": "resnet18", "image_size": 64, "epochs": 20, "learning_rate": 1e-2,
                "augment_positives": 1}  # fmt: skip
    return Run(prepared(profiles.load("demo", settings)))


def trained(folder, marked: dict, ill: int):
    """A folder with a trained run on images whose classes differ by `marked` and `ill`; see `source`."""
    for k, split in enumerate(("train", "test")):
        source(folder / "data" / split, 24, 24, marked, ill, seed=100 + 400 * k)
    collection(folder / "collection", {"covid": True, "non": True}, ill)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "RUNS", folder / "runs")
        run = opened(folder)
        training.run(run, "resnet18", 0)
        scoring.run(run, "resnet18", 0)
    return folder


@pytest.fixture(scope="session")
def trained_confounded(tmp_path_factory):
    """Source and class are the same: COVID-19 comes from the marked source, which alone tells it."""
    return trained(tmp_path_factory.mktemp("confounded"), {"covid": True, "non": False}, 0)


@pytest.fixture(scope="session")
def trained_honest(tmp_path_factory):
    """All images are of one source; the disease alone tells the classes apart."""
    return trained(tmp_path_factory.mktemp("honest"), {"covid": True, "non": True}, 90)


def copied(folder, tmp_path, monkeypatch) -> Run:
    """A run of one's own on copies of all that is in `folder`."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    return opened(tmp_path)


@pytest.fixture
def confounded(trained_confounded, tmp_path, monkeypatch) -> Run:
    return copied(trained_confounded, tmp_path, monkeypatch)


@pytest.fixture
def honest(trained_honest, tmp_path, monkeypatch) -> Run:
    return copied(trained_honest, tmp_path, monkeypatch)
