"""A drawn collection with both classes, its sites, and the severity of its lesions."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from deepcovid.data import phantom
from deepcovid.models.features import code
from deepcovid.runs import atomic_write, digest, is_fresh, write_stamp

COUNTS = {("test", "covid"): 60, ("test", "non"): 90}  # images
SITES = ("site a", "site b", "site c")  # of publication
GRADES = (0.01, 0.25, 0.5)  # share of a zone that is lesion, from which it is graded 1, 2, 3
SLIP = 0.3  # how often the second reader grades a zone one higher or lower


def collection(folder: Path) -> Path:
    """Draw the collection into a run's folder, once; its `covid|non` folder with `metadata.csv`.

    Its patients are not those of the run's own data. `severity.csv` there grades the lesions.
    """
    root = folder / "collection"
    found, stamp = (
        root / "test",
        digest([str(COUNTS), SITES, GRADES, SLIP, code("fair_test.drawn")]),
    )
    if is_fresh(found / "metadata.csv", stamp):
        return found
    if root.is_dir():  # drawn by other code or of other numbers
        shutil.rmtree(root)
    phantom.write(root, seed=1, counts=COUNTS, size=160)
    rows, grades = [], []
    for i, path in enumerate(sorted(found.glob("*/*.png"))):
        finding, _, patient = path.stem.partition("-phantom")
        covid = path.parent.name == "covid"
        rows.append({
            "name": path.name, "finding": "COVID-19" if covid else finding,
            "patientid": f"drawn {patient.partition('-')[0]}", "published_at": SITES[i % len(SITES)],
        })  # fmt: skip
        if covid:
            mask, lungs = (read(root / kind / "test" / "covid" / path.name)
                           for kind in ("lesion-masks", "lung-masks"))  # fmt: skip
            grades.append({"image": f"covid/{path.name}"} | graded(mask, lungs, seed=i))
    for name, table in {"severity.csv": grades, "metadata.csv": rows}.items():
        with atomic_write(found / name) as partial:
            pd.DataFrame(table).to_csv(partial, index=False)
    write_stamp(found / "metadata.csv", stamp)
    return found


def read(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.array(file.convert("1"))


def graded(lesion: np.ndarray, lungs: np.ndarray, seed: int) -> dict[str, int]:
    """Brixia grades of six zones by two readers, the second with slips, and their sums.

    Zones A, B, C: upper, middle, lower third of the lung at the image's left; D, E, F at its right.
    """
    half, found = lungs.shape[1] // 2, {}
    random = np.random.default_rng(seed)
    for letters, columns in (("ABC", slice(None, half)), ("DEF", slice(half, None))):
        rows = np.flatnonzero(lungs[:, columns].any(1))
        for letter, part in zip(letters, np.array_split(rows, 3), strict=True):
            lung = lungs[part, columns]
            share = (lesion[part, columns] & lung).sum() / max(lung.sum(), 1)
            grade = int(np.searchsorted(GRADES, share, side="right"))
            slip = int(random.choice([-1, 1])) if random.random() < SLIP else 0
            found |= {f"S-{letter}": grade, f"J-{letter}": int(np.clip(grade + slip, 0, 3))}
    for reader in "SJ":
        found[f"{reader}-Global"] = sum(found[f"{reader}-{letter}"] for letter in "ABCDEF")
    return found
