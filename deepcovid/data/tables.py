"""The tables of notebooks 01 and 02: an audit's numbers in the words of a reader."""

from pathlib import Path

import pandas as pd

# what authors say, with places for an audit's numbers
STATED = Path(__file__).with_name("stated.csv")
NAMES = {"mode": "colour mode", "width": "width in pixels", "height": "height in pixels",
         "format": "file format"}  # fmt: skip
OF_RECORD = ("view", "age", "sex")  # properties of patient and exposure; the others are the file's


def frame(rows: list[dict], *index: str) -> pd.DataFrame:
    """A list of an audit as a table, indexed by some of its columns."""
    return pd.DataFrame(rows).set_index(list(index))


def of_classes(rows: list[dict], names: dict[str, str]) -> pd.DataFrame:
    """Numbers of an audit by split and class, under `names` for a reader."""
    return frame(rows, "split", "class").reindex(columns=list(names)).rename(columns=names)


def counts(audit: dict) -> pd.DataFrame:
    """Images of each split and class, without and with augmented copies, beside the paper's where
    images of the release are among them."""
    names = {"originals": "images", "paper_originals": "in the paper", "images": "with augmented copies",
             "paper_images": "in the paper, with copies"}  # fmt: skip
    stated = audit["of_release"]
    return of_classes(
        audit["counts"], {k: v for k, v in names.items() if stated or "paper" not in k}
    )


def patients(audit: dict) -> pd.DataFrame:
    """Images and patients by split and class: as recorded, and once those are one patient who share
    a radiograph; `effective images` is what the images are worth if a patient's were all alike."""
    names = {
        "images": "images", "patients": "patients as recorded", "patients_by_picture": "patients by picture",
        "in_both_splits": "of these in both splits", "most_images_of_a_patient": "most images of a patient",
        "effective_images": "effective images",
    }  # fmt: skip
    table = of_classes(audit["patients"]["by_split_and_class"], names)
    return table.astype(float).round().astype("Int64")


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
    """What is said of the dataset, where, and what its files say; empty for other datasets.

    Rows of which the audit has no numbers are left out.
    """
    doubles = audit["near_duplicates"]["test_images_also_in_train"]
    numbers = {"number of doubles": len(doubles), "doubles": ", ".join(doubles)}
    numbers |= audit["findings"].get("test", {})
    if audit["views"]["available"]:
        views = frame(audit["views"]["by_split_and_class"], "class", "split").loc["COVID-19"]
        numbers |= views.sum().astype(int)
    if made := released(audit):
        copies = [int(number) for number in made["originals_by_copies"]]
        numbers |= made | made["copies_look"] | {"fewest": min(copies), "most": max(copies)}

    def filled(text: str) -> str | None:
        try:
            return text.format_map(numbers)
        except KeyError:
            return None

    table = pd.read_csv(STATED)[: None if audit["of_release"] else 0]
    table = table.assign(found=table.found.map(filled)).dropna()
    return table.rename(columns={"stated": "stated of the release", "found": "found in its files"})


def released(audit: dict) -> dict:
    """What an audit found of the release's own augmented copies; empty where there are none."""
    found = audit["released_augmentation"] if len(audit) else {}
    return found if found.get("available") else {}


def copies_look(made: dict) -> pd.DataFrame:
    """What the release's augmented copies look like beside their originals; `made` of `released`."""
    table = pd.Series(made["copies_look"]).rename_axis("beside its original").to_frame("copies")
    return table.assign(share=(table.copies / table.copies.sum()).map("{:.0%}".format))
