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


def patients_of_test(audit: dict) -> pd.DataFrame:
    """Of how many patients the test images are, by metadata and by picture, a row per class.

    By picture those are one patient who share a radiograph; audits that looked at none say so.
    """
    table = patients(audit).loc["test"]
    seen = pd.DataFrame({
        "images": table.images,
        "patients by metadata": table.patients,
        "patients by picture": table.patients_by_picture,
        "of these in training too": table.in_both_splits,
        "new to a trained model": table.patients_by_picture - table.in_both_splits,
    })  # fmt: skip
    return seen.astype("Int64").astype(object).where(seen.notna(), "not counted")


def answer(name: str, found: dict, real: dict) -> str:
    """Notebook 01's answer, in Markdown: the real dataset's audit, where it is there, a run's."""
    here = frame(found["counts"], "split", "class").originals["test"]
    doubles = len(found["near_duplicates"]["test_images_also_in_train"])
    return (
        f"{real_answer(real)}**▶ This run** (`{name}`) uses {found['originals']:,} images; of its "
        f"{here.sum():,} test images {here['COVID-19'] / here.sum():.1%} are COVID-19, and {doubles} "
        "show radiographs that are also in training. Next: `02_augmentation`."
    )


def real_answer(real: dict) -> str:
    """What the committed audit comes to, as a paragraph; `` where there is none."""
    if not real:
        return ""
    there = frame(real["counts"], "split", "class").originals["test"]
    covid, best = patients(real).loc[("test", "COVID-19")], acquisition(real).iloc[0]
    return (
        f"**■ Real radiographs.** The test set has {there.sum():,} images, {there['COVID-19']:,} of "
        f"them COVID-19 ({there['COVID-19'] / there.sum():.1%}): a model that calls every one "
        f"Non-COVID is right {there['Non-COVID'] / there.sum():.2%} of the time. Those "
        f"{there['COVID-19']:,} images are of {covid.patients:.0f} recorded patients"
        f"{by_picture(covid)}. {len(real['near_duplicates']['test_images_also_in_train'])} test "
        f"images show radiographs that are also in training, and **{best.name} alone separates the "
        f"classes with ROC AUC {best.auc:.3f}** ({best.low:.3f} to {best.high:.3f}).\n\n"
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

    `before` and `after` are a run's training images by label, `real` is the committed run's images
    by split; it may be empty.
    """
    copies, said = "COVID-19, augmented", ""
    if real:
        train, held = real["train"], real["validation"]
        said = (
            f"**■ Real radiographs.** {train['COVID-19']:,} COVID-19 originals and {train[copies]:,} "
            f"copies of them, **{train['COVID-19'] + train[copies]:,} in all**, are trained on; "
            f"{held['COVID-19']:,} originals and their {held[copies]:,} copies are set aside for "
            "validation.\n\n"
        )
    return (
        f"{said}**▶ This run.** {after[1] - before[1]:,} copies join {before[1]:,} COVID-19 originals, "
        f"{after[1]:,} in all, beside {after[0]:,} Non-COVID images; the checks above found "
        f"{leaks.sum():,} leaks. Next: `03_training`."
    )
