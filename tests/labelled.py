"""Small folders and tables of labelled images, and what is understood of them."""

from collections import Counter
from pathlib import Path

from conftest import draw


def put(folder: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        draw(folder / name, seed, size=12)


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def classes(found) -> dict:
    return dict(Counter(found.table.label))


def told(found) -> str:
    return " ".join(found.notes)
