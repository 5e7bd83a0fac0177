"""The tables of notebooks 01 and 02: an audit's numbers in the words of a reader."""

import pandas as pd

NAMES = {"mode": "colour mode", "width": "width in pixels", "height": "height in pixels",
         "format": "file format"}  # fmt: skip
OF_RECORD = ("view", "age", "sex")  # properties of patient and exposure; the others are the file's


def frame(rows: list[dict], *index: str) -> pd.DataFrame:
    """A list of an audit as a table, indexed by some of its columns."""
    table = pd.DataFrame(rows)
    return table.set_index(list(index)) if index else table


def counts(audit: dict) -> pd.DataFrame:
    """Images of each split and class, without and with augmented copies, beside the paper's where
    images of the release are among them."""
    table = frame(audit["counts"], "split", "class")
    names = {
        "originals": "images",
        "paper_originals": "in the paper",
        "images": "with augmented copies",
        "paper_images": "in the paper, with copies",
    }
    table = table[list(names)].rename(columns=names)
    return table if audit["of_release"] else table[["images", "with augmented copies"]]


def patients(audit: dict) -> pd.DataFrame:
    """Images and patients by split and class: as recorded, and once those are one patient who share
    a radiograph; `effective images` is what the images are worth if a patient's were all alike."""
    names = {
        "images": "images",
        "patients": "patients as recorded",
        "patients_by_picture": "patients by picture",
        "in_both_splits": "of these in both splits",
        "most_images_of_a_patient": "most images of a patient",
        "effective_images": "effective images",
    }
    table = frame(audit["patients"]["by_split_and_class"], "split", "class")
    table = table.reindex(columns=list(names)).rename(columns=names)
    return table.astype({"effective images": float}).round(0).astype("Int64")


def pair_counts(audit: dict) -> pd.DataFrame:
    """Pairs of images that are one radiograph, by where the two lie and whose they are said to be."""
    pairs = pd.DataFrame(audit["near_duplicates"]["pairs"], columns=["where", "same_patient"])
    of = pairs.same_patient.map({True: "same patient", False: "recorded as different patients"})
    return pd.crosstab(pairs["where"], of).rename_axis(columns=None)


def acquisition(audit: dict) -> pd.DataFrame:
    """ROC AUC of each property with its interval, the highest first."""
    table = pd.DataFrame(audit["acquisition"]).set_index("property")
    table = table.reindex(columns=["auc", "low", "high", "covid", "non_covid", "rule"])
    return table.rename(index=NAMES).sort_values("auc", ascending=False)


def disagreements(audit: dict) -> pd.DataFrame:
    """What is said of the dataset, where, and what its files say; empty for other datasets."""
    table = pd.DataFrame(audit["disagreements"], columns=["stated", "where", "found"])
    return table.rename(columns={"stated": "stated of the release", "found": "found in its files"})


def released(audit: dict) -> dict:
    """What an audit found of the release's own augmented copies; empty where there are none."""
    found = audit["released_augmentation"] if len(audit) else {}
    return found if found.get("available") else {}


def copies_look(made: dict) -> pd.DataFrame:
    """What the release's augmented copies look like beside their originals; `made` of `released`."""
    table = pd.Series(made["copies_look"]).rename_axis("beside its original").to_frame("copies")
    return table.assign(share=(table.copies / table.copies.sum()).map("{:.0%}".format))
