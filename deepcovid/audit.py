"""What is wrong with a dataset: doubles, patients, views, and what tells its classes apart.

Everything is about originals; the release's own augmented copies have a section to themselves.
"""

import io
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import imagehash
import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from scipy import fft, ndimage

from deepcovid import images, manifest, metrics, runs, sources
from deepcovid.profiles import Profile
from deepcovid.runs import UserError

LIST = Path(__file__).parent / "data" / "covid-xray-5k.csv"  # facts of the original files
PAPER = {  # the paper's table: originals, and images after augmentation
    ("train", "COVID-19"): (84, 420),
    ("train", "Non-COVID"): (2000, 2000),
    ("test", "COVID-19"): (100, 100),
    ("test", "Non-COVID"): (3000, 3000),
}
COPIES = 5  # images per COVID-19 training image, as the paper states
TABLES = {"covid": ("name", "patientid", "sex", "age", "view", "modality"),
          "chexpert": ("name", "Sex", "Age", "AP/PA")}  # fmt: skip
PROPERTIES = ("mode", "width", "height", "aspect ratio", "format", "view", "age", "sex")
NUMBERS = ("width", "height", "aspect ratio", "age")
NOT_STATED = "not stated"

HASH = 16  # the perceptual hash has 16 x 16 bits
SCREEN = 70  # pairs of at most so many differing bits are compared in detail
POSITIVES = 1000  # up to so many COVID-19 images, all their pairs are: they were cropped for print
LIKELY = 0.75  # from this agreement of blocks on, a pair is laid over each other
SAME = 0.8  # from this agreement on, the two are one radiograph; `near_duplicates` says why
SIDE, BLOCK, REACH = 128, 32, 12  # pixels: compared image, its blocks, how far they may have moved
CORNERS = np.array([(y, x) for y in (12, 36, 60, 84) for x in (12, 36, 60, 84)])
BITS, AGREEMENTS = np.arange(0, 257, 8), np.linspace(0, 1, 41)  # edges of the histograms


# --- metadata and facts -----------------------------------------------------------------------


