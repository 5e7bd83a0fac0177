"""What tells the classes apart without the disease: file properties, borders, blurred pictures.

Each measurement takes something away from the images, fits a logistic regression to what is left of
the training images, and is judged on the test images. Where the lungs cannot be seen, what remains
above ROC AUC 0.5 is a shortcut. `calibrate` holds the instrument against phantoms: it must find
shortcuts that were planted and stay silent where there is none.

All originals of the `train` folder are trained on, each class with the same weight: nothing here is
chosen on validation images, so none are set aside, and augmented copies are not used.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageFilter
from scipy.stats import norm
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

import deepcovid.features
from deepcovid import audit, augmentation, images, manifest, metrics, models, phantom, runs
from deepcovid.augmentation import MEAN, STD
from deepcovid.features import Change, extract
from deepcovid.profiles import Profile
from deepcovid.runs import UserError

SIDES = (0.2, 0.4, 0.6, 0.75, 0.9)  # of the central part, as a share of each side of the picture
CENTRES = (0.75, 0.5, 0.25, 0.1)
BLUR = 1 / 16  # standard deviation, in shorter sides of the picture
COARSE = 8  # pixels a side
BINS = 32  # of the grey-level histogram
GRID = 256  # pixels a side at which lung masks are kept
EVER = 0.05  # a place counts as lung where so many of the masks have lung
PROPERTIES = {
    "file properties": ("mode", "width", "height", "aspect ratio"),
    "patient and exposure": ("view", "age", "sex"),
}
PROPERTIES["all of these"] = tuple(name for group in PROPERTIES.values() for name in group)
NUMBERS = ("width", "height", "aspect ratio", "age")
FRAME = "outer 12.5% of each side"
ALIKE = (("view", "PA"), ("view", "AP"), ("mode", "L"))  # the disease told among images like these
WITHIN = ("view", "sex", "mode", "format")  # told apart within one class
FEW = 10  # test and training images of each kind that a measurement needs at least
C = {"network": 0.01, "table": 1.0}  # inverse strength of the penalty; standardised columns
COLUMNS = (
    "kind", "seen", "told", "model", "seen_share", "auc", "auc_low", "auc_high",
    "patient_low", "patient_high", "positives", "negatives",
)  # fmt: skip

# what cannot show the disease, so that anything found in it is a shortcut
BLIND = ("file properties", "outer 5% of each side")
LEVEL = 0.05  # how often an honest dataset may raise the alarm
COUNTS = dict.fromkeys(phantom.GROUPS, 40)  # images of each phantom dataset


# --- changes of a picture: RGB in, RGB of the same size out ---


def box(size: tuple[int, int], side: float) -> tuple[slice, slice]:
    """Rows and columns of the central part of a (width, height) picture, `side` of each side."""
    width, height = size
    x, y = round(width * (1 - side) / 2), round(height * (1 - side) / 2)
    return slice(y, height - y), slice(x, width - x)


def without_centre(picture: Image.Image, path: Path, side: float) -> Image.Image:
    """The central part black."""
    pixels = np.array(picture)
    pixels[box(picture.size, side)] = 0
    return Image.fromarray(pixels)


def only_centre(picture: Image.Image, path: Path, side: float) -> Image.Image:
    """All but the central part black."""
    pixels, inside = np.array(picture), box(picture.size, side)
    result = np.zeros_like(pixels)
    result[inside] = pixels[inside]
    return Image.fromarray(result)


def masked(picture: Image.Image, path: Path, masks: np.ndarray, keep: bool) -> Image.Image:
    """Black inside a mask, or, with `keep`, outside it. `masks` is bool, (n, GRID, GRID).

    Which of them a picture gets hangs on its name alone: its class must not show in the mask.
    """
    own = masks[int(runs.digest("/".join(path.parts[-3:])), 16) % len(masks)]
    own = np.array(Image.fromarray(own).resize(picture.size, Image.Resampling.NEAREST))
    pixels = np.array(picture)
    pixels[own != keep] = 0
    return Image.fromarray(pixels)


def blurred(picture: Image.Image, path: Path) -> Image.Image:
    """Gaussian blur of BLUR shorter sides."""
    return picture.filter(ImageFilter.GaussianBlur(BLUR * min(picture.size)))


def coarse(picture: Image.Image, path: Path) -> Image.Image:
    """Mean colours of COARSE x COARSE fields."""
    small = picture.resize((COARSE, COARSE), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


def lung_masks(data: Path) -> np.ndarray:
    """The lung masks of training images, whichever class has any: bool (n, GRID, GRID), n from 0."""
    masks = []
    for path in sorted((data / "lung-masks" / "train").rglob("*.png")):
        try:
            with Image.open(path) as file:
                small = file.convert("1").resize((GRID, GRID), Image.Resampling.NEAREST)
        except OSError as error:
            raise UserError(f"{path} cannot be read as a lung mask: {error}") from None
        masks.append(np.array(small))
    return np.array(masks, dtype=bool).reshape(-1, GRID, GRID)


# --- what looks at a picture ---


class Pooled(nn.Module):
    """A backbone's last map averaged over its places: (n, channels)."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone = backbone

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = self.backbone(x)
        return values.mean((2, 3)) if values.ndim == 4 else values


