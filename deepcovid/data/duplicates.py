"""Near doubles: which images of a dataset, and of another beside it, are one radiograph.

And the one rule by which images may judge a model: they are first laid beside everything that it
was trained on, validated on or chosen by: bytes, picture, name, patient. Training writes down what
that is (`seen.csv`).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import imagehash
import numpy as np
import pandas as pd
from PIL import ImageOps

from deepcovid.data import records
from deepcovid.imports import code
from deepcovid.io import atomic_write, digest, read_table, write_csv
from imageaudit import images, matching
from imageaudit.matching import SAME, Signature

DEGRADED = 80  # images that are degraded to see whether their doubles are found
COPIES = 5  # images per COVID-19 training image, as the paper states
CODE = ("imageaudit.matching", "imageaudit.images")  # what a kept search depends on
SEEN = ("image", "phase", "sha1", "patient", "name", "augmented_from")  # of `seen.csv`
ALONE = "by path "  # a manifest's patient where nothing but the image is known
AGREEMENTS = np.linspace(0, 1, 41)  # edges of the histograms


def signatures(table: pd.DataFrame, keep: Path) -> list[Signature]:
    """By what the radiographs of images (rows with `path` and `sha1`) are recognised.

    Each is computed once for the same code, and kept in `keep` by the SHA-1 of its file.
    """
    keep = keep / code(*CODE)
    files = [keep / sha1[:2] / f"{sha1}.npz" for sha1 in table.sha1]

    def make(path: Path, file: Path) -> None:
        if not file.is_file():
            found = matching.signature(images.open_radiograph(path))
            with atomic_write(file) as partial:
                np.savez(partial, **found._asdict())

    def read(file: Path) -> Signature:
        with np.load(file) as kept:
            return Signature(**kept)

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, table.path, files))
    # not in threads: NumPy parses a header as Python, which crashes there
    return [read(file) for file in files]


def kept(keep: Path, given, make: Callable[[], pd.DataFrame], **how) -> pd.DataFrame:
    """The table that `make` gives, made once for the same `given` and code, and kept in `keep`.

    `how` as `pandas.read_csv` takes it. Text may be empty; there is no NaN.
    """
    file = keep / f"{digest([given, code(*CODE)])}.csv"
    if not file.is_file():
        write_csv(file, make())
    return read_table(file, keep_default_na=False, **how)


def same_radiographs(table: pd.DataFrame, keep: Path, least: float = SAME) -> pd.DataFrame:
    """The pairs of a table (`path`, `sha1`) that are one radiograph, as `matching.same_radiograph`
    gives them; found once for the same files."""
    return kept(keep, [list(table.sha1), least],
                lambda: matching.same_radiograph(signatures(table, keep), least=least))  # fmt: skip


def near_duplicates(of: pd.DataFrame, outside: pd.DataFrame | None, keep: Path) -> dict:
    """Pairs of originals, and of images of an external folder, if any, that are one radiograph.

    Both have image, path, sha1, patient and label, the originals `folder`; `keep`: see `kept`.
    Justified by what it finds of degraded images, which must lie above SAME, and by Non-COVID
    pairs of different patients, whose patients are surely known and which must lie below.
    """
    parts = [of]
    if outside is not None:
        parts += [outside.assign(image="external/" + outside.image, folder="external")]
    columns = ["image", "path", "sha1", "patient", "label", "folder"]
    kind = pd.concat([part[columns] for part in parts], ignore_index=True)
    pairs = same_radiographs(kind, keep, np.nextafter(0, 1))  # all that could be laid over
    a, b = (kind.loc[pairs[column]].reset_index(drop=True) for column in ("query", "reference"))
    pairs = pairs[["agreement"]].assign(
        same_patient=a.patient == b.patient, a=a.image, b=b.image, patient_a=a.patient, patient_b=b.patient,
        where=[" and ".join(sorted({*two})) for two in zip(a.folder, b.folder, strict=True)],
    )  # fmt: skip
    found = pairs[pairs.agreement >= SAME].sort_values(["where", "a", "b"])
    crossed = found[found["where"] == "test and train"]
    covid = (a.label + b.label) > 0
    groups = {
        "different_non_covid_patients": pairs.agreement[~covid & ~pairs.same_patient],
        "same_patient": pairs.agreement[pairs.same_patient],
        "covid": pairs.agreement[covid],
        "doctored": agreements_of_degraded(kind[: len(of)], keep),
    }
    return {
        "same_from_agreement": SAME,
        "pairs": found.to_dict("records"),
        "test_images_also_in_train": sorted(
            {image for image in (*crossed.a, *crossed.b) if image.lower().startswith("test/")}
        ),
        "histograms": {"agreement": AGREEMENTS.round(3).tolist()} | {
            f"agreement_{name}": np.histogram(values, AGREEMENTS)[0].tolist()
            for name, values in groups.items()
        },
    }  # fmt: skip


def agreements_of_degraded(table: pd.DataFrame, keep: Path) -> list[float]:
    """How well images of a table, evenly chosen, agree with degraded copies of themselves."""
    sample = table.iloc[np.unique(np.linspace(0, len(table) - 1, DEGRADED).astype(int))]
    copies = [matching.degrade(images.open_radiograph(path)) for path in sample.path]
    own = signatures(sample, keep)
    return [matching.compare(matching.signature(copy), one)
            for copy, one in zip(copies, own, strict=True)]  # fmt: skip


def released_augmentation(table: pd.DataFrame, data: Path) -> dict:
    """Images that the release makes of each COVID-19 training image, and what its copies look like.

    `unchanged` is a copy whose hash differs by at most 8 bits; `moved a little` and `mirrored` are
    recognised by agreement. Strong zooms and turns are beyond that: `too changed to tell`.
    """
    train = table[(table.label == 1) & (records.folder_of(table.image) == "train")]
    copies = train[train.augmented_from != ""]
    if copies.empty:
        return {"available": False}
    here = set(train.image[train.augmented_from == ""])
    number = copies.augmented_from.value_counts()
    number = number.reindex(sorted(here | set(number.index)), fill_value=0)
    kinds = ("unchanged", "moved a little", "mirrored", "too changed to tell", "original missing")
    look = pd.Series([likened(data / origin, data / image) if origin in here else "original missing"
                      for image, origin in zip(copies.image, copies.augmented_from, strict=True)])  # fmt: skip
    return {
        "available": True, "stated_images_per_original": COPIES, "copies": len(copies),
        "originals": len(number), "mean_images_per_original": float(1 + number.mean()),
        "originals_by_copies": {str(k): int(n) for k, n in number.value_counts().sort_index().items()},
        "originals_with_the_stated_number": int((number == COPIES - 1).sum()), "copies_look": look.value_counts().reindex(kinds, fill_value=0).to_dict(),
    }  # fmt: skip


def likened(original: Path, copy: Path) -> str:
    """What was done to a copy, as far as it can be told."""
    one, other = (images.open_radiograph(path) for path in (original, copy))
    first, second, mirrored = (matching.signature(x) for x in (one, other, ImageOps.mirror(other)))
    hashes = [imagehash.phash(picture.convert("L"), hash_size=16) for picture in (one, other)]
    if hashes[0] - hashes[1] <= 8:
        return "unchanged"
    as_is, turned = (matching.compare(first, copy, turns=1) for copy in (second, mirrored))
    if max(as_is, turned) < SAME:
        return "too changed to tell"
    return "moved a little" if as_is >= turned else "mirrored"


def of_phases(phases: dict[str, pd.DataFrame], data: Path) -> pd.DataFrame:
    """All that a training with these phases sees, a row per image and phase: SEEN.

    `name` is the file's first name, `patient` empty if unknown. A folder that the step
    `fair_data` made says in its `patients.csv` what its images were called, and of whom they are.
    """
    parts = [table.assign(phase=phase) for phase, table in phases.items()]
    table = pd.concat(parts, ignore_index=True)
    of = table.augmented_from.where(table.augmented_from != "", table.image)
    listed = records.metadata(data).get("patients", {})
    rows = [records.row_of(image, listed) for image in of]
    name = [row.get("original") or PurePosixPath(image).name
            for row, image in zip(rows, of, strict=True)]  # fmt: skip
    patient = [row.get("recorded") or known for row, known in zip(rows, table.patient, strict=True)]
    return table.assign(name=name, patient=known_only(patient))[list(SEEN)]


def known_only(patient) -> list[str]:
    return ["" if name.startswith(ALONE) else name for name in patient]


def unseen(judged: pd.DataFrame, seen: pd.DataFrame, keep: Path) -> pd.DataFrame:
    """`judged` with `reason`, `` where an image may be judged, and its `twin` among the `seen`.

    Both have image, path, sha1 and patient, `seen` as SEEN say. `keep`: see `kept`.
    """
    # an augmented copy shows the radiograph of its original
    copies = seen.augmented_from.isin(set(seen.image))
    originals = seen[~copies].drop_duplicates("sha1")
    named = [str(PurePosixPath(image).with_name(name))
             for image, name in zip(originals.image, originals.name, strict=True)]  # fmt: skip
    known = originals.assign(image=named)[["image", "sha1", "patient"]]
    asked = judged[["image", "sha1"]].assign(patient=known_only(judged.patient))
    found = kept(
        keep, [asked.to_numpy().tolist(), known.to_numpy().tolist()],
        lambda: matching.match(asked, known, *(signatures(t, keep) for t in (judged, originals))),
        dtype=str,
    ).set_axis(judged.index)  # fmt: skip
    bytes_of = dict(zip(seen.sha1[copies], seen.image[copies], strict=True))
    same = (found.reason == "") & judged.sha1.isin(bytes_of)
    found.loc[same, "reason"], found.loc[same, "twin"] = "bytes", judged.sha1[same].map(bytes_of)
    return judged.assign(reason=found.reason, twin=found.twin)


def twins(table: pd.DataFrame, keep: Path) -> pd.DataFrame:
    """Pairs of rows of a table, `one` and `other` by position, that are one radiograph or one name."""
    same = same_radiographs(table, keep)
    same = same.rename(columns={"query": "one", "reference": "other"})[["one", "other"]]
    key = table.image.map(matching.name_key).reset_index(drop=True)
    key = key[key != ""]  # of a name that anybody might give
    first = key.index.to_series().groupby(key).transform("first")
    named = pd.DataFrame({"one": first, "other": key.index})
    both = pd.concat([same, named], ignore_index=True).astype(int)
    return both[both.one < both.other].drop_duplicates(ignore_index=True)
