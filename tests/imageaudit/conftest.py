"""Small datasets of drawn pictures."""

from pathlib import Path

import pytest
from conftest import draw


@pytest.fixture
def dataset(tmp_path):
    """Writes `count` pictures of each class into `data/`, each of a patient of its own."""

    def write(classes=("left", "right"), count: int = 14, splits=("",), bright=None) -> Path:
        seed = 0
        for split in splits:
            for name in classes:
                for i in range(count):
                    seed += 1
                    path = tmp_path / "data" / split / name / f"{seed}-{i}.png"
                    draw(path, seed, (bright or {}).get(name, 0))
        return tmp_path / "data"

    return write
