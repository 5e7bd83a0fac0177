"""The patients of a dataset: who has images in several splits or classes, and what images are worth."""

import pandas as pd


def known(table: pd.DataFrame) -> pd.Series:
    """The patient of each image: as named, by DICOM's number, or the image for itself."""
    said = table.patient
    if "number" in table:
        said = said.where(said != "", table.number.fillna("").map(lambda n: n and f"DICOM {n}"))
    return said.where(said != "", "image " + table.image)


def worth(table: pd.DataFrame) -> list[dict]:
    """Images, patients and effective images of each split and class.

    Were a patient's images all alike (the worst case), n images would be worth n^2 / sum(m^2) of
    them, m the images of each patient (Kish 1965).
    """
    rows = []
    for (split, label), part in table.groupby(["split", "label"], sort=False):
        size = part.groupby("patient").size()
        rows.append({
            "split": split or "all", "class": label, "images": len(part), "patients": len(size),
            "most images of a patient": int(size.max()),
            "worth images": round(float(size.sum() ** 2 / (size**2).sum()), 1),
        })  # fmt: skip
    return rows


def several(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Patients with images in several splits (or classes), a row each: which, and how many images."""
    groups = table.groupby("patient")
    count = groups[column].nunique()
    names = count[count > 1].index
    part = table[table.patient.isin(names)].groupby("patient")
    return pd.DataFrame({
        "in": part[column].agg(lambda v: ", ".join(sorted(set(v)))),
        "images": part.size(),
    }).reset_index()  # fmt: skip
