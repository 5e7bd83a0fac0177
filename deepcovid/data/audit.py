"""What is wrong with a dataset: doubles, patients, views, and what tells its classes apart.

Everything is about originals; the release's own augmented copies have a section to themselves.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid import imports, io
from deepcovid.data import manifest, records
from deepcovid.data.duplicates import near_duplicates, released_augmentation
from deepcovid.data.external import external_images, readable
from deepcovid.data.records import metadata
from deepcovid.metrics import intervals
from deepcovid.profiles import Profile
from imageaudit.patients import join_duplicates

LIST = Path(__file__).with_name("covid-xray-5k.csv")  # facts of the original files
PAPER = {  # the paper's table: originals, and images after augmentation
    ("train", "COVID-19"): (84, 420),
    ("train", "Non-COVID"): (2000, 2000),
    ("test", "COVID-19"): (100, 100),
    ("test", "Non-COVID"): (3000, 3000),
}
PROPERTIES = ("mode", "width", "height", "aspect ratio", "format", "view", "age", "sex")
NUMBERS = ("width", "height", "aspect ratio", "age")
QUARTILES = {"least": 0, "lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75, "most": 1}
NOT_STATED = "not stated"


def facts(table: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What is known of each original of a manifest, a row each.

    Mode, format, width and height (pixels) are those of the release's original file where the
    image has its name, split and class there, else of the file itself; `folder` is `train` or
    `test`, `name` the name in the metadata or of the file. Unknown is empty or NaN.
    """
    release = pd.read_csv(LIST, dtype=str, keep_default_na=False)
    release = release.set_index(["split", "label", "name"]).to_dict("index")
    rows = []
    for row in manifest.originals(table).to_dict("records"):
        folder, kind = row["image"].lower().split("/")[:2]
        names = records.name_variants(Path(row["image"]).name)
        known = next(filter(None, (release.get((folder, kind, name)) for name in names)), None)
        about = tables.get(kind, pd.DataFrame())
        listed = records.find_listed_name(row["image"], about.index)
        said = about.loc[listed] if listed else {}
        original = known or {**row, "format": format_of(row)}
        rows.append({
            **{key: row[key] for key in ("image", "label", "split", "patient", "sha1")},
            "folder": folder, "name": listed or names[0], "described": listed is not None,
            "class": manifest.LABEL_NAMES[row["label"]], "of_release": known is not None,
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


def unmatched(of: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> dict:
    """Rows of each table without a file, and files of its class without a row; all of them."""
    found = {}
    for kind, table in tables.items():
        here = of.image if kind == "patients" else of.image[of.label == manifest.CLASSES[kind]]
        listed = here.map(lambda image, table=table: records.find_listed_name(image, table.index))
        found[kind] = {
            "rows": len(table),
            "rows_without_file": sorted(set(table.index) - set(listed)),
            "files_without_row": sorted(here[listed.isna()]),
        }
    return found


def counts(table: pd.DataFrame) -> list[dict]:
    """Originals and all images per folder and class, beside the paper's table."""
    folder = records.folder_of(table.image)
    rows = []
    for (split, name), (originals, all_images) in PAPER.items():
        part = table[(folder == split) & (table.label.map(manifest.LABEL_NAMES) == name)]
        rows.append({
            "split": split, "class": name, "originals": len(manifest.originals(part)),
            "paper_originals": originals, "images": len(part), "paper_images": all_images,
        })  # fmt: skip
    return rows


def findings(table: pd.DataFrame) -> dict:
    """How many Non-COVID images of each folder show each finding; an image may show several."""
    part = table[table.label == 0]
    each = part.assign(split=records.folder_of(part.image), finding=part.finding.str.split("; "))
    return pd.crosstab(each.explode("finding").finding, each.explode("finding").split).to_dict()


def patients(of: pd.DataFrame, pairs: list[dict]) -> dict:
    """Patients and images per patient, and what they do to an interval of the test sensitivity.

    `patients` counts them as recorded, `patients_by_picture` takes those for one that share a
    radiograph in `pairs` (of `near_duplicates`); `in_both_splits` of the latter have images in
    training and in test.

    If images of one patient were all alike (the worst case), n images would be worth
    n_eff = n^2 / sum(m_i^2), with m_i the images of patient i (Kish 1965). `paper_half_width` is
    the Gaussian half-width at the paper's sensitivity of 0.98.
    """
    sets = {split: set(part.patient) for split, part in of.groupby("folder")}
    both = sets.get("train", set()) & sets.get("test", set())
    one = by_picture(of.patient, pairs)
    joined = [set(one[one.index.isin(sets.get(split, ()))]) for split in ("train", "test")]
    rows = []
    for (split, name), part in of.groupby(["folder", "class"], sort=False):
        size = part.groupby("patient").size()
        persons = set(one[size.index])
        effect = float((size**2).sum() / size.sum())
        half = [1.96 * np.sqrt(0.98 * 0.02 * scale / size.sum()) for scale in (1, effect)]
        rows.append({
            "split": split, "class": name, "images": len(part), "patients": len(size),
            "patients_by_picture": len(persons), "in_both_splits": len(persons.intersection(*joined)),
            "most_images_of_a_patient": int(size.max()),
            "images_per_patient": {str(k): int(n) for k, n in size.value_counts().sort_index().items()},
            "design_effect": effect, "effective_images": len(part) / effect,
            "half_width": half[0], "half_width_by_patient": half[1],
        })  # fmt: skip
    return {"by_split_and_class": rows, "patients_in_both_splits": sorted(both)}


def by_picture(patient: pd.Series, pairs: list[dict]) -> pd.Series:
    """For each recorded patient one name for all who share a radiograph in `pairs`."""
    names = pd.Index(patient.unique())
    ends = pd.DataFrame(
        {end: names.get_indexer([pair[f"patient_{end}"] for pair in pairs]) for end in "ab"}
    )
    inside = ends[(ends >= 0).all(axis=1)]  # others are of an external collection
    return pd.Series(join_duplicates(names.to_series(), inside), names)


def described(of: pd.DataFrame, column: str) -> dict:
    """View or sex by folder and class, missing ones as `not stated`; for age its quartiles."""
    if not of.described.any():
        return {"available": False}
    groups = of.groupby(["folder", "class"], sort=False)
    rows = []
    for (split, name), part in groups:
        if column == "age":
            found = {"stated": int(part.age.notna().sum()), "images": len(part),
                    **{key: part.age.quantile(share) for key, share in QUARTILES.items()}}  # fmt: skip
        else:
            found = part[column].replace("", NOT_STATED).value_counts()
        rows.append({"split": split, "class": name, **found})
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
    least = sorted(records.FINDINGS, key=lambda name: other.get(name, 0))[:2]
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


def run(profile: Profile) -> dict:
    """Audit the images of a run's manifest; written to its `audit.json`.

    It is made once for the same images, tables and code. Raises UserError for bad metadata tables
    and unreadable external images, all at once.
    """
    external = profile.external and Path(profile.external)
    table = manifest.read(profile.folder / "manifest.csv")
    tables = metadata(profile.data_folder)
    outside = readable(external_images(external), external) if external else None
    stamp = io.digest([
        imports.code("data.audit"), io.file_digest(LIST), table.to_csv(),
        {name: rows.to_csv() for name, rows in tables.items()},
        outside.drop(columns="path").to_csv() if external else "",
    ])  # fmt: skip
    kept = profile.features / "audits" / f"{stamp}.json"  # for all runs with these images
    if not kept.is_file():
        io.write_json(kept, examine(profile, table, tables, outside))
    io.write_json(profile.folder / "audit.json", audit := io.read_json(kept))
    return audit


def examine(profile: Profile, table: pd.DataFrame, tables: dict, outside) -> dict:
    """All that `audit.json` says of a manifest, its metadata and external images, if any."""
    data, of = profile.data_folder, facts(table, tables)
    of["path"] = [data / image for image in of.image]
    doubles = near_duplicates(of, outside, profile.features / "signatures")
    audit = {
        "images": len(table), "originals": len(of), "of_release": int(of.of_release.sum()),
        "counts": counts(table), "findings": findings(table), "metadata": unmatched(of, tables),
        "patients": patients(of, doubles["pairs"]),
        "views": described(of, "view"), "sex": described(of, "sex"), "age": described(of, "age"),
        "acquisition": acquisition(of),
        "released_augmentation": released_augmentation(table, data),
        "near_duplicates": doubles,
    }  # fmt: skip
    audit["disagreements"] = disagreements(audit) if audit["of_release"] else []
    return plain(audit)


def plain(data):
    """`data` as JSON has it: no NaN, no numpy, floats to 4 places."""
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    value = data.item() if isinstance(data, np.generic) else data
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value
