"""A corrected split: each patient, and each radiograph, in one split alone."""

import os
from pathlib import Path

import pandas as pd

from imageaudit import duplicates, patients
from imageaudit.io import write_text
from imageaudit.tables import plain

ORDER = ("train", "validation", "test")  # where a patient goes who has as many images in each
TEST = 5  # one patient of so many is tested, where no split is given
OURS = ("path", "label", "split", "patient")


def clean(table: pd.DataFrame, signatures: list, pairs: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows of `table` that stay, in their new splits, and what was done.

    Of one radiograph the first image stays, none where its labels differ. A patient goes where most
    of his images are; without splits a fifth of the patients of each class is drawn for the test.
    """
    number, mixed, kept = len(table), 0, table
    while len(pairs):  # what is left may show doubles that were hidden behind others
        radiograph = patients.join_duplicates(pd.Series(range(len(kept))), pairs)
        several = kept.groupby(radiograph).label.transform("nunique") > 1
        mixed += int(several.sum())
        stays = ~several & ~pd.Series(radiograph, kept.index).duplicated()
        signatures = [one for one, stay in zip(signatures, stays, strict=True) if stay]
        kept = kept[stays].reset_index(drop=True)
        pairs = duplicates.find_duplicates(kept, signatures)
    given = (kept.split != "").any()
    split = by_majority(kept) if given else drawn(kept)
    moved = int((split != kept.split).sum()) if given else 0
    words = (
        f"{len(kept)} of {number} images, each patient and radiograph in one split: {moved} moved, "
        f"{number - len(kept) - mixed} doubles and {mixed} images of radiographs with several labels left out."
    )
    return kept.assign(split=split), words


def by_majority(table: pd.DataFrame) -> pd.Series:
    count = pd.crosstab(table.patient, table.split).reindex(columns=list(ORDER), fill_value=0)
    return table.patient.map(count.idxmax(axis=1))


def drawn(table: pd.DataFrame) -> pd.Series:
    people = table.drop_duplicates("patient").sample(frac=1, random_state=0)
    test = people.patient[people.groupby("label").cumcount() % TEST == 0]
    return table.patient.isin(test).map({True: "test", False: "train"})


def write(path: Path, table: pd.DataFrame, columns: tuple[str, ...], own: str) -> Path:
    """A table that can be audited: paths from its own folder on, then the dataset's other columns."""
    folder = path.resolve().parent
    patient = table.patient.mask(table.patient.str.startswith("image "), "")
    result = pd.DataFrame({
        "path": [os.path.relpath(one.absolute(), folder) for one in table.path],
        "label": table.label, "split": table.split, "patient": patient,
    })  # fmt: skip
    for name in columns:
        if plain(name) not in OURS:
            result[name] = table[own + name]
    known = [path.encode(errors="ignore").decode() == path for path in result.path]  # in UTF-8
    return write_text(path, result[known].to_csv(index=False, lineterminator="\n"))
