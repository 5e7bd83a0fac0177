"""A small drawn dataset that a test may spoil, and what it may do to it."""

import shutil

import pytest
from PIL import Image

from deepcovid import profiles
from deepcovid.data import audit, manifest, phantom
from imageaudit import matching

COUNTS = dict(zip(phantom.GROUPS, (8, 12, 6, 12), strict=True))


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Phantoms of 26 patients or so; the demo's drawing, fewer."""
    return phantom.write(tmp_path_factory.mktemp("audit") / "phantom", 0, COUNTS, 160)


@pytest.fixture(scope="session")
def searched(tmp_path_factory):
    """Where searches for doubles are kept, for all tests: by what was searched."""
    return tmp_path_factory.mktemp("searched")


@pytest.fixture
def own(drawn, searched, tmp_path, monkeypatch):
    """A profile on a copy of `drawn` that a test may spoil."""
    monkeypatch.setattr(profiles, "RUNS", tmp_path / "runs")
    (tmp_path / "runs" / "features").mkdir(parents=True)
    (tmp_path / "runs" / "features" / "signatures").symlink_to(searched)
    shutil.copytree(drawn, tmp_path / "own")
    return profiles.load("demo", {"data": str(tmp_path / "own")})


@pytest.fixture
def audited():
    def make(run):
        manifest.run(run)
        return audit.run(run)

    return make


@pytest.fixture
def plant():
    """Save a resized, compressed double of an image.

    It is not cropped: phantoms are so alike that a cropped one's double is sometimes not among the
    candidates that are laid over it. What is found of cropped ones is tested of the rule itself.
    """

    def save(source, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        matching.degrade(Image.open(source), edge=0).save(target, "JPEG", quality=80)

    return save