class Histogram(nn.Module):
    """The share of pixels in each of BINS equal ranges of grey: (n, BINS)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])
        self.register_buffer("bins", torch.arange(BINS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grey = (x * self.std + self.mean).mean(1).flatten(1)
        index = (grey * BINS).long().clamp(0, BINS - 1)
        return torch.stack([torch.bincount(row, minlength=BINS) for row in index]) / grey.shape[1]


@dataclass(frozen=True)
class Look:
    """One way to look at images: what is `seen` of them, and by which `network`."""

    kind: str
    seen: str
    share: float | None = None  # of the picture's area that is left
    change: Change | None = None
    variant: str = ""  # stands for all of `change`
    network: str = "own"  # the run's own backbone; `untrained`; `none`: the histogram


def looks(masks: np.ndarray) -> list[Look]:
    """All looks; those at the lungs only where there are masks."""
    found = [Look("whole", "whole picture", 1.0)]
    for side in SIDES:
        change = partial(without_centre, side=side)
        seen = f"outer {50 * (1 - side):.3g}% of each side"
        found.append(Look("border", seen, 1 - side**2, change, f"without centre {side}"))
    for side in CENTRES:
        change = partial(only_centre, side=side)
        found.append(
            Look(
                "centre", f"central {side:.0%} of each side", side**2, change, f"only centre {side}"
            )
        )
    if len(masks):
        ever = (masks.mean(0) > EVER)[None]
        sets = {"lungs": masks, "wherever lungs may be": ever}
        for name, some in sets.items():
            stamp = runs.digest(np.packbits(some).tobytes().hex())
            for keep in (False, True):
                share = float(some.mean() if keep else 1 - some.mean())
                change = partial(masked, masks=some, keep=keep)
                seen = f"only {name}" if keep else f"without {name}"
                found.append(Look("lungs", seen, share, change, f"masked {keep} {stamp}"))
    found += [
        Look("coarse", "blurred", None, blurred, f"blurred {BLUR}"),
        Look("coarse", f"{COARSE} x {COARSE} pixels", None, coarse, f"coarse {COARSE}"),
        Look("grey levels", f"histogram of {BINS} grey levels", network="none"),
        Look("untrained", "whole picture", 1.0, network="untrained"),
    ]
    frame = next(look for look in found if look.seen == FRAME)
    found.append(replace(frame, kind="untrained", network="untrained"))
    return found


# --- measuring ---


def collection(table: pd.DataFrame, data: Path) -> pd.DataFrame:
    """The originals of a manifest with all that is known of them, a row each (`audit.facts`)."""
    part = manifest.originals(table)
    of = audit.facts(table, audit.metadata(data))
    return of.assign(sha1=part.sha1.to_numpy(), path=[data / image for image in part.image])


class Eyes:
    """The networks of a run, and their values for images: computed once, kept on disk."""

    def __init__(self, profile: Profile):
        self.profile, self.device = profile, models.device_of(profile.device)
        self.name = "squeezenet" if "squeezenet" in profile.models else profile.models[0]
        network, origin = models.build(self.name, profile.weights, profile.seeds[0])
        untrained, _ = models.build(self.name, "random", profile.seeds[0])
        self.networks = {
            "own": (Pooled(network.backbone), f"{self.name} ({origin.label()})"),
            "untrained": (Pooled(untrained.backbone), f"{self.name} (random)"),
            "none": (Histogram(), "counts"),
        }

    def stamp(self) -> list:
        states = [models.state_digest(network) for network, _ in self.networks.values()]
        return [*states, self.profile.image_size, str(self.device)]

    def values(self, of: pd.DataFrame, look: Look) -> np.ndarray:
        network, _ = self.networks[look.network]
        return extract(
            network, list(of.path), list(of.sha1), range(len(of)), self.profile.image_size,
            self.device, self.profile.workers, label=look.seen, change=look.change,
            variant=look.variant,
        )  # fmt: skip


def regression(kind: str) -> Pipeline:
    """Logistic regression on standardised columns, both classes of the same weight."""
    fit = LogisticRegression(C=C[kind], class_weight="balanced", max_iter=5000)
    return make_pipeline(StandardScaler(), fit)


def table_model(of: pd.DataFrame, names: tuple[str, ...], trees: bool) -> Pipeline:
    """A classifier of the columns `names` of `of` (the training rows).

    An unknown number becomes the training median, an unknown word `not stated`; a word that
    training never met counts as none. Columns of which training knows nothing are left out.
    """
    known = [name for name in names if (of[name].notna() & (of[name] != "")).any()]
    if not known:
        raise UserError(f"Nothing is known of {', '.join(names)} in the training images.")
    numbers = [name for name in known if name in NUMBERS]
    words = [name for name in known if name not in NUMBERS]
    stated = SimpleImputer(missing_values="", strategy="constant", fill_value="not stated")
    columns = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("words", make_pipeline(stated, OneHotEncoder(handle_unknown="ignore")), words),
    ])  # fmt: skip
    forest = RandomForestClassifier(
        300, min_samples_leaf=5, class_weight="balanced", random_state=0
    )
    linear = LogisticRegression(C=C["table"], class_weight="balanced", max_iter=5000)
    return make_pipeline(columns, forest if trees else linear)


def judged(of: pd.DataFrame, label: pd.Series, values, model: Pipeline) -> dict:
    """Fit `model` on the rows of the `train` folder, judge it on those of `test`.

    `values` are the inputs of all rows, an array or a table. Gives auc with DeLong's interval of
    95%, the interval that resamples patients, and the number of test images of each class.
    """
    train, test = (of.folder == part for part in ("train", "test"))
    least = min(
        label[part].value_counts().reindex([0, 1], fill_value=0).min() for part in (train, test)
    )
    if least < 2:
        raise UserError(
            "A shortcut is measured on two images of each class at least, in train and test."
        )
    fitted = model.fit(values[train.to_numpy()], label[train])
    score = fitted.predict_proba(values[test.to_numpy()])[:, 1]
    truth = label[test].to_numpy()
    low, high = metrics.auc_interval(truth, score)
    patient = metrics.bootstrap(truth, score, of.patient[test])["auc"]
    return {
        "auc": metrics.auc(truth, score), "auc_low": low, "auc_high": high,
        "patient_low": patient[0], "patient_high": patient[1],
        "positives": int(truth.sum()), "negatives": int((1 - truth).sum()),
    }  # fmt: skip


def enough(of: pd.DataFrame, label: pd.Series) -> bool:
    counts = pd.crosstab(of.folder, label).reindex(
        index=["train", "test"], columns=[0, 1], fill_value=0
    )
    return bool((counts >= FEW).all(axis=None))


Plan = tuple[dict, Callable[[], dict]]  # the words of a row, and what measures its numbers


def of_metadata(of: pd.DataFrame) -> Iterator[Plan]:
    """Measurements without any picture, by regression and by trees."""
    known = of[list(PROPERTIES["all of these"])].replace("", np.nan).notna()
    for seen, names in PROPERTIES.items():
        groups = [PROPERTIES[name] for name in PROPERTIES if set(PROPERTIES[name]) <= set(names)]
        if not all(known[list(group)].any(axis=None) for group in groups):
            continue
        complete = known[list(names)].all(axis=1)
        for part, words in ((of, seen), (of[complete], f"{seen}, where all are known")):
            if part is not of and (complete.all() or not enough(part, part.label)):
                continue
            for trees in (False, True):
                yield (
                    {"kind": "metadata", "seen": words, "model": "trees" if trees else "regression"},
                    partial(metadata_row, part, names, trees),
                )  # fmt: skip


def metadata_row(part: pd.DataFrame, names: tuple[str, ...], trees: bool) -> dict:
    model = table_model(part[part.folder == "train"], names, trees)
    return judged(part, part.label, part[list(names)], model)


def of_pictures(of: pd.DataFrame, eyes: Eyes, seen: list[Look]) -> Iterator[Plan]:
    """Measurements with each look, then what else the untouched pictures tell."""
    for look in seen:
        yield words_of(look, eyes), partial(picture_row, of, of.label, eyes, look)
    plain = [
        look for look in seen if look.network == "own" and look.seen in ("whole picture", FRAME)
    ]
    for look in plain:
        for part, among, told, label in others(of):
            kind = "like with like" if told == "COVID-19" else "within a class"
            words = {"kind": kind, "told": told, "seen": f"{look.seen}; {among}"}
            yield words_of(look, eyes) | words, partial(picture_row, of, label, eyes, look, part)


def words_of(look: Look, eyes: Eyes) -> dict:
    model = f"{eyes.networks[look.network][1]} + regression"
    return {"kind": look.kind, "seen": look.seen, "model": model, "seen_share": look.share,
            "variant": look.variant}  # fmt: skip


def others(of: pd.DataFrame) -> Iterator[tuple[pd.Index, str, str, pd.Series]]:
    """Other questions to the pictures: rows, their description, what is told, its label.

    First the acquisition within one class: the two most frequent words of each property. Then the
    disease, among images that are alike in a property.
    """
    for number, name in manifest.LABEL_NAMES.items():
        kind = of[of.label == number]
        for column in WITHIN:
            first = kind[column][kind[column] != ""].value_counts().index[:2]
            part = kind[kind[column].isin(first)]
            if len(first) == 2 and enough(part, label := (part[column] == first[0]).astype(int)):
                yield part.index, f"{name} only", f"{column}: {first[0]}, not {first[1]}", label
    for column, value in ALIKE:
        part = of[of[column] == value]
        if len(part) < len(of) and enough(part, part.label):
            yield part.index, f"{column} {value} only", "COVID-19", part.label


def picture_row(of, label: pd.Series, eyes: Eyes, look: Look, part=None) -> dict:
    """`judged` for one look, of all images or the rows `part`."""
    part = of.index if part is None else part
    values = eyes.values(of, look)[of.index.get_indexer(part)]
    kind = "table" if look.network == "none" else "network"
    return judged(of.loc[part], label.loc[part], values, regression(kind))


def measured(of: pd.DataFrame, eyes: Eyes, seen: list[Look], folder: Path) -> pd.DataFrame:
    """All measurements; each row is kept in `folder` as it comes, and never computed twice."""
    code = runs.code_digest(
        sys.modules[__name__], audit, manifest, metrics, models, deepcovid.features, augmentation
    )
    given = of.drop(columns="path").astype(str).to_numpy().tolist()
    stamp = runs.digest([code, given, eyes.stamp()])
    rows = []
    for words, measure in [*of_metadata(of), *of_pictures(of, eyes, seen)]:
        words = {"told": "COVID-19", "seen_share": None} | words
        path = folder / f"{runs.digest([words, stamp])}.json"
        if not path.exists():
            runs.write_json(path, words | measure())
        rows.append(runs.read_json(path))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def run(profile: Profile) -> pd.DataFrame:
    """Measure all shortcuts of a run's images; written to its `shortcuts.csv`.

    A row per measurement: `kind`, what is `seen`, what is `told` from it (mostly COVID-19 from
    Non-COVID), `model`, `seen_share` (of the picture's area, 0 to 1), `auc` with two intervals of
    95% (`auc_*` DeLong, `patient_*` resampled patients), and the test images of both kinds.
    A stopped run goes on where it was.
    """
    of = collection(manifest.read(profile.folder / "manifest.csv"), profile.data_folder)
    eyes = Eyes(profile)
    table = measured(of, eyes, looks(lung_masks(profile.data_folder)), profile.folder / "shortcuts")
    return write(table, profile.folder / "shortcuts.csv")


def write(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    with runs.replacing(path) as partial_file:
        table.to_csv(partial_file, index=False, lineterminator="\n")
    return table


# --- the alarm, and its calibration ---


def alarms(table: pd.DataFrame) -> pd.DataFrame:
    """Does a dataset give its classes away where the disease cannot be seen?

    The rows of a `shortcuts.csv` that are BLIND, with `p` (one-sided, of DeLong's normal
    approximation on the logit scale, that the AUC is above 0.5) and `alarm`: p below LEVEL shared
    out among the rows (Bonferroni), so that an honest dataset raises one at most so often.
    """
    found = table[table.seen.isin(BLIND) & table.kind.isin(["metadata", "border"])]
    found = found[found.model != "trees"].set_index("seen")
    found = found[["auc", "auc_low", "auc_high"]].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        auc, low, high = (np.log(found[name] / (1 - found[name])) for name in found)
        p = norm.sf(auc / (high - low) * 2 * norm.ppf(0.975))
    point = found.auc_low == found.auc_high  # scores that are all alike, or separate perfectly
    found["p"] = np.where(point, (found.auc <= 0.5).astype(float), p)
    return found.assign(alarm=found.p < LEVEL / max(len(found), 1))


def calibrate(
    profile: Profile, honest: int = 3, planted: int = 1, counts=COUNTS, size: int = 64
) -> pd.DataFrame:
    """The alarm on phantoms: `planted` datasets with each shortcut, `honest` ones without any.

    A row per dataset and BLIND measurement, with the columns of `alarms`; `planted` is `nothing`
    or the shortcut that all COVID-19 phantoms bear. The network is untrained. Phantoms of `size`
    pixels are drawn into the run's `planted/`, once.
    """
    eyes = Eyes(replace(profile, weights="random", image_size=size))
    seen = [look for look in looks(np.empty((0, GRID, GRID))) if look.seen in BLIND]
    cases = [(None, seed) for seed in range(honest)]
    cases += [(shortcut, seed) for shortcut in phantom.SHORTCUTS for seed in range(planted)]
    tables = {}
    for shortcut, seed in cases:
        name = shortcut or "nothing"
        images_of = (
            f"{name}-{seed}-{'-'.join(str(counts[group]) for group in phantom.GROUPS)}-{size}"
        )
        folder = profile.folder / "planted" / images_of
        if not folder.is_dir():
            phantom.write(folder, seed + 100, counts, size, shortcut)
        of = collection(manifest.make(folder, 0), folder)
        tables[name, seed] = alarms(measured(of, eyes, seen, profile.folder / "shortcuts"))
    return pd.concat(tables, names=["planted", "seed"]).reset_index()


def calibration_table(found: pd.DataFrame) -> pd.DataFrame:
    """Of `calibrate`: what was planted, the AUC of each measurement, datasets, those with alarm."""
    keys = ["planted", "seed"]
    each = found.pivot_table(index=keys, columns="seen", values="auc", sort=False)
    each["alarms"] = found.groupby(keys, sort=False).alarm.any()
    groups = each.groupby("planted", sort=False)
    table = groups[list(BLIND)].mean().add_prefix("mean AUC, ").round(3)
    return table.assign(datasets=groups.size(), alarms=groups.alarms.sum())


# --- for a reader ---


def examples(profile: Profile) -> tuple[list[Image.Image], list[str]]:
    """One COVID-19 test image of a run as each look sees it, with titles."""
    table = manifest.read(profile.folder / "manifest.csv")
    first = table.image[(table.label == 1) & (table.split == "test")].iloc[0]
    path = profile.data_folder / first
    picture = images.open_radiograph(path)
    seen = [x for x in looks(lung_masks(profile.data_folder)) if x.network == "own"]
    pictures = [look.change(picture, path) if look.change else picture for look in seen]
    return pictures, [look.seen for look in seen]


def read(path: Path) -> pd.DataFrame:
    """A `shortcuts.csv`; without rows where there is no such file. UserError if it lacks columns."""
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.read_csv(path)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}: run notebook 07 again.")
    return table


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Some rows of a `shortcuts.csv` for a reader, each AUC with both intervals."""
    interval = "{:.3f} to {:.3f}".format
    found = pd.DataFrame({
        "seen": table.seen, "told": table.told, "model": table.model,
        "area left": table.seen_share.map("{:.0%}".format, na_action="ignore").fillna(""),
        "ROC AUC": table.auc.map("{:.3f}".format),
        "by image": [*map(interval, table.auc_low, table.auc_high)],
        "by patient": [*map(interval, table.patient_low, table.patient_high)],
        "told + others": [f"{p:,} + {n:,}" for p, n in zip(table.positives, table.negatives, strict=True)],
    }).set_index("seen")  # fmt: skip
    alike = [name for name in ("told", "model") if found[name].nunique() < 2]
    return found.drop(columns=alike)


def told_of(table: pd.DataFrame, kind: str, seen: str) -> str:
    """AUC and interval of the first row of a kind and what is seen, as text."""
    rows = table[(table.kind == kind) & (table.seen == seen)]
    if rows.empty:
        return "an AUC not measured"
    row = rows.iloc[0]
    return f"{row.auc:.3f} ({row.auc_low:.3f} to {row.auc_high:.3f})"


def answer(name: str, table: pd.DataFrame, calibration: pd.DataFrame, real: pd.DataFrame) -> str:
    """Notebook 07's answer, in Markdown."""
    each = calibration.groupby(["planted", "seed"]).alarm.any().reset_index()
    honest = each[each.planted == "nothing"].alarm
    planted = each[each.planted != "nothing"].alarm
    raised = alarms(table).alarm
    said = [
        f"**The instrument**: {planted.sum()} of {len(planted)} planted shortcuts were found, and "
        f"{honest.sum()} of {len(honest)} phantom datasets without any raised the alarm.",
        f"**This run** (`{name}`): "
        + (f"alarm by {' and '.join(raised.index[raised])}." if raised.any() else "no alarm.")
        + f" The whole picture tells COVID-19 with ROC AUC {told_of(table, 'whole', 'whole picture')}.",
    ]
    if len(real):
        file, rim = (
            told_of(real, kind, seen)
            for kind, seen in zip(("metadata", "border"), BLIND, strict=True)
        )
        said.append(
            "**The real images**: without looking at the lungs, COVID-19 is told with ROC AUC "
            f"{file} by the files' size and colour mode, {rim} by the {BLIND[1]}, and "
            f"{told_of(real, 'lungs', 'without wherever lungs may be')} with all places black where "
            f"lungs may be; the whole picture gives {told_of(real, 'whole', 'whole picture')}. So a "
            "score near 1 on this dataset is no evidence that a model sees the disease."
        )  # fmt: skip
    return "\n\n".join(said)
