"""A trained run of small drawn pictures with a collection beside it."""

import pandas as pd
import pytest
from conftest import changed, draw, prepared

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


def trained(tmp_path, monkeypatch, marked: dict, ill: int, collected: dict) -> Run:
    """A run on a data folder whose classes differ by `marked` and `ill`; see `source`."""
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    for k, split in enumerate(("train", "test")):
        source(tmp_path / "data" / split, 24, 24, marked, ill, seed=100 + 400 * k)
    settings = {"data": str(tmp_path / "data"), "models": "resnet18", "image_size": 64, "epochs": 20,
                "learning_rate": 1e-2, "augment_positives": 1}  # fmt: skip
    settings["collection"] = str(collection(tmp_path / "collection", collected, ill))
    run = Run(prepared(profiles.load("demo", settings)))
    training.run(run, "resnet18", 0)
    scoring.run(run, "resnet18", 0)
    return run


@pytest.fixture
def confounded(tmp_path, monkeypatch) -> Run:
    """Source and class are the same: COVID-19 comes from the marked source, which alone tells it."""
    return trained(
        tmp_path, monkeypatch, {"covid": True, "non": False}, 0, {"covid": True, "non": True}
    )


@pytest.fixture
def honest(tmp_path, monkeypatch) -> Run:
    """All images are of one source; the disease alone tells the classes apart."""
    return trained(
        tmp_path, monkeypatch, {"covid": True, "non": True}, 90, {"covid": True, "non": True}
    )


__all__ = ["changed", "confounded", "honest"]
