"""Probes: single things that may tell the classes, where the disease cannot be seen and where it may."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from imageaudit import ablations, tables
from imageaudit.inspection import PROPERTIES, TAGS

BLIND = ("properties", "tags", "columns", "border")  # cannot show the disease: may raise the alarm
SAMPLE = 2000  # images whose pictures are encoded
MOST, BINS = 30, 10  # categories, and parts of a number's range
EXACT = 0.05  # a number that so many images share is a category
NOT_STATED = "not stated"


class Probe(NamedTuple):
    """One thing that may tell the classes, as numbers."""

    kind: str  # properties, tags, columns, border, little
    seen: str
    values: np.ndarray  # a row for each image that is probed
    penalty: float
    at: np.ndarray | None = None  # positions of these images; None: all
    words: pd.Series | None = None  # what each image has, as it is shown


def column_probes(kind: str, table: pd.DataFrame) -> tuple[list[Probe], dict[str, str]]:
    """A probe for each column, and why some have none."""
    probes, left_out = [], {}
    for name in table:
        words, why = bin_values(table[name])
        if why:
            left_out[name] = why
            continue
        columns = pd.get_dummies(words).to_numpy(float)
        probes.append(Probe(kind, name, columns, 1.0, words=words))
    return probes, left_out


def bin_values(values: pd.Series) -> tuple[pd.Series, str]:
    """A column's values as few words, and why it is no probe, if so.

    Numbers become parts of their range, with one part for each number that many images share; words
    among them, such as `>90`, stay words.
    """
    text = values.fillna("").astype(str).str.strip()
    text = text.mask(tables.is_blank(text) | (text == "?"), "")
    stated = text[text != ""]
    number = pd.to_numeric(stated, errors="coerce")
    number = number.where(np.isfinite(number))
    if stated.empty:
        return text, "never stated"
    if text.nunique() == 1:
        return text, f"always {stated.iloc[0]}"
    words = text.where(text != "", NOT_STATED)
    if number.notna().mean() >= 0.5 and number.nunique() > BINS:
        share = number.map(number.value_counts(normalize=True))
        parts = pd.qcut(number, BINS, duplicates="drop")
        names = {part: f"{part.left:.4g} to {part.right:.4g}" for part in parts.cat.categories}
        if len({*names.values()}) < len(names):  # as dates, which four digits do not tell apart
            names = {part: f"{part.left:.10g} to {part.right:.10g}" for part in names}
        named = parts.map(names).astype(object).where(number.notna(), stated)
        words[stated.index] = np.where(share >= EXACT, stated, named)
    elif stated.nunique() > max(MOST, len(stated) / 4):
        return text, "nearly every image has its own"
    common = words.value_counts().index[:MOST]
    return words.where(words.isin(common), "another"), ""


def file_columns(facts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The properties of the files, and what DICOM files say, where there are such."""
    found = {"properties": facts[[name for name in PROPERTIES if name in facts]]}
    if "tags" in facts:
        names = [*TAGS, "acquisition year", "transfer syntax", "shown by"]
        rows = [tags if isinstance(tags, dict) else {} for tags in facts.tags]
        found["tags"] = pd.DataFrame(rows, facts.index, names)
    return found


def sample(label: np.ndarray, split: np.ndarray, patient: np.ndarray, seed: int = 0) -> np.ndarray:
    """Positions of at most SAMPLE images, whole patients, every class and split as even as can be."""
    if len(label) <= SAMPLE:
        return np.arange(len(label))
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(label))
    number = pd.Series(patient).map(dict(zip(patient[order], range(len(label)), strict=True)))
    order = np.argsort(number.to_numpy(), kind="stable")  # patients together, in random order
    place = pd.DataFrame({"label": label[order], "split": split[order]})
    place = place.groupby(["label", "split"]).cumcount().to_numpy()
    return np.sort(order[np.argsort(place, kind="stable")[:SAMPLE]])


def standardise(values: np.ndarray) -> np.ndarray:
    spread = values.std(0)
    return (values - values.mean(0)) / np.where(spread > 1e-9, spread, 1)


def picture_probes(pictures: np.ndarray, facts: pd.DataFrame, at: np.ndarray) -> list[Probe]:
    """What is left of the pictures at the positions `at`, encoded."""
    part, probes = ablations.resize(pictures[at]), []

    def add(kind, seen, values):
        if np.ptp(values, axis=0).max() > 1e-9:
            probes.append(Probe(kind, seen, standardise(values), 0.1 * len(at), at))

    for seen, (kind, ablate) in ablations.ENCODED.items():
        add(kind, seen, ablations.encode(ablate(part), seen))
    add("little", "8 x 8 pixels", ablations.coarse(part))
    for seen, (kind, which, numbers) in ablations.PLACELESS.items():
        add(kind, seen, numbers(which(part)))
    size = np.log(facts["bytes per pixel"].to_numpy(float)[at])
    add("little", "bytes of the file per pixel", np.stack([size, size**2], axis=1))
    return probes
