"""TODO: what data/tables is."""

import pandas as pd

from deepcovid.data import sources


def disagreements(audit: dict) -> list[dict[str, str]]:
    """What the release says of itself, beside what its files and metadata say."""
    found = []

    def note(stated, where, instead):
        found.append({"stated": stated, "where": where, "found": instead})

    if audit["views"]["available"]:
        views = [r for r in audit["views"]["by_split_and_class"] if r["class"] == "COVID-19"]
        told = {k: sum(r.get(k) or 0 for r in views) for k in ("PA", "AP", "AP Supine")}
        note("only posterior-anterior images of COVID-19", "the authors' README",
             ", ".join(f"{n} {view}" for view, n in told.items()))  # fmt: skip
    test = audit["findings"].get("test", {})
    other = {k: n for k, n in test.items() if k != "No Finding"}
    least = sorted(sources.FINDINGS, key=lambda name: other.get(name, 0))[:2]
    note("around 100 Non-COVID test images of each of 13 findings", "the paper, dataset section",
         ", ".join(f"{other.get(name, 0)} {name}" for name in least))  # fmt: skip
    made = audit["released_augmentation"]
    if made["available"]:
        number = [int(k) for k in made["originals_by_copies"]]
        note("each COVID-19 training image augmented to five", "the paper, augmentation section",
             f"{min(number)} to {max(number)} copies an image; "
             f"{made['originals_with_the_stated_number']} of {made['originals']} have four")  # fmt: skip
        seen = made["copies_look"]
        note("augmentation by flips, small rotations and small distortions", "the paper",
             f"{seen['unchanged']} copies are unchanged, {seen['moved a little']} moved a little, "
             f"{seen['mirrored']} mirrored; {seen['too changed to tell']} zoomed or turned too "
             "much to be recognised")  # fmt: skip
    both = audit["near_duplicates"]["test_images_also_in_train"]
    note("a test set apart from the training set", "implied by the paper",
         f"{len(both)} test radiographs are also in training: " + ", ".join(both))  # fmt: skip
    return found


def frame(rows: list[dict], *index: str) -> pd.DataFrame:
    """A list of an audit as a table, indexed by some of its columns."""
    table = pd.DataFrame(rows)
    return table.set_index(list(index)) if index else table


def pair_counts(audit: dict) -> pd.DataFrame:
    """Near-duplicate pairs by where their images lie, of one recorded patient or of two."""
    pairs = pd.DataFrame(audit["near_duplicates"]["pairs"], columns=["where", "same_patient"])
    of = pairs.same_patient.map({True: "same patient", False: "recorded as different patients"})
    return pd.crosstab(pairs["where"], of).rename_axis(columns=None)


def acquisition_table(audit: dict) -> pd.DataFrame:
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
    best = acquisition_table(real).iloc[0]
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
