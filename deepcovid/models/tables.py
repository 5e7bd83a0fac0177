"""What notebook 03 tells a reader: how each training ended, and where no lungs were found."""

from pathlib import Path

import pandas as pd

from deepcovid.plots import name_of
from deepcovid.runs import read_json


def ends(histories: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """The last epoch of each phase, of histories by (model, seed)."""
    rows = [
        history.groupby("phase").tail(1).assign(model=model, seed=seed)
        for (model, seed), history in histories.items()
    ]
    return pd.concat(rows).set_index(["model", "seed", "phase"])


def lungs(folder: Path) -> str:
    """How many pictures of a run are used whole for want of lungs; nothing if none are looked for."""
    path = folder / "lungs.json"
    found = read_json(path) if path.is_file() else {}
    if "pictures" not in found:
        return ""
    judged = f" (Dice {found['dice']:.3f} on test masks)" if found["dice"] is not None else ""
    return (
        f" Lungs{judged} were not found in **{found['without_lungs']}** of {found['pictures']} "
        "pictures, which are used whole; `lungs.csv` names them."
    )


def losses(histories: dict[tuple[str, int], pd.DataFrame]) -> str:
    """The training loss at the end of each training, in Markdown."""
    loss = ends(histories).xs("train", level="phase").loss
    return ", ".join(f"**{name_of(*key, loss.index)}** {value:.3f}" for key, value in loss.items())


def answer(histories: dict[tuple[str, int], pd.DataFrame], folder: Path, real=()) -> str:
    """The end of each training, in Markdown; `folder` is the run's, `real` holds the histories of
    the committed run, where they are there."""
    there = f"**■ Real radiographs.** Training loss at the end: {losses(real)}.\n\n" if real else ""
    return (
        f"{there}**▶ This run.** Training loss at the end: {losses(histories)}.{lungs(folder)}\n\n"
        "Whether that is worth anything, only images of other patients can tell. Next: "
        "`04_evaluation`."
    )
