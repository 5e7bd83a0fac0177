"""What is wrong with a dataset: doubles, patients, views, and what tells its classes apart.

Everything is about originals; the release's own augmented copies have a section to themselves.
"""

from pathlib import Path

import pandas as pd

from deepcovid import imports, io
from deepcovid.data import manifest, originals, records
from deepcovid.data.duplicates import near_duplicates, released_augmentation
from deepcovid.metrics import intervals
from deepcovid.profiles import Profile
from imageaudit.patients import effective_sizes, join_duplicates

PAPER = {  # the paper's table: originals, and images after augmentation
    ("train", "COVID-19"): (84, 420),
    ("train", "Non-COVID"): (2000, 2000),
    ("test", "COVID-19"): (100, 100),
    ("test", "Non-COVID"): (3000, 3000),
}
PROPERTIES = ("mode", "width", "height", "aspect ratio", "format", "view", "age", "sex")
NUMBERS = ("width", "height", "aspect ratio", "age")


def facts(table: pd.DataFrame, data: Path) -> pd.DataFrame:
    """What is known of each original of a manifest, whose images lie in `data`, a row each.

    Mode, format, width and height (pixels) are those of the release's original file where the
    image has its name, split and class there, else of the file itself; `folder` is `train` or
    `test`; `described` are those in a table. Unknown is empty or NaN.
    """
    release, tables, rows = originals.known().to_dict("index"), records.metadata(data), []
    for row in manifest.originals(table).to_dict("records"):
        folder, kind = row["image"].lower().split("/")[:2]
        known = records.row_of(f"{folder}/{kind}/{Path(row['image']).name}", release)
        said = records.row_of(row["image"], tables.get(kind, {}))
        original = known or {**row, "format": format_of(row)}
        rows.append({
            **{key: row[key] for key in ("image", "label", "split", "patient", "sha1")},
            "folder": folder, "described": bool(said), "of_release": bool(known),
            "class": manifest.LABEL_NAMES[row["label"]],
            **{key: original[key] for key in ("mode", "format", "width", "height")},
            "view": said.get("view", said.get("AP/PA", "")),
            "sex": said.get("sex", said.get("Sex", ""))[:1].upper(),
            "age": said.get("age", said.get("Age", "")),
        })  # fmt: skip
    result = pd.DataFrame(rows)
    for column in ("width", "height", "age"):
        result[column] = pd.to_numeric(result[column], errors="coerce")
    return result.assign(**{"aspect ratio": result.width / result.height})


def format_of(row: dict) -> str:
    """An image's file format by its suffix; DICOM, which often has none, by its mode."""
    suffix = Path(row["image"]).suffix[1:].upper()
    return "DICOM" if " " in row["mode"] else {"JPG": "JPEG", "TIF": "TIFF"}.get(suffix, suffix)


def counts(table: pd.DataFrame) -> list[dict]:
    """Originals and all images per folder and class, beside the paper's table."""
    folder = records.folder_of(table.image)
    number = table.groupby([folder, table.label.map(manifest.LABEL_NAMES)]).augmented_from
    images, copies = number.size(), number.agg(lambda of: (of != "").sum())
    return [{
        "split": split, "class": name, "originals": images[split, name] - copies[split, name],
        "paper_originals": paper, "images": images[split, name], "paper_images": paper_images,
    } for (split, name), (paper, paper_images) in PAPER.items()]  # fmt: skip


def findings(table: pd.DataFrame) -> dict:
    """How many Non-COVID images of each folder show each finding; an image may show several."""
    part = table[table.label == 0]
    each = part.assign(split=records.folder_of(part.image), finding=part.finding.str.split("; "))
    return pd.crosstab(each.explode("finding").finding, each.explode("finding").split).to_dict()


