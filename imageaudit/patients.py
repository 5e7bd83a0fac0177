"""The patients of a dataset: whose an image is, who is in several splits or classes, what images are
worth."""

import re

import numpy as np
import pandas as pd

from imageaudit.io import digest
from imageaudit.tables import is_blank, number_text

# patient (up to 00030805) and number of an image of ChestX-ray14; dates look like it, but for the 000
CHESTXRAY14 = re.compile(r"(?<!\d)(000[0-3]\d{4})_\d{3}(?!\d)")
NAMED = (  # first what says so itself
    re.compile(r"(?:patient|subject|person|phantom|pat|sub)[-_ ]?\d+", re.IGNORECASE),
    re.compile(r"(?<![a-z])sub-[a-z]*\d[a-z0-9]*", re.IGNORECASE),  # BIDS
    re.compile(r"(?<=/)p\d{8}(?=/s\d{8}[/.])"),  # MIMIC-CXR
    re.compile(r"(?<=[A-Z]-)\d{6,7}(?=-\d{1,4}\.jpe?g$)"),  # Kermany et al., as first published
    re.compile(r"(?:(?<=/)|^)(?:NORMAL2-)?IM-\d{4}(?=-\d{4}(?:-\d{4})?\.jpe?g$)"),  # Kermany et al.
)
SERIES = re.compile(r"[-_]day\d+(\.\w+)*$")  # the end of names that differ by the day alone
EMPTIED = re.compile(r"anon|remov|deident|de-ident|unknown|none|^[\W_0x]*$", re.IGNORECASE)


def by_name(image: str) -> str:
    """Whose an image is, as far as its path tells; `` where it does not."""
    name = image.rpartition("/")[2]
    if number := CHESTXRAY14.search(name):
        return f"ChestX-ray14 {number[1]}"
    for pattern in NAMED:
        if found := pattern.search(image):
            return found[0].lower()
    return f"series {SERIES.sub('', name)}" if SERIES.search(name) else ""


def is_emptied(value) -> bool:
    """Does a DICOM tag name nobody: empty, zeros, or a word like `Anonymous`?"""
    return bool(EMPTIED.search(str(value or "").strip()))


def pseudonym(header) -> str:
    """A digest of a DICOM header's PatientID; `` where it names nobody.

    PatientID may name a person, so it is kept as a digest only. Who knows the IDs can still make
    it: it hides them from a reader, and is no anonymisation.
    """
    number = str(header.get("PatientID") or "").strip()
    return "" if is_nobody(number) else digest(["PatientID", number])


def is_nobody(number: str) -> bool:
    """Does a patient's number stand for none: ANONYMOUS, 0000? `Anon-0042` is somebody."""
    return is_emptied(number) and not re.search("[1-9]", number)


def stated(numbers: pd.Series) -> pd.Series:
    """A table's patients, `` where they name nobody; 0 is somebody where there is a 1."""
    zero = numbers.str.fullmatch("0+") & bool(set(numbers.map(number_text)) & {"1"})
    return numbers.mask(is_blank(numbers) | (numbers.map(is_nobody) & ~zero), "")


def known(table: pd.DataFrame) -> pd.Series:
    """The patient of each image: as named, by DICOM's number, or the image for itself."""
    said = table.patient
    if "number" in table:
        said = said.where(said != "", table.number.fillna("").map(lambda n: n and f"DICOM {n}"))
    return said.where(said != "", "image " + table.image)


def join_duplicates(patient: pd.Series, pairs: pd.DataFrame) -> np.ndarray:
    """The patients, those who share a radiograph (`pairs` of positions, `a` and `b`) taken for one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, number = np.unique(patient.astype(str), return_inverse=True)
    a, b = number[pairs.a.to_numpy(int)], number[pairs.b.to_numpy(int)]
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(names),) * 2)
    group = connected_components(links, directed=False)[1]
    least = pd.Series(names).groupby(group).transform("first").to_numpy()
    return least[number]


def effective_sizes(table: pd.DataFrame) -> list[dict]:
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


def in_several(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Patients with images in several splits (or classes), a row each: which, and how many images."""
    several = table.groupby("patient")[column].transform("nunique") > 1
    groups = table[several].groupby("patient")[column]
    found = groups.agg([lambda values: ", ".join(sorted(set(values))), "size"])
    return found.set_axis(["in", "images"], axis=1).reset_index()
