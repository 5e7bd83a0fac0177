"""The fivefold offline augmentation of training positives, and the transforms models see."""

from pathlib import Path

import pandas as pd
import torch
from torchvision.transforms import v2

from deepcovid.data import manifest
from deepcovid.io import atomic_write, digest, write_csv
from deepcovid.profiles import Profile
from imageaudit import images

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as torchvision documents

# Section 3 of the paper names flips, small rotations and small distortions, without their sizes;
# these leave a chest a chest.
DISTORT = v2.Compose([
    v2.RandomHorizontalFlip(),
    v2.RandomRotation(degrees=10, interpolation=v2.InterpolationMode.BILINEAR),
    v2.RandomPerspective(distortion_scale=0.1, p=1.0),
])  # fmt: skip

# for a model that is to hold elsewhere: no finding may depend on positioning or exposure
AFFINE = v2.Compose([
    v2.RandomHorizontalFlip(), v2.RandomAffine(10, (0.06, 0.06), (0.85, 1.15)), v2.ColorJitter(0.4, 0.4),
])  # fmt: skip


def to_input(size: int, train_crop: str = "none") -> v2.Compose:
    """What turns an 8-bit RGB image into a model's input, float32 of shape (3, size, size).

    `none` resizes the whole image to a square, as the paper does. `random` takes a random part
    (8% to 100% of the area, aspect ratio 3/4 to 4/3) as the released training script does. `affine`
    mirrors, turns, shifts, scales and exposes the whole image a little otherwise each time.
    """
    resize = v2.Resize((size, size), antialias=True)
    crop = v2.RandomResizedCrop(size, antialias=True)
    shapes = {"none": [resize], "random": [crop], "affine": [resize, AFFINE]}[train_crop]
    floats = v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)
    return v2.Compose([v2.ToImage(), *shapes, *floats])


def seeded(transform, seed: int, *key) -> object:
    """`transform` of an image with random numbers that depend on `seed` and `key` alone."""

    def apply(image):
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would seed a graphics card's generators as well, for good
            torch.default_generator.manual_seed(int(digest([seed, *key]), 16) % 2**63)
            return transform(image)

    return apply


def copies(table: pd.DataFrame, folder: Path, out: Path, per_original: int) -> pd.DataFrame:
    """Write `per_original - 1` distorted copies of each training positive of `table`.

    Returns their manifest rows; `image` is relative to the parent of `out`, below which copies lie
    as their originals lie below their class folder. The same image gives the same pixels. Nothing
    is written for validation or test.
    """
    source = manifest.originals(table)
    source = source[(source.split == "train") & (source.label == 1)]
    rows = []
    for row in source.to_dict("records"):
        picture = images.open_radiograph(folder / row["image"])
        for k in range(1, per_original):
            path = out / f"{row['image'].split('/', 2)[2]}-copy{k}.png"
            with atomic_write(path) as partial:
                seeded(DISTORT, 0, row["sha1"], k)(picture).save(partial, compress_level=1)
            made = {
                "image": path.relative_to(out.parent).as_posix(),
                "augmented_from": row["image"],
            }
            rows.append(row | images.facts(path) | made)
    return pd.DataFrame(rows, columns=table.columns)


def run(profile: Profile) -> pd.DataFrame:
    """Write `training.csv`, the images a run trains on: manifest rows, augmented as it says.

    `augment_positives` is `release` (the release's own copies) or the number of images per
    original that the training set holds, the original itself among them.
    """
    table = manifest.read(profile.folder / "manifest.csv")
    training, number = table[table.split == "train"], profile.augment_positives
    if number != "release":
        training = manifest.originals(training)
        if number > 1:
            made = copies(table, profile.data_folder, profile.folder / "augmented", number)
            training = pd.concat([training, made], ignore_index=True)
    else:
        manifest.refuse_without_copies(profile.data_folder)
    write_csv(profile.folder / "training.csv", training)
    write_csv(profile.folder / "splits.csv", splits(table, training))
    write_csv(profile.folder / "leaks.csv", leaks(table, training))
    return training


def splits(table: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """Originals, their augmented copies and patients of each split and class, for `splits.csv`.

    `table` is a manifest, `training` what is trained on in place of its training images.
    """
    every = pd.concat([training, table[table.split != "train"]])
    copy, label = every.augmented_from != "", every.label.map(manifest.LABEL_NAMES).rename("class")
    groups = every.assign(originals=~copy, copies=copy).groupby(["split", label])
    found = groups.agg({"originals": "sum", "copies": "sum", "patient": "nunique"})
    order = [name for name in manifest.SPLITS if name in found.index.levels[0]]
    return found.loc[order].rename(columns={"patient": "patients"}).reset_index()


def leaks(table: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """What of a manifest's validation and test images is trained on, for `leaks.csv`: four checks.

    Patients count as recorded, each once; `of` is how many there are to be checked.
    """
    held_out = table[table.split != "train"]
    shared = held_out[held_out.patient.isin(training.patient)].drop_duplicates(["split", "patient"])
    patients = held_out.groupby("split").patient.nunique()
    copies = training.augmented_from[training.augmented_from != ""]
    rows = [
        ("copies of validation or test images", copies.isin(held_out.image).sum(), len(copies)),
        ("files that are also in validation or test", training.sha1.isin(held_out.sha1).sum(), len(training)),
        ("validation patients who are in training", (shared.split == "validation").sum(), patients.get("validation", 0)),
        ("test patients who are in training", (shared.split == "test").sum(), patients.get("test", 0)),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["leak", "found", "of"])
