"""One radiograph under each ablation, as notebook 07 shows it, and where lungs may be."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from deepcovid import io
from deepcovid.shortcuts.ablations import EVER, WORDS, by_input, lung_masks
from imageaudit import images

SHOWN = (
    "whole picture", "outer 20% of each side", "outer 5% of each side", "central 25% of each side",
    "without wherever lungs may be", "only wherever lungs may be", "blurred", "8 x 8 pixels",
)  # fmt: skip
PLACES = 64  # rows and columns of `lung_share.csv`


def write_lung_share(run) -> None:
    """In what share of a run's lung masks each place shows lung, 0 to 1; to its `lung_share.csv`.

    PLACES rows from above down, as many columns from left to right. No file where there are no masks.
    """
    masks = lung_masks(run.data)
    if len(masks):
        n, size = len(masks), masks.shape[1] // PLACES
        share = masks.reshape(n, PLACES, size, PLACES, size).mean((0, 2, 4))
        io.write_csv(run.folder / "lung_share.csv", pd.DataFrame(share), float_format="%.3f")


def ablations(study, measured: pd.DataFrame) -> tuple[list[Image.Image], list[str]]:
    """A radiograph under each ablation of SHOWN, and titles with the AUC in `measured`.

    The published study shows the first of its radiographs that may be shown; another its first
    COVID-19 test image. What hides the lungs is left out where no lung masks are known.
    """
    path = radiograph(study)
    picture = images.open_radiograph(path)
    share = study.table("paper/lung_share.csv")
    region = np.array(share if len(share) else []).reshape(-1, PLACES, PLACES) > EVER
    known = by_input(region)
    shown = [known[name] for name in SHOWN if name in known]
    own = measured[(measured.target == "COVID-19") & (measured.kind != "untrained")]
    aucs = own.drop_duplicates("input").set_index("input").auc
    pictures = [each.change(picture, path) if each.change else picture for each in shown]
    return pictures, [f"{WORDS.get(x.input, x.input)}\nAUC {aucs[x.input]:.3f}" for x in shown]


def radiograph(study) -> Path:
    """The path of the radiograph to show."""
    if study.published:
        from deepcovid.data.examples import hannover

        return hannover().path.iloc[0]
    run = study.run()
    return run.data / run.manifest.query("label == 1 and split == 'test'").image.iloc[0]
