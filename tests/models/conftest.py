"""Phantoms with lung masks, and code that looks changed."""

from pathlib import Path

import pytest

from deepcovid import imports
from deepcovid.data import phantom


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    counts = dict(zip(phantom.GROUPS, (12, 12, 8, 8), strict=True))
    return phantom.write(tmp_path_factory.mktemp("drawn") / "phantom", 0, counts, 96)


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Makes a module look as if a line were added to its file."""

    def edit(module):
        path = tmp_path / f"{module.__name__}.py"
        path.write_text(Path(module.__file__).read_text("utf-8") + "\nADDED = 1\n")
        monkeypatch.setattr(module, "__file__", str(path))
        monkeypatch.setitem(imports.modules(), module.__name__, path)

    return edit
