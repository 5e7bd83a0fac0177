"""Near doubles: which images of a dataset, and of another beside it, are one radiograph."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from PIL import ImageOps

from deepcovid.data import manifest, records
from deepcovid.runs import UserError, read_table
from imageaudit import images
from imageaudit.matching import (
    SAME,
    Signature,
    compare,
    degrade,
    name_key,
    same_radiograph,
    signature,
)
from imageaudit.patients import CHESTXRAY14

PLANTED = 80  # images that are degraded to see whether their doubles are found
COPIES = 5  # images per COVID-19 training image, as the paper states
AGREEMENTS = np.linspace(0, 1, 41)  # edges of the histograms


def external_images(folder: Path) -> pd.DataFrame:
    """The images of a `covid|non` folder: image (relative to it), label, patient, view, source.

    What `metadata.csv` there says of an image, found by its path or name; without it the view is
    unknown, and patient and source only where ChestX-ray8's or CheXpert's names tell.
    """
    known = external_metadata(folder)
    rows = []
    for name, label in manifest.CLASSES.items():
        inside = manifest.named(folder, name)
        for path in images.find(inside) if inside else []:
            image = path.relative_to(folder).as_posix()
            of = known.get(records.find_listed_name(image, known), {})
            rows.append({
                "image": image, "label": label, "patient": patient_of(folder, image, of.get("patient")),
                "view": of.get("view", ""), "source": of.get("source") or source_of(path.name),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["image", "label", "patient", "view", "source"])


def external_metadata(folder: Path) -> dict[str, dict]:
    """The rows of the `metadata.csv` in an external folder by image; empty without one."""
    path = folder / "metadata.csv"
    if not path.is_file():
        return {}
    table = read_table(path, dtype=str, keep_default_na=False).apply(lambda c: c.str.strip())
    if "image" not in table or table.image.duplicated().any():
        raise UserError(f"{path} needs a column image that names each image once.")
    return table.set_index("image").to_dict("index")


def patient_of(folder: Path, image: str, listed: str | None = None) -> str:
    """Of whom an external image is, in the words of a run's manifest, so that the two compare.

    ChestX-ray8 and CheXpert number their patients in file names. Where nothing is known the image
    counts as a patient of its own.
    """
    name = image.rpartition("/")[2]
    if number := CHESTXRAY14.search(name):
        return f"ChestX-ray8 {number[1]}"
    if chexpert := records.CHEXPERT.match(name):
        return f"CheXpert {chexpert['patient']}"
    if listed:
        return f"listed {listed}"
    number = records.dicom_patient(folder / image)
    return f"DICOM {number}" if number else f"by path {image}"


def source_of(name: str) -> str:
    return (
        "ChestX-ray8"
        if CHESTXRAY14.search(name)
        else "CheXpert"
        if records.CHEXPERT.match(name)
        else ""
    )


def signatures_of(paths: list[Path]) -> list[Signature]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: signature(images.open_radiograph(path)), paths))


def near_duplicates(of: pd.DataFrame, data: Path, external: Path | None) -> dict:
    """Pairs of originals, and of images of an external folder, that are one radiograph.

    Justified by what it finds of degraded images, which must lie above SAME, and by Non-COVID
    pairs of different patients, whose patients are surely known and which must lie below.
    """
    kind = of[["image", "patient", "label", "folder"]]
    paths = [data / image for image in of.image]
    if external:
        more = external_images(external)
        paths += [external / image for image in more.image]
        more = more.assign(image="external/" + more.image, folder="external")
        kind = pd.concat([kind, more], ignore_index=True)
    signatures = signatures_of(paths)
    pairs = same_radiograph(signatures, least=np.nextafter(0, 1))  # all that could be laid over
    a, b = (kind.loc[pairs[column]].reset_index(drop=True) for column in ("query", "reference"))
    pairs["same_patient"] = a.patient == b.patient
    sure = (a.label == 0) & (b.label == 0) & ~pairs.same_patient
    sample = np.unique(np.linspace(0, len(of) - 1, PLANTED).astype(int))
    planted = [signature(degrade(images.open_radiograph(paths[i]))) for i in sample]
    again = [compare(twin, signatures[i]) for i, twin in zip(sample, planted, strict=True)]
    return {
        "images": len(signatures), "pairs_compared": len(signatures) * (len(signatures) - 1) // 2,
        "pairs_laid_over": len(pairs), "same_from_agreement": SAME,
        "doctored": {"images": len(sample), "found": int(sum(x >= SAME for x in again)),
                     "least_agreement": min(again)},
        "different_non_covid_patients": {"pairs": int(sure.sum()),
            "most_agreement": pairs.agreement[sure].max() if sure.any() else None},
        **doubles(pairs, a, b, kind),
        "histograms": {
            "agreement": AGREEMENTS.round(3).tolist(),
            "agreement_different_non_covid_patients": spread_of(pairs.agreement[sure], AGREEMENTS),
            "agreement_same_patient": spread_of(pairs.agreement[pairs.same_patient], AGREEMENTS),
            "agreement_covid": spread_of(pairs.agreement[(a.label + b.label) > 0], AGREEMENTS),
            "agreement_doctored": spread_of(again, AGREEMENTS),
        },
    }  # fmt: skip


def doubles(pairs: pd.DataFrame, a: pd.DataFrame, b: pd.DataFrame, kind: pd.DataFrame) -> dict:
    """The pairs that are one radiograph, and what follows from where they lie.

    `a` and `b` are the rows of `kind` that each of `pairs` compares.
    """
    found = pairs[["agreement", "same_patient"]].assign(a=a.image, b=b.image)
    places = [" and ".join(sorted({x, y})) for x, y in zip(a.folder, b.folder, strict=True)]
    found = found.assign(patient_a=a.patient, patient_b=b.patient, where=places)
    found = found[found.agreement >= SAME].sort_values(["where", "a", "b"])
    outside = found["where"].str.contains("external")
    two = found.loc[~found.same_patient & ~outside, ["patient_a", "patient_b"]]
    name = kind.image.map(name_key)
    ours = set(name[kind.folder != "external"]) - {""}
    named = (kind.folder == "external") & name.isin(ours)

    def ends(folder: str, *places: str) -> list[str]:
        """The images in `folder` of the pairs that lie in these places."""
        pairs = found[found["where"].isin(places)]
        images = {*pairs.a, *pairs.b}
        return sorted(kind.image[kind.image.isin(images) & (kind.folder == folder)])

    return {
        "by_place": found.groupby("where").size().to_dict(),
        "pairs": found.to_dict("records"),
        "test_images_also_in_train": ends("test", "test and train"),
        "patients_recorded_as_two": sorted({tuple(sorted(p)) for p in two.to_numpy().tolist()}),
        "external_images_also_here": ends("external", "external and test", "external and train"),
        "external_images_with_a_name_from_here": sorted(kind.image[named]),
    }


def spread_of(values, edges: np.ndarray) -> list[int]:
    return np.histogram(values, edges)[0].tolist()


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
    number = copies.groupby("augmented_from").size()
    number = pd.concat([number, pd.Series(0, index=sorted(here - set(number.index)))])
    kinds = ("unchanged", "moved a little", "mirrored", "too changed to tell", "original missing")
    seen = dict.fromkeys(kinds, 0)
    for image, origin in zip(copies.image, copies.augmented_from, strict=True):
        seen[likened(data / origin, data / image) if origin in here else "original missing"] += 1
    return {
        "available": True, "stated_images_per_original": COPIES, "copies": len(copies),
        "originals": len(number), "mean_images_per_original": float(1 + number.mean()),
        "originals_by_copies": {str(k): int(n) for k, n in number.value_counts().sort_index().items()},
        "originals_with_the_stated_number": int((number == COPIES - 1).sum()), "copies_look": seen,
    }  # fmt: skip


def likened(original: Path, copy: Path) -> str:
    """What was done to a copy, as far as it can be told."""
    one, other = (images.open_radiograph(path) for path in (original, copy))
    first, second, mirrored = (signature(x) for x in (one, other, ImageOps.mirror(other)))
    hashes = [imagehash.phash(picture.convert("L"), hash_size=16) for picture in (one, other)]
    if hashes[0] - hashes[1] <= 8:
        return "unchanged"
    as_is, turned = (compare(first, copy, turns=1) for copy in (second, mirrored))
    if max(as_is, turned) < SAME:
        return "too changed to tell"
    return "moved a little" if as_is >= turned else "mirrored"
