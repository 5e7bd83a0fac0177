"""Duplicates: which images of a dataset are one radiograph, would the search recognise them, and a
corrected split: each patient, and each radiograph, in one split alone."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from imageaudit import images, matching, patients
from imageaudit.dataset import OWN
from imageaudit.findings import sentence
from imageaudit.io import write_text
from imageaudit.tables import plain

DEGRADED = 40  # images that are degraded, to see whether their duplicates would be found
ORDER = ("train", "validation", "test")  # where a patient goes who has as many images in each
TEST = 5  # one patient of so many is tested, where no split is given
OURS = ("path", "label", "split", "patient")
COLUMNS = ("a", "b", "agreement", "exact")


def find_duplicates(table: pd.DataFrame, signatures: list[matching.Signature]) -> pd.DataFrame:
    """Pairs of rows of `table` (`sha1`, `empty`) that show one radiograph: COLUMNS.

    Equal files are pairs of the first of them with each other one. `agreement` is at most 1.
    Of images without content nothing is said.
    """
    first = table.groupby("sha1").sha1.transform(lambda part: part.index[0])
    equal = np.flatnonzero(first.to_numpy() != table.index.to_numpy())
    same = first.to_numpy()[equal]
    exact = pd.DataFrame({"a": same, "b": equal, "agreement": 1.0, "exact": True})
    unlike = np.setdiff1d(np.flatnonzero(~table["empty"].to_numpy(bool)), equal)
    pairs = matching.same_radiograph([signatures[i] for i in unlike])
    one, other = (unlike[pairs[name].to_numpy(int)] for name in ("query", "reference"))
    found = pd.DataFrame({"a": one, "b": other, "agreement": pairs.agreement, "exact": False})
    parts = [part for part in (exact, found) if len(part)] or [exact]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def check_search(paths: list[Path], table: pd.DataFrame, signatures: list) -> dict[str, int]:
    """How many degraded duplicates of this dataset's own images are recognised, of how many."""
    usable = np.flatnonzero(~table["empty"].to_numpy(bool))
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, DEGRADED).astype(int))] if len(usable) else []  # fmt: skip
    found = 0
    for i in chosen:
        picture = matching.degrade(images.open_radiograph(paths[i]))
        agreement = matching.compare(matching.signature(picture), signatures[i])
        found += bool(agreement >= matching.SAME)
    return {"tried": len(chosen), "found": found}


def write_clean_splits(path: Path, found) -> str:
    """Write the images of an audit (`Examined`) that stay, in their new splits; what was done.

    Of one radiograph the first image stays, none where its labels differ. A patient goes where most
    of his images are; without splits a fifth of the patients of each class is drawn for the test. The
    table can be audited: paths from its own folder on, then the dataset's other columns.
    """
    kept, pairs, signatures, mixed = found.table, found.duplicates, found.signatures, 0
    while len(pairs):  # what is left may show doubles that were hidden behind others
        radiograph = patients.join_duplicates(pd.Series(range(len(kept))), pairs)
        several = kept.groupby(radiograph).label.transform("nunique") > 1
        mixed += int(several.sum())
        stays = ~several & ~pd.Series(radiograph, kept.index).duplicated()
        signatures = [one for one, stay in zip(signatures, stays, strict=True) if stay]
        kept = kept[stays].reset_index(drop=True)
        pairs = find_duplicates(kept, signatures)
    given = (kept.split != "").any()
    if given:
        count = pd.crosstab(kept.patient, kept.split).reindex(columns=list(ORDER), fill_value=0)
        split = kept.patient.map(count.idxmax(axis=1))
    else:
        people = kept.drop_duplicates("patient").sample(frac=1, random_state=0)
        test = people.patient[people.groupby("label").cumcount() % TEST == 0]
        split = kept.patient.isin(test).map({True: "test", False: "train"})
    moved = int((split != kept.split).sum()) if given else 0
    number = len(found.table)
    words = sentence("clean_splits", number, len(kept), moved, number - len(kept) - mixed, mixed)
    folder = path.resolve().parent
    result = pd.DataFrame({
        "path": [os.path.relpath(one.absolute(), folder) for one in kept.path],
        "label": kept.label, "split": split,
        "patient": kept.patient.mask(kept.patient.str.startswith("image "), ""),
        **{name: kept[OWN + name] for name in found.columns if plain(name) not in OURS},
    })  # fmt: skip
    known = [path.encode(errors="ignore").decode() == path for path in result.path]  # in UTF-8
    write_text(path, result[known].to_csv(index=False, lineterminator="\n"))
    return words
