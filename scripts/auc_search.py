"""What could have made the reported AUC: the failed recipe under each candidate cause.

    python scripts/auc_search.py --overrides JSON

Writes `results/auc_search.csv`, which notebook 06b shows.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torchvision.transforms import v2

from deepcovid.data import augmentation, manifest
from deepcovid.data.duplicates import unseen
from deepcovid.failure.ablation import followed, write
from deepcovid.failure.design import FAILED, recipe
from deepcovid.failure.effects import verdict
from deepcovid.failure.feature_cache import FeatureCache
from deepcovid.metrics import intervals
from deepcovid.models import features, fitting, networks
from deepcovid.models.run import Run
from deepcovid.runs import RESULTS

# how test images might have been read otherwise than training images: RGB pixels 0 to 1 to input
READINGS = {
    "colours in the order BGR": lambda x: normalise(x.flip(-3)),
    "not normalised": lambda x: x,
    "pixels 0 to 255, not normalised": lambda x: 255 * x,
    "pixels 0 to 255, then normalised": lambda x: normalise(255 * x),
    "negative (white lungs)": lambda x: normalise(1 - x),
    "central half of the image only": lambda x: normalise(zoom(middle(x), x.shape)),
    "a quarter of the resolution": lambda x: normalise(zoom(zoom(x, quarter(x)), x.shape)),
}
# what is trained: the failed recipe on whole images, batch norm as it was pretrained
CELL = FAILED | {"crop": "none", "batch_norm": "eval"}
WRONG_THROUGHOUT = (
    "colours in the order BGR",
    "not normalised",
    "pixels 0 to 255, not normalised",
)


def normalise(x: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(v)[:, None, None] for v in (augmentation.MEAN, augmentation.STD))
    return (x - mean) / std


def quarter(x: torch.Tensor) -> tuple[int, int]:
    return x.shape[-2] // 4, x.shape[-1] // 4


def middle(x: torch.Tensor) -> torch.Tensor:
    height, width = quarter(x)
    return x[..., height:-height, width:-width]


def zoom(x: torch.Tensor, shape) -> torch.Tensor:
    size = tuple(shape[-2:])
    return torch.nn.functional.interpolate(x[None], size, mode="bilinear", antialias=True)[0]


def auc_search(
    run: Run,
    backbone: str = "resnet18",
    untrained=("resnet18", "resnet50", "densenet121"),
    seeds=(0, 1, 2),
    negatives: int = 200,
) -> pd.DataFrame:
    """What the failed recipe's AUC becomes under each candidate cause of the reported one.

    Heads are trained by the failed recipe on whole images. Candidates that need new features use
    all COVID-19 test images and the first `negatives` Non-COVID ones in an order drawn once.
    """
    rows = []
    for name in untrained:
        other = FeatureCache(run, name, "random")
        for seed in seeds:
            scores, label, _ = trained_head(other, CELL | {"weights": "random"}, seed)
            rows.append(row("random, untrained backbone", name, seed, label, scores[-1]))
    cache = FeatureCache(run, backbone, "pretrained")
    heads = {}
    for seed in seeds:
        scores, label, heads[seed] = trained_head(cache, CELL, seed)
        for candidate, score in of_a_training(cache, seed, scores):
            rows.append(row(candidate, backbone, seed, label, score))
    random = np.random.default_rng(0)
    some, others = (cache.test[cache.test.label == k] for k in (1, 0))
    others = others.iloc[random.permutation(len(others))[:negatives]]
    found = readings(cache, heads, pd.concat([some, others]))
    if run.profile.external:
        found += of_external(cache, heads, others, negatives, random)
    return pd.DataFrame(rows + found)


def row(candidate: str, backbone: str, seed: int, label, score) -> dict:
    """A row of the search: how a candidate ranks the images, and what it answers at 0.5."""
    low, high = intervals.auc_interval(label, score)
    found = verdict(label, score)
    return {
        "candidate": candidate, "backbone": backbone, "seed": seed, "images": len(label),
        "auc": found["auc"], "low": low, "high": high,
        "sensitivity": found["sensitivity"], "specificity": found["specificity"],
    }  # fmt: skip


def of_a_training(
    cache: FeatureCache, seed: int, scores: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    """Candidates that one training answers for: its `scores` on test are (epochs, images)."""
    score = fitting.predict(cache.model(seed), cache.inputs(CELL)["test"]).softmax(1)[:, 1]
    return [
        ("the failed recipe", scores[-1]),
        ("class order exchanged on test", 1 - scores[-1]),
        *((f"stopped after epoch {epoch}", scores[epoch - 1]) for epoch in (1, 2)),
        ("head not trained at all", score.cpu().numpy()),
    ]


def readings(cache: FeatureCache, heads: dict, subset: pd.DataFrame) -> list[dict]:
    """Rows of test images that were read otherwise than in training, and of all images that were."""
    rows = []
    paths = cache.run.paths(subset.image)
    for candidate, change in READINGS.items():
        for seed, score in read_otherwise(cache, heads, paths, change).items():
            rows.append(row(f"test images: {candidate}", cache.name, seed, subset.label, score))
    for candidate in WRONG_THROUGHOUT:
        inputs = inputs_otherwise(cache, subset, READINGS[candidate])
        for seed in heads:
            scores, label, _ = trained_head(cache, CELL, seed, inputs)
            rows.append(row(f"all images: {candidate}", cache.name, seed, label, scores[-1]))
    return rows


def strangers(run: Run) -> pd.DataFrame:
    """The images of the external folder that are not in the run's data; see `data.manifest.external`."""
    found = unseen(manifest.external(Path(run.profile.external)), run.everything(), run.signatures)
    return found[found.reason == ""]


