"""What a reader of notebooks 01 and 02 sees: tables of an audit, and the sentence of the answer."""

import pandas as pd


def frame(rows: list[dict], *index: str) -> pd.DataFrame:
    """A list of an audit as a table, indexed by some of its columns."""
    table = pd.DataFrame(rows)
    return table.set_index(list(index)) if index else table


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
    doubles = real["near_duplicates"]["test_images_also_in_train"]
    test = frame(real["counts"], "split", "class").originals["test"]
    covid = frame(real["patients"]["by_split_and_class"], "split", "class").loc[
        ("test", "COVID-19")
    ]
    best = acquisition(real).iloc[0]
    return (
        f"This run (`{name}`) uses **{found['originals']:,} images**; "
        f"{len(found['near_duplicates']['test_images_also_in_train'])} of its test radiographs are "
        f"also in training. The real dataset here has {test.sum():,} test images, "
        f"{test['COVID-19']:,} of them COVID-19: a model that calls every one Non-COVID is right "
        f"{test['Non-COVID'] / test.sum():.1%} of the time. Those {test['COVID-19']} images are of "
        f"{covid.patients:.0f} patients, {len(doubles)} of them show radiographs that are also in "
        f"training, and **{best.name} alone separates the classes with ROC AUC {best.auc:.3f}** "
        f"({best.low:.3f} to {best.high:.3f}). Next: `02_augmentation`."
    )