def patients(of: pd.DataFrame, pairs: list[dict]) -> list[dict]:
    """Patients and images of each split and class, and what the images are worth (`effective_sizes`).

    `patients` counts them as recorded, `patients_by_picture` takes those for one that share a
    radiograph in `pairs` (of `near_duplicates`); `in_both_splits` of the latter have images in
    training and in test.
    """
    place = pd.Index(of.image)
    ends = pd.DataFrame({end: place.get_indexer([pair[end] for pair in pairs]) for end in "ab"})
    inside = ends[(ends >= 0).all(axis=1)]  # others are of an external collection
    of = of.assign(split=of.folder, label=of["class"], person=join_duplicates(of.patient, inside))
    both = {*of.person[of.folder == "train"]} & {*of.person[of.folder == "test"]}
    persons = of.groupby(["split", "label"], sort=False).person
    table = pd.DataFrame(effective_sizes(of)).assign(
        patients_by_picture=persons.nunique().to_numpy(),
        in_both_splits=persons.agg(lambda found: len(both & {*found})).to_numpy(),
    )
    table.columns = table.columns.str.replace("worth", "effective").str.replace(" ", "_")
    return table.to_dict("records")


def views(of: pd.DataFrame) -> dict:
    """How many images of each folder and class have which view."""
    if not of.described.any():
        return {"available": False}
    groups = of.view.replace("", "not stated").groupby([of.folder, of["class"]], sort=False)
    rows = [{"split": key[0], "class": key[1], **part.value_counts()} for key, part in groups]
    return {"available": True, "by_split_and_class": rows}


def acquisition(of: pd.DataFrame) -> list[dict]:
    """ROC AUC with which one property alone tells COVID-19 from Non-COVID test images.

    The training images decide how: a category scores its share of COVID-19 among them, a number
    counts upwards or downwards. Images of which the property is not known are left out. The
    intervals (95%, DeLong) take images for independent.
    """
    rows = []
    for name in PROPERTIES:
        known = of[of[name].notna() & (of[name] != "")]
        train, test = (known[known.folder == folder] for folder in ("train", "test"))
        row = {"property": name, "covid": int(test.label.sum())}
        row["non_covid"] = len(test) - row["covid"]
        if train.label.nunique() == 2 and test.label.nunique() == 2:
            if name in NUMBERS:
                rank = known[name].rank(pct=True)
                up = intervals.auc(train.label, rank[train.index]) >= 0.5
                score = rank[test.index] if up else 1 - rank[test.index]
                rule = "more is COVID-19" if up else "less is COVID-19"
            else:
                share = train.groupby(name).label.mean().sort_values(ascending=False)
                score = test[name].map(share).fillna(train.label.mean())
                rule = " > ".join(share.index)
            low, high = intervals.auc_interval(test.label, score)
            row |= {"auc": intervals.auc(test.label, score), "low": low, "high": high, "rule": rule}
        rows.append(row)
    return rows


def run(profile: Profile) -> dict:
    """Audit the images of a run's manifest; written to its `audit.json`.

    It is made once for the same images, tables and code. Raises UserError for bad metadata tables
    and unreadable external images, all at once.
    """
    table = manifest.read(profile.folder / "manifest.csv")
    outside = manifest.external(Path(profile.external)) if profile.external else None
    stamp = io.digest([
        imports.code("data.audit"), io.file_digest(originals.LIST), table.to_csv(),
        records.metadata(profile.data_folder),
        outside.drop(columns="path").to_csv() if outside is not None else "",
    ])  # fmt: skip
    kept = profile.features / "audits" / f"{stamp}.json"  # for all runs with these images
    if not kept.is_file():
        io.write_json(kept, examine(profile, table, outside))
    io.write_json(profile.folder / "audit.json", audit := io.read_json(kept))
    return audit


def examine(profile: Profile, table: pd.DataFrame, outside: pd.DataFrame | None) -> dict:
    """All that `audit.json` says of a manifest, its metadata and external images, if any."""
    data, of = profile.data_folder, facts(table, profile.data_folder)
    of["path"] = [data / image for image in of.image]
    doubles = near_duplicates(of, outside, profile.features / "signatures")
    audit = {
        "images": len(table), "originals": len(of), "of_release": int(of.of_release.sum()),
        "counts": counts(table), "findings": findings(table),
        "patients": {"by_split_and_class": patients(of, doubles["pairs"])}, "views": views(of),
        "acquisition": acquisition(of), "released_augmentation": released_augmentation(table, data),
        "near_duplicates": doubles,
    }  # fmt: skip
    return io.rounded(audit)