def of_external(
    cache: FeatureCache, heads: dict, others: pd.DataFrame, negatives: int, random
) -> list[dict]:
    """Rows of another collection as test set, and of its COVID-19 images among Non-COVID `others`.

    There are none where the collection has no images of its own of both classes.
    """
    table = strangers(cache.run)
    far = {label: table.path[table.label == label].tolist() for label in (1, 0)}
    if not all(far.values()):
        return []
    far[0] = [far[0][i] for i in random.permutation(len(far[0]))[:negatives]]
    found = read_otherwise(cache, heads, far[1] + far[0], normalise)
    here = read_otherwise(cache, heads, cache.run.paths(others.image), normalise)
    rows = []
    for seed, score in found.items():
        label = np.repeat([1, 0], [len(far[1]), len(far[0])])
        rows.append(row("test images of another dataset", cache.name, seed, label, score))
        mixed = np.r_[score[label == 1], here[seed]]
        both = np.repeat([1, 0], [len(far[1]), len(here[seed])])
        candidate = "COVID-19 of another dataset, Non-COVID of this one"
        rows.append(row(candidate, cache.name, seed, both, mixed))
    return rows


def trained_head(cache: FeatureCache, cell: dict, seed: int, inputs: dict | None = None):
    """Test scores after each epoch, test labels, and the head, of one training."""
    model, inputs = cache.model(seed), inputs or cache.inputs(cell)
    scores = followed(recipe(cache.run.profile, cell), model, inputs, seed)
    return scores, inputs["test"].label.cpu().numpy(), model.head.eval()


@torch.no_grad()  # not inference_mode: heads are trained on what this gives
def seen_otherwise(cache: FeatureCache, paths: list[Path], change) -> torch.Tensor:
    """Features of images read by `change`, which gets RGB pixels from 0 to 1."""
    files = features.ImageSet(paths, cache.run.profile.image_size)
    files.floats = v2.Compose([files.floats.transforms[0], change])
    groups = torch.arange(len(paths)).split(64)
    backbone = networks.fuse_batch_norm(cache.backbone)
    stream = files.batches(groups, cache.device)
    return torch.cat(
        [networks.forward_backbone(backbone, batch, cache.half).cpu() for batch in stream]
    )


@torch.inference_mode()
def read_otherwise(
    cache: FeatureCache, heads: dict, paths: list[Path], change
) -> dict[int, np.ndarray]:
    """Scores of each head for images read by `change`."""
    seen = seen_otherwise(cache, paths, change).to(cache.device)
    return {seed: head(seen).softmax(1)[:, 1].cpu().numpy() for seed, head in heads.items()}


def inputs_otherwise(cache: FeatureCache, test: pd.DataFrame, change) -> dict[str, fitting.Inputs]:
    """The training originals and the images of `test`, all of them read by `change`."""
    train = cache.train[cache.train.augmented_from == ""]
    made = []
    for table in (train, test):
        seen = seen_otherwise(cache, cache.run.paths(table.image), change)
        made.append((cache.labels(table), seen))
    (label, seen), (test_label, test_seen) = made
    return {
        "train": fitting.Inputs(label, cached=seen),
        "test": fitting.Inputs(test_label, cached=test_seen),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overrides", default="{}", type=json.loads, help="settings, as JSON")
    parser.add_argument("--profile", default="released")
    parser.add_argument("--out", type=Path, default=RESULTS / "auc_search.csv")
    args = parser.parse_args()
    opened = Run.open(args.profile, args.overrides)
    print(write(auc_search(opened, seeds=opened.profile.seeds), args.out))
