"""Twins of a radiograph as other datasets have them, to be planted where something is judged."""

import shutil
from pathlib import Path

from conftest import draw
from PIL import Image

from deepcovid.data import phantom


def film(path: Path, seed: int, size: int = 192) -> Path:
    """A drawn radiograph with the detail by which radiographs are recognised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(phantom.radiograph("COVID-19", seed, size).image).save(path)
    return path


def plant(folder: Path, twin: Path, name: str | None = None) -> dict[str, str]:
    """Twins of the image `twin`, once called `name`, in a folder; by file name, why each is one.

    The same bytes renamed; cropped, compressed anew and renamed; other pictures of its name, with
    the prefix of a fair folder and as the release calls its copies.
    """
    name = name or twin.name
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(twin, folder / "same file.png")
    with Image.open(twin) as picture:
        width, height = picture.size
        edge = (round(0.04 * width), round(0.04 * height))
        part = picture.convert("L").crop((*edge, width - edge[0], height - edge[1]))
        part.save(folder / "printed.jpg", quality=60)
    draw(folder / f"0108-{name}", 8001)
    copy = f"covid_original_{name}_5e1cb1e0-0a0b-4c0d-8e0f-0123456789ab.png"
    draw(folder / copy, 8002)
    return {
        "same file.png": "bytes",
        "printed.jpg": "picture",
        f"0108-{name}": "name",
        copy: "name",
    }


def stranger(folder: Path, count: int) -> list[str]:
    """Images that are nobody's twins."""
    for i in range(count):
        film(folder / f"stranger-{i}.png", 7100 + i)
    return [f"stranger-{i}.png" for i in range(count)]
