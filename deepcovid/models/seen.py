"""What a model saw, and which images may therefore not judge it: one rule for the whole study.

Whatever is judged is first laid beside everything that the model was trained on, validated on or
chosen by: bytes, picture, name, patient. Training writes down what that is (`seen.csv`).
"""

from pathlib import Path, PurePosixPath

import pandas as pd

from deepcovid.data import duplicates, records
from imageaudit import matching

FILE = "seen.csv"  # in a model's folder
COLUMNS = ("image", "phase", "sha1", "patient", "name", "augmented_from")
ALONE = "by path "  # a manifest's patient where nothing but the image is known


def recorded(table: pd.DataFrame, data: Path, phase: str) -> pd.DataFrame:
    """Rows of a manifest as COLUMNS. `name` is the file's first name, `patient` empty if unknown.

    A folder that the step `fair_data` made says in its `patients.csv` what its images were called, and of
    whom they are.
    """
    of = table.augmented_from.where(table.augmented_from != "", table.image)
    listed = records.metadata(data).get("patients", pd.DataFrame())
    rows = [listed.loc[name].to_dict() if (name := records.find_listed_name(image, listed.index)) else {}
            for image in of]  # fmt: skip
    name = [row.get("original") or PurePosixPath(image).name
            for row, image in zip(rows, of, strict=True)]  # fmt: skip
    patient = [row.get("recorded") or known for row, known in zip(rows, table.patient, strict=True)]
    found = table.assign(phase=phase, name=name, patient=known_only(patient))
    return found[list(COLUMNS)]


def known_only(patient) -> list[str]:
    return ["" if name.startswith(ALONE) else name for name in patient]


def of_phases(phases: dict[str, pd.DataFrame], data: Path) -> pd.DataFrame:
    """All that a training with these phases sees, a row per image and phase; see `recorded`."""
    parts = [recorded(table, data, phase) for phase, table in phases.items()]
    return pd.concat(parts, ignore_index=True)


def unseen(judged: pd.DataFrame, seen: pd.DataFrame, keep: Path) -> pd.DataFrame:
    """`judged` with `reason`, `` where an image may be judged, and its `twin` among the `seen`.

    Both have image, path, sha1 and patient, `seen` as COLUMNS say. `keep`: see `duplicates.kept`.
    """
    # an augmented copy shows the radiograph of its original
    copies = seen.augmented_from.isin(set(seen.image))
    originals = seen[~copies].drop_duplicates("sha1")
    named = [str(PurePosixPath(image).with_name(name))
             for image, name in zip(originals.image, originals.name, strict=True)]  # fmt: skip
    known = originals.assign(image=named)[["image", "sha1", "patient"]]
    asked = judged[["image", "sha1"]].assign(patient=known_only(judged.patient))
    found = duplicates.kept(
        keep, [asked.to_numpy().tolist(), known.to_numpy().tolist()],
        lambda: matching.match(asked, known, *(duplicates.signatures(t, keep) for t in (judged, originals))),
        dtype=str,
    ).set_axis(judged.index)  # fmt: skip
    bytes_of = dict(zip(seen.sha1[copies], seen.image[copies], strict=True))
    same = (found.reason == "") & judged.sha1.isin(bytes_of)
    found.loc[same, "reason"], found.loc[same, "twin"] = "bytes", judged.sha1[same].map(bytes_of)
    return judged.assign(reason=found.reason, twin=found.twin)


def twins(table: pd.DataFrame, keep: Path) -> pd.DataFrame:
    """Pairs of rows of a table, `one` and `other` by position, that are one radiograph or one name."""
    same = duplicates.same_radiographs(table, keep)
    same = same.rename(columns={"query": "one", "reference": "other"})[["one", "other"]]
    key = table.image.map(matching.name_key).reset_index(drop=True)
    key = key[key != ""]  # of a name that anybody might give
    first = key.index.to_series().groupby(key).transform("first")
    named = pd.DataFrame({"one": first, "other": key.index})
    both = pd.concat([same, named], ignore_index=True).astype(int)
    return both[both.one < both.other].drop_duplicates(ignore_index=True)
