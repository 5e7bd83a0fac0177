"""What a reader of notebooks 01 and 02 sees: tables of an audit, and the sentences of the answers."""

import pandas as pd


def frame(rows: list[dict], *index: str) -> pd.DataFrame:
    """A list of an audit as a table, indexed by some of its columns."""
    table = pd.DataFrame(rows)
    return table.set_index(list(index)) if index else table


def patients(audit: dict, *more: str) -> pd.DataFrame:
    """Images and patients by split and class: as recorded, and once those are one who share a
    radiograph; of the latter those who are in both splits; `more` columns of the audit."""
    table = frame(audit["patients"]["by_split_and_class"], "split", "class")
    columns = ("images", "patients", "patients_by_picture", "in_both_splits",
               "most_images_of_a_patient", "effective_images", *more)  # fmt: skip
    return table.reindex(columns=columns)


def pair_counts(audit: dict) -> pd.DataFrame:
    """Near-duplicate pairs by where their images lie, of one recorded patient or of two."""
    pairs = pd.DataFrame(audit["near_duplicates"]["pairs"], columns=["where", "same_patient"])
    of = pairs.same_patient.map({True: "same patient", False: "recorded as different patients"})
    return pd.crosstab(pairs["where"], of).rename_axis(columns=None)


def acquisition(audit: dict) -> pd.DataFrame:
    """ROC AUC of each property with its interval, the properties that tell most first."""
    table = pd.DataFrame(audit["acquisition"]).set_index("property")
    table = table.reindex(columns=["auc", "low", "high", "covid", "non_covid", "rule"])
    return table.sort_values("auc", ascending=False)


def answer(name: str, found: dict, real: dict) -> str:
    """Notebook 01's answer, in Markdown: a run's audit, then the real dataset's."""
    here, there = (frame(of["counts"], "split", "class").originals["test"] for of in (found, real))
    doubles = [len(of["near_duplicates"]["test_images_also_in_train"]) for of in (found, real)]
    covid, best = patients(real).loc[("test", "COVID-19")], acquisition(real).iloc[0]
    return (
        f"This run (`{name}`) uses **{found['originals']:,} images**; of its {here.sum():,} test "
        f"images {here['COVID-19'] / here.sum():.1%} are COVID-19, and {doubles[0]} show radiographs "
        f"that are also in training. The real dataset here has {there.sum():,} test images, "
        f"{there['COVID-19']:,} of them COVID-19 ({there['COVID-19'] / there.sum():.1%}): a model "
        f"that calls every one Non-COVID is right {there['Non-COVID'] / there.sum():.2%} of the time. "
        f"Those {there['COVID-19']:,} images are of {covid.patients:.0f} recorded patients"
        f"{by_picture(covid)}. {doubles[1]} test images show radiographs that are also in training, "
        f"and **{best.name} alone separates the classes with ROC AUC {best.auc:.3f}** "
        f"({best.low:.3f} to {best.high:.3f}). Next: `02_augmentation`."
    )


def by_picture(row: pd.Series) -> str:
    """How many patients are left once shared radiographs are seen; `` where that was not counted."""
    if pd.isna(row.patients_by_picture):
        return ""
    return (
        f", {row.patients_by_picture:.0f} once those who share a radiograph count as one; "
        f"{row.in_both_splits:.0f} of these have images in training too, so "
        f"{row.patients_by_picture - row.in_both_splits:.0f} are new to a trained model"
    )


def leaks(table: pd.DataFrame, training: pd.DataFrame) -> pd.Series:
    """What of a manifest's validation and test images is trained on, counted in four ways.

    Patients count as recorded, each once.
    """
    held_out = table[table.split != "train"]
    shared = held_out[held_out.patient.isin(training.patient)]
    return pd.Series({
        "copies of held-out images": training.augmented_from.isin(held_out.image).sum(),
        "identical files in train and held out": training.sha1.isin(held_out.sha1).sum(),
        "training patients in validation": shared.patient[shared.split == "validation"].nunique(),
        "training patients in test": shared.patient[shared.split == "test"].nunique(),
    }).rename("found")  # fmt: skip


def augmentation_answer(before: pd.Series, after: pd.Series, leaks: pd.Series, real: dict) -> str:
    """Notebook 02's answer, in Markdown.

    `before` and `after` are a run's training images by label, `real` is a run's images by split.
    """
    train, held = real["train"], real["validation"]
    copies = "COVID-19, augmented"
    return (
        f"In this run {after[1] - before[1]:,} copies join {before[1]:,} COVID-19 originals, "
        f"**{after[1]:,} in all**, beside {after[0]:,} Non-COVID images; the checks above found "
        f"{leaks.sum():,} leaks. In the real run the training set holds {train['COVID-19']:,} "
        f"originals and {train[copies]:,} copies that came with the release; {held['COVID-19']:,} "
        f"originals and their {held[copies]:,} copies are set aside for validation. Next: "
        "`03_training`."
    )
