"""The questions to a dataset: what tells its classes where the disease cannot, and where it may."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from deepcovid.auditing.seeing import PROPERTIES, SIDE, TAGS

BLIND = ("properties", "tags", "columns", "border")  # cannot show the disease: may raise the alarm
BORDER, CORNERS = "the outer 5% of each side", "the four corners"
SAMPLE = 2000  # images that the untrained network looks at
MOST, BINS = 30, 10  # categories, and parts of a number's range
EXACT = 0.05  # a number that so many images share is a category
NOT_STATED = "not stated"


class Question(NamedTuple):
    """What is asked, and the numbers to answer it with."""

    kind: str  # properties, tags, columns, border, little
    seen: str
    values: np.ndarray  # a row for each image that is asked about
    penalty: float
    at: np.ndarray | None = None  # positions of these images; None: all
    words: pd.Series | None = None  # what each image has, as it is shown


def of_columns(kind: str, table: pd.DataFrame) -> tuple[list[Question], dict[str, str]]:
    """A question for each column, and why some have none."""
    asked, left = [], {}
    for name in table:
        values = table[name]
        words, why = binned(values)
        if why:
            left[name] = why
            continue
        columns = pd.get_dummies(words).to_numpy(float)
        asked.append(Question(kind, name, columns, 1.0, words=words))
    return asked, left


def binned(values: pd.Series) -> tuple[pd.Series, str]:
    """A column's values as few words, and why it is not asked about, if so.

    Numbers become parts of their range, with one part for each number that many images share.
    """
    text = values.fillna("").astype(str).str.strip()
    stated = text[text != ""]
    number = pd.to_numeric(stated, errors="coerce")
    number = number.where(np.isfinite(number))
    if stated.empty:
        return text, "never stated"
    if text.nunique() == 1:
        return text, f"always {stated.iloc[0]}"
    words = text.where(text != "", NOT_STATED)
    if number.notna().mean() > 0.9 and number.nunique() > BINS:
        share = number.map(number.value_counts(normalize=True))
        parts = pd.qcut(number, BINS, duplicates="drop")
        names = {part: f"{part.left:.4g} to {part.right:.4g}" for part in parts.cat.categories}
        named = parts.map(names).astype(object)
        words[stated.index] = np.where(
            share >= EXACT, stated, named.where(number.notna(), "a word")
        )
    elif stated.nunique() > max(MOST, len(stated) / 4):
        return text, "nearly every image has its own"
    common = words.value_counts().index[:MOST]
    return words.where(words.isin(common), "another"), ""


def of_files(facts: pd.DataFrame) -> tuple[list[Question], dict[str, str]]:
    """Questions about the properties of the files."""
    return of_columns("properties", facts[[name for name in PROPERTIES if name in facts]])


def of_tags(facts: pd.DataFrame) -> tuple[list[Question], dict[str, str]]:
    """Questions about what DICOM files say; none where there are no such files."""
    if "tags" not in facts or not (told := facts.tags.map(lambda v: isinstance(v, dict))).any():
        return [], {}
    names = [*TAGS, "acquisition year", "transfer syntax"]
    empty = dict.fromkeys(names, "")
    rows = [tags if ok else empty for tags, ok in zip(facts.tags, told, strict=True)]
    return of_columns("tags", pd.DataFrame(rows, index=facts.index)[names])


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


# --- what is left of a picture: functions of (n, SIDE, SIDE) arrays ---


def border(pictures: np.ndarray) -> np.ndarray:
    edge = round(0.05 * SIDE)
    result = pictures.copy()
    result[:, edge:-edge, edge:-edge] = 0
    return result


def corners(pictures: np.ndarray) -> np.ndarray:
    edge = SIDE // 8
    result = pictures.copy()
    result[:, edge:-edge] = 0
    result[:, :, edge:-edge] = 0
    return result


def centre(pictures: np.ndarray) -> np.ndarray:
    quarter = SIDE // 4
    result = np.zeros_like(pictures)
    inside = slice(quarter, -quarter)
    result[:, inside, inside] = pictures[:, inside, inside]
    return result


def blurred(pictures: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(pictures, (0, SIDE / 16, SIDE / 16))


def coarse(pictures: np.ndarray) -> np.ndarray:
    """Mean grey of 8 x 8 fields: (n, 64)."""
    step = SIDE // 8
    return pictures.reshape(-1, 8, step, 8, step).mean((2, 4)).reshape(-1, 64)


def histogram(pictures: np.ndarray) -> np.ndarray:
    """Share of the pixels in 32 equal ranges of grey: (n, 32)."""
    return np.stack([np.bincount(p.ravel() // 8, minlength=32) for p in pictures]) / SIDE**2


def whole(pictures: np.ndarray) -> np.ndarray:
    return pictures


BY_NETWORK = {  # what is seen: kind, what is left of the picture
    BORDER: ("border", border),
    CORNERS: ("border", corners),
    "the central half of each side": ("little", centre),
    "the picture, blurred": ("little", blurred),
    "the whole picture": ("little", whole),
}


def standardised(values: np.ndarray) -> np.ndarray:
    spread = values.std(0)
    return (values - values.mean(0)) / np.where(spread > 1e-9, spread, 1)


def of_pictures(pictures, facts: pd.DataFrame, at: np.ndarray, network) -> list[Question]:
    """Questions about the pictures; `network(pictures)` gives numbers of them, (n, columns)."""
    part, asked = pictures[at], []

    def ask(kind, seen, values):
        if np.ptp(values, axis=0).max() > 1e-9:
            asked.append(Question(kind, seen, standardised(values), 0.1 * len(at), at))

    for seen, (kind, left) in BY_NETWORK.items():
        ask(kind, seen, network(left(part), seen))
    ask("little", "8 x 8 pixels", coarse(part))
    ask("little", "the histogram of grey levels", histogram(part))
    size = np.log(facts["bytes per pixel"].to_numpy(float)[at])
    ask("little", "bytes of the file per pixel", np.stack([size, size**2], axis=1))
    return asked