def metadata(folder: Path) -> dict[str, pd.DataFrame]:
    """The metadata tables beside the images, by class folder (`covid`, `non`); {} without any.

    All text, indexed by image name. Raises one UserError for all tables that cannot be read, lack
    columns or list an image twice.
    """
    tables, problems = {}, []
    for file, needed in TABLES.items():
        path = folder / f"{file}-metadata.csv"
        if not path.is_file():
            continue
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (ValueError, OSError) as error:  # ValueError: pandas' own and wrong encodings
            problems.append(f"{path.name} cannot be read as a table: {error}")
            continue
        missing = [column for column in needed if column not in table]
        twice = [] if "name" in missing else table.name[table.name.duplicated()].unique()
        if missing:
            problems.append(f"{path.name} lacks the columns {', '.join(missing)}")
        if len(twice):
            problems.append(f"{path.name} lists more than once: {', '.join(twice)}")
        if not missing and not len(twice):
            tables["covid" if file == "covid" else "non"] = table.set_index("name")
    if problems:
        raise UserError(f"In {folder}:\n  " + "\n  ".join(problems))
    return tables


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
        folder, kind = row["image"].split("/")[:2]
        names = manifest.unpacked(Path(row["image"]).name)
        known = next(filter(None, (release.get((folder, kind, name)) for name in names)), None)
        about = tables.get(kind, pd.DataFrame())
        name = next((n for n in names if n in about.index), names[0])
        said = about.loc[name] if name in about.index else {}
        suffix = Path(row["image"]).suffix[1:].upper().replace("JPG", "JPEG")
        original = known or {**row, "format": suffix}
        rows.append({
            **{key: row[key] for key in ("image", "label", "split", "patient")},
            "folder": folder, "name": name, "described": name in about.index,
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


def unmatched(of: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> dict:
    """Metadata rows without a file and files without a row, by class folder; all of them."""
    found = {}
    for kind, table in tables.items():
        here = of[of.label == manifest.CLASSES[kind]]
        found[kind] = {
            "rows": len(table),
            "rows_without_file": sorted(set(table.index) - set(here.name)),
            "files_without_row": sorted(here.image[~here.described]),
        }
    return found


# --- counts, patients, views ------------------------------------------------------------------


def counts(table: pd.DataFrame) -> list[dict]:
    """Originals and all images per folder and class, beside the paper's table."""
    folder = table.image.str.split("/").str[0]
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
    each = part.assign(split=part.image.str.split("/").str[0], finding=part.finding.str.split("; "))
    return pd.crosstab(each.explode("finding").finding, each.explode("finding").split).to_dict()


def patients(of: pd.DataFrame) -> dict:
    """Patients and images per patient, and what they do to an interval of the test sensitivity.

    If images of one patient were all alike (the worst case), n images would be worth
    n_eff = n^2 / sum(m_i^2), with m_i the images of patient i (Kish 1965). `paper_half_width` is
    the Gaussian half-width at the paper's sensitivity of 0.98.
    """
    rows = []
    for (split, name), part in of.groupby(["folder", "class"], sort=False):
        size = part.groupby("patient").size()
        effect = float((size**2).sum() / size.sum())
        half = [1.96 * np.sqrt(0.98 * 0.02 * scale / size.sum()) for scale in (1, effect)]
        rows.append({
            "split": split, "class": name, "images": len(part), "patients": len(size),
            "most_images_of_a_patient": int(size.max()),
            "images_per_patient": {str(k): int(n) for k, n in size.value_counts().sort_index().items()},
            "design_effect": effect, "effective_images": len(part) / effect,
            "half_width": half[0], "half_width_by_patient": half[1],
        })  # fmt: skip
    sets = {split: set(part.patient) for split, part in of.groupby("folder")}
    both = sorted(sets.get("train", set()) & sets.get("test", set()))
    return {"by_split_and_class": rows, "patients_in_both_splits": both}


def described(of: pd.DataFrame, column: str) -> dict:
    """View or sex by folder and class, missing ones as `not stated`; for age its quartiles."""
    if not of.described.any():
        return {"available": False}
    groups = of.groupby(["folder", "class"], sort=False)
    if column == "age":
        rows = [{"split": s, "class": c, "stated": int(part.age.notna().sum()), "images": len(part),
                 **{k: part.age.quantile(q) for k, q in
                    (("least", 0), ("lower_quartile", 0.25), ("median", 0.5),
                     ("upper_quartile", 0.75), ("most", 1))}} for (s, c), part in groups]  # fmt: skip
    else:
        rows = [{"split": s, "class": c, **part[column].replace("", NOT_STATED).value_counts()}
                for (s, c), part in groups]  # fmt: skip
    return {"available": True, "by_split_and_class": rows}


# --- near-duplicates --------------------------------------------------------------------------


class Look(NamedTuple):
    """What a radiograph is recognised by."""

    bits: np.ndarray  # its perceptual hash (DCT of low frequencies), 4 x uint64
    texture: np.ndarray  # `band` of its SIDE x SIDE grey levels, squeezed, float32
    spread: np.ndarray  # of each block's texture, by the block's upper left corner, float32
    detail: np.ndarray  # a finer `band`, float32


def look(picture: Image.Image) -> Look:
    grey = picture.convert("L")
    bits = np.packbits(imagehash.phash(grey, hash_size=HASH).hash).view(np.uint64)
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float32)
    texture = band(small, 1, 4, 8)
    return Look(bits, texture, spread(texture), band(small, 0.5, 2.5, 6))


def band(pixels: np.ndarray, fine: float, coarse: float, around: float) -> np.ndarray:
    """Detail between two scales (pixels), its contrast made even over `around` pixels."""
    smooth = ndimage.gaussian_filter
    detail = smooth(pixels, fine) - smooth(pixels, coarse)
    return detail / (np.sqrt(smooth(detail**2, around)) + 2)


def spread(texture: np.ndarray) -> np.ndarray:
    """Root of the summed squared deviations in each BLOCK x BLOCK window of a texture."""
    sums = np.pad(np.stack([texture, texture**2]).astype(float), ((0, 0), (1, 0), (1, 0)))
    sums = sums.cumsum(axis=1).cumsum(axis=2)
    whole, squares = (
        sums[:, BLOCK:, BLOCK:] - sums[:, :-BLOCK, BLOCK:] - sums[:, BLOCK:, :-BLOCK]
        + sums[:, :-BLOCK, :-BLOCK]
    )  # fmt: skip
    return np.sqrt(np.maximum(squares - whole**2 / BLOCK**2, 1e-6)).astype(np.float32)


def windows(looks: list[Look]) -> tuple[np.ndarray, np.ndarray]:
    """For `match`: spectrum and spread of the part of each texture where a block may lie."""
    low = CORNERS - REACH

    def parts(name, size):
        maps = np.array([getattr(look, name) for look in looks])
        return np.stack([maps[:, y : y + size, x : x + size] for y, x in low], axis=1)

    return fft.rfft2(parts("texture", BLOCK + 2 * REACH)), parts("spread", 2 * REACH + 1)


def match(one: np.ndarray, spectrum: np.ndarray, spread: np.ndarray):
    """Correlation of each block of a texture with its best place in n others, and how far it moved.

    The others come through `windows`; gives n x 16 and, in pixels, n x 16 x 2.
    """
    reach, full = 2 * REACH + 1, BLOCK + 2 * REACH
    own = np.array([one[y : y + BLOCK, x : x + BLOCK] for y, x in CORNERS])
    own = own - own.mean((1, 2), keepdims=True)
    own /= np.linalg.norm(own, axis=(1, 2), keepdims=True) + 1e-6
    product = fft.irfft2(spectrum * np.conj(fft.rfft2(own, (full, full))), (full, full))
    values = (product[..., :reach, :reach] / spread).reshape(len(spread), len(own), -1)
    best = values.argmax(axis=2)
    return values.max(axis=2), np.stack(np.divmod(best, reach), axis=2) - REACH


def overlay(one: np.ndarray, other: np.ndarray, fits: np.ndarray, moved: np.ndarray) -> float:
    """Correlation of two details once `other` is laid over `one` as most blocks say; 0 if none."""
    places = np.c_[CORNERS + (BLOCK - 1) / 2, np.ones(len(CORNERS))]
    aims, use = places[:, :2] + moved, fits >= np.median(fits)
    for _ in range(2):  # fit, leave out the blocks that went astray, fit again
        if use.sum() < 6:
            return 0.0
        turn = np.linalg.lstsq(places[use], aims[use], rcond=None)[0]
        use = np.abs(places @ turn - aims).max(axis=1) <= 2.5
    if np.abs(turn[:2] - np.eye(2)).max() > 0.3:
        return 0.0
    laid = ndimage.affine_transform(other, turn[:2].T, turn[2], order=1, cval=np.nan)
    inside = np.isfinite(laid)
    if inside.mean() < 0.4:
        return 0.0
    return float(np.corrcoef(one[inside], laid[inside])[0, 1])


def agreements(one: Look, others: list[Look], prepared=None) -> np.ndarray:
    """How surely each of `others` is the very radiograph that `one` is: 0 (not likely) to 1.

    The correlation of an `overlay` for those whose blocks agree to LIKELY, 0 for the rest.
    """
    fits, moved = match(one.texture, *(prepared or windows(others)))
    result = np.zeros(len(others))
    for i in np.flatnonzero(np.median(fits, axis=1) >= LIKELY):
        result[i] = max(0.0, overlay(one.detail, others[i].detail, fits[i], moved[i]))
    return result


def doctored(picture: Image.Image) -> Image.Image:
    """The same radiograph as another site might have it: cropped by 2%, 60% as large, JPEG 40."""
    width, height = picture.size
    edge = (round(0.02 * width), round(0.02 * height))
    part = picture.convert("L").crop((*edge, width - edge[0], height - edge[1]))
    file = io.BytesIO()
    part.resize((round(0.6 * width), round(0.6 * height))).save(file, "JPEG", quality=40)
    return Image.open(file)


def candidates(looks: list[Look], kind: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
    """Pairs worth comparing, with hash `distance` (bits) and `agreement`; and each image's distance
    to the nearest of another patient. `kind` has `patient` and `label` of each look."""
    bits, patient = np.array([x.bits for x in looks]), kind.patient.to_numpy()
    positive = np.flatnonzero(kind.label == 1)
    positive = positive if len(positive) <= POSITIVES else positive[:0]
    prepared = windows([looks[i] for i in positive]) if len(positive) else None

    def of(i: int) -> tuple[int, list[tuple]]:
        one, pairs = looks[i], []
        distance = np.bitwise_count(bits ^ one.bits).sum(axis=1)
        close = np.flatnonzero(distance <= SCREEN)
        close = close[close > i]
        if i in positive:
            close = close[~np.isin(close, positive)]
            later = slice(int(np.searchsorted(positive, i)) + 1, None)
            ahead = positive[later]
            if len(ahead):
                values = agreements(one, [looks[j] for j in ahead], [x[later] for x in prepared])
                pairs += zip([i] * len(ahead), ahead, distance[ahead], values, strict=True)
        if len(close):
            values = agreements(one, [looks[j] for j in close])
            pairs += zip([i] * len(close), close, distance[close], values, strict=True)
        return int(distance[patient != patient[i]].min(initial=HASH**2)), pairs

    with ThreadPoolExecutor() as pool:  # transforms and warps let go of Python's lock
        nearest, pairs = zip(*pool.map(of, range(len(looks))), strict=True)
    columns = ["one", "other", "distance", "agreement"]
    return pd.DataFrame(chain.from_iterable(pairs), columns=columns), list(nearest)


def external_images(folder: Path) -> pd.DataFrame:
    """The images of a `covid|non` folder: image (relative to it), label, patient.

    ChestX-ray8 numbers its patients in file names; of others each image counts as a patient.
    """
    rows = []
    for name, label in manifest.CLASSES.items():
        for path in images.find(folder / name) if (folder / name).is_dir() else []:
            number = re.search(r"(\d{8})_\d{3}", path.name)
            rows.append({
                "image": path.relative_to(folder).as_posix(), "label": label,
                "patient": f"external {number[1] if number else path.name}",
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["image", "label", "patient"])


def near_duplicates(of: pd.DataFrame, data: Path, external: Path | None) -> dict:
    """Pairs of originals, and of images of an external folder, that are one radiograph.

    Justified by what it finds of `doctored` images, which must lie above SAME, and by Non-COVID
    pairs of different patients, whose patients are surely known and which must lie below.
    Raises one UserError for all images of the external folder that cannot be read.
    """
    kind = of[["image", "patient", "label", "folder"]]
    paths = [data / image for image in of.image]
    if external:
        more = external_images(external)
        paths_there = [external / image for image in more.image]
        more = more.assign(image="external/" + more.image, folder="external")
        kind = pd.concat([kind, more], ignore_index=True)
        paths += paths_there
    with ThreadPoolExecutor() as pool:
        looks = list(pool.map(lambda path: look(images.open_radiograph(path)), paths))
    pairs, nearest = candidates(looks, kind)
    sample = np.unique(np.linspace(0, len(of) - 1, 80).astype(int))
    planted = [look(doctored(images.open_radiograph(paths[i]))) for i in sample]
    twins = [(looks[i], twin) for i, twin in zip(sample, planted, strict=True)]
    bits = [int(np.bitwise_count(one.bits ^ twin.bits).sum()) for one, twin in twins]
    again = [agreements(one, [twin])[0] for one, twin in twins]
    a, b = (kind.loc[pairs[column]].reset_index(drop=True) for column in ("one", "other"))
    pairs["same_patient"] = a.patient == b.patient
    sure = (a.label == 0) & (b.label == 0) & ~pairs.same_patient
    found = pairs[["distance", "agreement", "same_patient"]].assign(a=a.image, b=b.image)
    places = [" and ".join(sorted({x, y})) for x, y in zip(a.folder, b.folder, strict=True)]
    found = found.assign(patient_a=a.patient, patient_b=b.patient, where=places)
    found = found[found.agreement >= SAME].sort_values(["where", "a", "b"])
    crossing = found[found["where"] == "test and train"]
    outside = found[found["where"].isin(["external and test", "external and train"])]
    ends = pd.concat([crossing.a, crossing.b])
    two = found[~found.same_patient & ~found["where"].str.contains("external")]
    two = two[["patient_a", "patient_b"]]
    name = kind.image.str.split("/").str[-1]
    ours = set(name[kind.folder != "external"])
    return {
        "images": len(looks), "pairs_compared": len(pairs), "hash_bits": HASH**2,
        "screen_bits": SCREEN, "same_from_agreement": SAME,
        "doctored": {"images": len(sample), "found": int(sum(x >= SAME for x in again)),
                     "within_screen": int(sum(x <= SCREEN for x in bits)),
                     "most_bits": max(bits), "least_agreement": min(again)},
        "different_non_covid_patients": {"pairs": int(sure.sum()),
            "most_agreement": pairs.agreement[sure].max() if sure.any() else None},
        "by_place": found.groupby("where").size().to_dict(),
        "pairs": found.to_dict("records"),
        "test_images_also_in_train": sorted({x for x in ends if x.startswith("test/")}),
        "patients_recorded_as_two": sorted({tuple(sorted(pair)) for pair in two.to_numpy().tolist()}),
        "external_images_also_here": sorted(x for x in {*outside.a, *outside.b} if x.startswith("external/")),
        "external_images_with_a_name_from_here": sorted(kind.image[(kind.folder == "external") & name.isin(ours)]),
        "histograms": {
            "bits": BITS.tolist(), "agreement": AGREEMENTS.round(3).tolist(),
            "bits_nearest_other_patient": spread_of(nearest, BITS),
            "bits_doctored": spread_of(bits, BITS),
            "agreement_different_non_covid_patients": spread_of(pairs.agreement[sure], AGREEMENTS),
            "agreement_same_patient": spread_of(pairs.agreement[pairs.same_patient], AGREEMENTS),
            "agreement_covid": spread_of(pairs.agreement[(a.label + b.label) > 0], AGREEMENTS),
            "agreement_doctored": spread_of(again, AGREEMENTS),
        },
    }  # fmt: skip


def spread_of(values, edges: np.ndarray) -> list[int]:
    return np.histogram(values, edges)[0].tolist()


def released_augmentation(table: pd.DataFrame, data: Path) -> dict:
    """Images that the release makes of each COVID-19 training image, and what its copies look like.

    `unchanged` is a copy whose hash differs by at most 8 bits; `moved a little` and `mirrored` are
    recognised by agreement. Strong zooms and turns are beyond that: `too changed to tell`.
    """
    train = table[(table.label == 1) & table.image.str.startswith("train/")]
    copies = train[train.augmented_from != ""]
    if copies.empty:
        return {"available": False}
    number = copies.groupby("augmented_from").size()
    here = set(train.image[train.augmented_from == ""])
    number = pd.concat([number, pd.Series(0, index=sorted(here - set(number.index)))])
    kinds = ("unchanged", "moved a little", "mirrored", "too changed to tell", "original missing")
    seen = dict.fromkeys(kinds, 0)
    for image, origin in zip(copies.image, copies.augmented_from, strict=True):
        kind = "original missing"
        if origin in here:
            one, other = (images.open_radiograph(data / name) for name in (origin, image))
            first, second = look(one), look(other)
            as_is, turned = agreements(first, [second, look(ImageOps.mirror(other))])
            kind = "moved a little" if as_is >= turned else "mirrored"
            kind = kind if max(as_is, turned) >= SAME else "too changed to tell"
            kind = "unchanged" if np.bitwise_count(first.bits ^ second.bits).sum() <= 8 else kind
        seen[kind] += 1
    return {
        "available": True, "stated_images_per_original": COPIES, "copies": len(copies),
        "originals": len(number), "mean_images_per_original": float(1 + number.mean()),
        "originals_by_copies": {str(k): int(n) for k, n in number.value_counts().sort_index().items()},
        "originals_with_the_stated_number": int((number == COPIES - 1).sum()), "copies_look": seen,
    }  # fmt: skip


# --- what tells the classes apart -------------------------------------------------------------


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
                up = metrics.auc(train.label, rank[train.index]) >= 0.5
                score = rank[test.index] if up else 1 - rank[test.index]
                rule = "more is COVID-19" if up else "less is COVID-19"
            else:
                share = train.groupby(name).label.mean().sort_values(ascending=False)
                score = test[name].map(share).fillna(train.label.mean())
                rule = " > ".join(share.index)
            low, high = metrics.auc_interval(test.label, score)
            row |= {"auc": metrics.auc(test.label, score), "low": low, "high": high, "rule": rule}
        rows.append(row)
    return rows


def run(profile: Profile) -> dict:
    """Audit the images of a run's manifest; written to its `audit.json`.

    It is kept while images, tables and code are the same. Raises UserError for bad metadata tables
    and unreadable external images, all at once.
    """
    data, external = profile.data_folder, profile.external and Path(profile.external)
    path = profile.folder / "audit.json"
    table = manifest.read(profile.folder / "manifest.csv")
    tables = metadata(data)
    of = facts(table, tables)
    outside = [external / image for image in external_images(external).image] if external else []
    if refused := images.check(outside):
        raise UserError("Images cannot be read:\n  " + "\n  ".join(refused))
    code = runs.code_digest(sys.modules[__name__], images, manifest, metrics)
    stamp = runs.digest([
        code, runs.file_digest(LIST), table.to_csv(),
        {name: rows.to_csv() for name, rows in tables.items()},
        [[str(path.relative_to(external)), runs.file_digest(path)] for path in outside],
    ])  # fmt: skip
    if runs.done(path, stamp):
        return runs.read_json(path)
    audit = {
        "images": len(table), "originals": len(of), "of_release": int(of.of_release.sum()),
        "counts": counts(table), "findings": findings(table), "metadata": unmatched(of, tables),
        "patients": patients(of),
        "views": described(of, "view"), "sex": described(of, "sex"), "age": described(of, "age"),
        "acquisition": acquisition(of),
        "released_augmentation": released_augmentation(table, data),
        "near_duplicates": near_duplicates(of, data, external),
    }  # fmt: skip
    audit["disagreements"] = disagreements(audit) if audit["of_release"] else []
    runs.write_json(path, plain(audit))
    runs.mark_done(path, stamp)
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


# --- tables for a reader ----------------------------------------------------------------------


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
