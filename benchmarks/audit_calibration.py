"""Can the audit be trusted? It is held against phantom datasets whose faults are known.

    python -m benchmarks.audit_calibration [DATASETS]

audits honest phantom datasets, ones with each fault, and ones with a marker in a share of one class;
DATASETS of each kind (20). Written to results/audit/calibration.csv after each; what is there is not
made again. docs/audit.md shows it.
"""

import argparse
import io
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from deepcovid import runs
from deepcovid.data import phantom
from deepcovid.io import write_csv
from imageaudit.examine import examine

NOTHING = "nothing"
FILES = ("size", "compression")  # all images of one class saved otherwise
PLACES = ("leak", "conflict", "patients")  # images that stand in two places
FAULTS = (*phantom.SHORTCUTS, *FILES, *PLACES)
EXPECTED = {  # the kinds of finding that name a fault, any of them
    "marker": ("border",), "border": ("border",), "tint": ("properties",), "brightness": ("border",),
    "size": ("properties",), "compression": ("properties",),
    "leak": ("leak",), "conflict": ("conflict",), "patients": ("patients",),
}  # fmt: skip
COLUMNS = ("fault", "share", "images", "seed", "alarm", "raised", "found", "auc", "smallest_auc",
           "copies_with_alarm")  # fmt: skip
SIZE, MOTTLE = 96, 6.0  # pixels a side; grey levels of noise, each image's own


def write(folder: Path, fault: str, share: float, images: int, seed: int) -> Path:
    """Write a phantom dataset of two classes with `images` each; `share` of one bear the fault.

    COVID-19 and other findings are drawn alike, outside their lesions, for patients of their own. The
    PLACES have train and test: some images of training, or further images of their patients, stand
    in test as well, or in the other class.
    """
    rng = np.random.default_rng((seed, images))
    others = [name for name in phantom.FINDINGS if name != "COVID-19"]
    weights = [phantom.FINDINGS[name][1] for name in others]
    room = folder / "train" if fault in PLACES else folder
    for number in range(2 * images):
        ill, own = number % 2 == 1, int(rng.integers(2**32))
        finding = "COVID-19" if ill else str(rng.choice(others, p=weights))
        bears = ill and number < 2 * images * share
        name = f"phantom{number:05d}.png"
        kind = "covid" if ill else "other"
        here = room / kind
        if fault in PLACES and number % 4 > 1:
            here = folder / "test" / kind
        planted = fault if bears and fault in phantom.SHORTCUTS else None
        data = encoded(finding, own, planted, fault if bears else NOTHING)
        save(here / name, data)
        if not bears or fault not in PLACES or "test" in here.parts[-2:]:
            continue
        if fault == "conflict":
            save(room / "other" / f"also-phantom{90000 + number}.png", data)
        elif fault == "leak":
            save(folder / "test" / kind / f"also-phantom{90000 + number}.png", data)
        else:
            again = encoded(finding, own, None, NOTHING, view=1)
            save(folder / "test" / kind / f"phantom{number:05d}-2.png", again)
    return folder


@lru_cache(200)
def drawn(finding: str, seed: int, view: int) -> np.ndarray:
    """A phantom without shortcut; datasets of several faults have it in common."""
    return phantom.radiograph(finding, seed, SIZE, None, view, MOTTLE).image


def encoded(finding: str, seed: int, planted: str | None, fault: str, view: int = 0) -> bytes:
    picture = Image.fromarray(phantom.planted(drawn(finding, seed, view).copy(), planted))
    if fault == "size":
        picture = picture.resize((SIZE - 4, SIZE))
    file = io.BytesIO()
    if fault == "compression":
        picture.save(file, "JPEG", quality=70)
    else:
        picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def save(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def cases(datasets: int) -> Iterator[tuple[str, float, int, int]]:
    """Fault, share, images of each class, seed: of honest datasets, every fault, and small marks."""
    for number in range(datasets):
        yield NOTHING, 0.0, 30, number
        for fault in FAULTS:
            yield fault, 1.0, 30, 500 + number
        for images in (10, 30):
            for share in (0.2, 0.35, 0.5, 0.75):
                yield "marker", share, images, 600 + number


def row(fault: str, share: float, images: int, seed: int) -> dict:
    """What an audit says of one phantom dataset, in COLUMNS; `found` is the fault by its name."""
    with tempfile.TemporaryDirectory() as name:
        found = examine(write(Path(name) / "phantoms", fault, share, images, seed))
    raised = [f.kind for f in found.findings if f.raised and f.kind in found.report["fail_on"]]
    blind = [test for probe, _, test in found.fitted if probe.kind != "little"]
    best = max(blind, key=lambda test: test.auc)
    return {
        "fault": fault, "share": share, "images": images, "seed": seed, "alarm": found.alarm,
        "raised": " ".join(raised), "found": bool({*EXPECTED.get(fault, ())} & {*raised}),
        "auc": round(best.auc, 4), "smallest_auc": round(best.smallest_auc, 4),
        "copies_with_alarm": found.report["chance"]["copies with alarm"],
    }  # fmt: skip


def main(datasets: int = 20) -> None:
    path = runs.RESULTS / "audit" / "calibration.csv"
    rows = pd.read_csv(path, keep_default_na=False).to_dict("records") if path.is_file() else []
    there = {tuple(old[name] for name in COLUMNS[:4]) for old in rows}
    for case in cases(datasets):
        if case not in there:
            rows.append(row(*case))
            write_csv(path, pd.DataFrame(rows, columns=list(COLUMNS)))
            print(*rows[-1].values(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("datasets", nargs="?", type=int, default=20, help="of each kind (20)")
    main(**vars(parser.parse_args()))
