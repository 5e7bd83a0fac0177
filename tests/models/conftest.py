"""Phantoms with lung masks, and a segmenter fitted on them."""

from pathlib import Path

import pytest

from deepcovid import imports
from deepcovid.data import manifest, phantom
from deepcovid.models import lungs


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    counts = dict(zip(phantom.GROUPS, (12, 12, 8, 8), strict=True))
    return phantom.write(tmp_path_factory.mktemp("drawn") / "phantom", 0, counts, 96)


@pytest.fixture(scope="session")
def segmenter(drawn):
    table = manifest.make(drawn, 0.0)
    return lungs.fit(*lungs.pairs(table[table.split == "train"], drawn), epochs=25)


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Makes a module look as if a line were added to its file."""

    def edit(module):
        path = tmp_path / f"{module.__name__}.py"
        path.write_text(Path(module.__file__).read_text("utf-8") + "\nADDED = 1\n")
        monkeypatch.setattr(module, "__file__", str(path))
        monkeypatch.setitem(imports.modules(), module.__name__.removeprefix("deepcovid."), path)

    return edit
