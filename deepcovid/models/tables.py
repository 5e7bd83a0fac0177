"""What notebook 03 tells a reader: how each training ended, and where no lungs were found."""

from pathlib import Path

import pandas as pd

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


def answer(histories: dict[tuple[str, int], pd.DataFrame], folder: Path) -> str:
    """The end of each training, in Markdown; `folder` is the run's."""
    loss = ends(histories).xs("train", level="phase").loss
    several = loss.index.get_level_values("seed").nunique() > 1
    told = ", ".join(
        f"**{model}{f', seed {seed}' if several else ''}** {value:.3f}"
        for (model, seed), value in loss.items()
    )
    return (
        f"Training loss at the end: {told}. Whether that is worth anything, only images of other "
        f"patients can tell.{lungs(folder)} Next: `04_evaluation`."
    )
