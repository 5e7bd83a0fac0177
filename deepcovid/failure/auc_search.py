"""TODO: what failure/auc_search is."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torchvision.transforms import v2

from deepcovid.data import augmentation, manifest
from deepcovid.failure.ablation import FAILED, Bench, Pool, followed, recipe
from deepcovid.failure.arithmetic import verdict
from deepcovid.metrics import intervals
from deepcovid.models import features, networks, training
from deepcovid.profiles import Profile

# the reported AUC

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
    run: Profile,
    backbone: str = "resnet50",
    untrained=("resnet18", "resnet50", "densenet121"),
    seeds=(0, 1, 2),
    negatives: int = 200,
) -> pd.DataFrame:
    """What the failed recipe's AUC becomes under each candidate cause of the reported one.

    Heads are trained by the failed recipe on whole images. Candidates that need new features use
    all COVID-19 test images and the first `negatives` Non-COVID ones in an order drawn once.
    """
    rows = []

    def note(candidate, name, seed, label, score):
        low, high = intervals.auc_interval(label, score)
        found = verdict(label, score)
        rows.append(
            {"candidate": candidate, "backbone": name, "seed": seed, "images": len(label)}
            | {"auc": found["auc"], "low": low, "high": high}
            | {k: found[k] for k in ("sensitivity", "specificity", "mean_score_covid")}
        )

    cell = FAILED | {"crop": "none"}
    for name in untrained:
        bench = Bench(run, name, "random")
        for seed in seeds:
            chosen = cell | {"weights": "random"}
            scores, label, _ = trained_head(bench, chosen, seed)
            note("random, untrained backbone", name, seed, label, scores[-1])
    bench = Bench(run, backbone, "pretrained")
    heads = {}
    for seed in seeds:
        scores, label, heads[seed] = trained_head(bench, cell, seed)
        note("the failed recipe", backbone, seed, label, scores[-1])
        note("class order exchanged on test", backbone, seed, label, 1 - scores[-1])
        for epoch in (1, 2):
            note(f"stopped after epoch {epoch}", backbone, seed, label, scores[epoch - 1])
        start = networks.build(backbone, run.weights, seed)[0]
        start.backbone = bench.backbone
        score = training.predict(start, bench.inputs(cell)["test"]).softmax(1)[:, 1]
        note("head not trained at all", backbone, seed, label, score.cpu().numpy())
    random = np.random.default_rng(0)
    some = bench.test[bench.test.label == 1]
    others = bench.test[bench.test.label == 0]
    others = others.iloc[random.permutation(len(others))[:negatives]]
    subset = pd.concat([some, others])
    paths = [augmentation.locate(run, image) for image in subset.image]
    for candidate, change in READINGS.items():
        logits = read_otherwise(bench, heads, paths, change)
        for seed, score in logits.items():
            note(f"test images: {candidate}", backbone, seed, subset.label, score)
    for candidate in WRONG_THROUGHOUT:
        inputs = inputs_otherwise(bench, subset, READINGS[candidate])
        for seed in seeds:
            scores, label, _ = trained_head(bench, cell, seed, inputs)
            note(f"all images: {candidate}", backbone, seed, label, scores[-1])
    if run.external:
        folder = Path(run.external)
        far = {label: sorted((folder / c).iterdir()) for c, label in manifest.CLASSES.items()}
        far[0] = [far[0][i] for i in random.permutation(len(far[0]))[:negatives]]
        found = read_otherwise(bench, heads, far[1] + far[0], normalise)
        here = read_otherwise(bench, heads, paths[len(some) :], normalise)
        label = np.r_[np.ones(len(far[1])), np.zeros(len(far[0]))].astype(int)
        for seed, score in found.items():
            note("test set from elsewhere", backbone, seed, label, score)
            mixed = np.r_[score[label == 1], here[seed]]
            both = np.r_[np.ones(len(far[1])), np.zeros(len(here[seed]))].astype(int)
            note("COVID-19 from elsewhere, Non-COVID from here", backbone, seed, both, mixed)
    return pd.DataFrame(rows)


def trained_head(bench: Bench, cell: dict, seed: int, inputs: dict | None = None):
    """Test scores after each epoch, test labels, and the head, of one training."""
    model, _ = networks.build(bench.name, bench.weights, seed)
    model.backbone = bench.backbone
    inputs = inputs or bench.inputs(cell)
    scores = followed(recipe(bench.run, cell), model, inputs, seed)
    return scores, inputs["test"].label.cpu().numpy(), model.head.eval()


@torch.no_grad()  # not inference_mode: heads are trained on what this gives
def seen_otherwise(bench: Bench, paths: list[Path], change) -> torch.Tensor:
    """Features of images read by `change`, which gets RGB pixels from 0 to 1."""
    files = features.ImageSet(paths, bench.run.image_size)
    *steps, _ = files.transform.transforms
    files.transform = v2.Compose([*steps, change])
    groups = torch.arange(len(paths)).split(64)
    bench.backbone.eval()
    return torch.cat([bench.backbone(b).cpu() for b in files.batches(groups, bench.device)])


@torch.inference_mode()
def read_otherwise(bench: Bench, heads: dict, paths: list[Path], change) -> dict[int, np.ndarray]:
    """Scores of each head for images read by `change`."""
    seen = seen_otherwise(bench, paths, change).to(bench.device)
    return {seed: head(seen).softmax(1)[:, 1].cpu().numpy() for seed, head in heads.items()}


def inputs_otherwise(bench: Bench, test: pd.DataFrame, change) -> dict[str, training.Inputs]:
    """The training originals and the images of `test`, all of them read by `change`."""
    train = bench.train[bench.train.augmented_from == ""]
    made = []
    for table in (train, test):
        paths = [augmentation.locate(bench.run, image) for image in table.image]
        label = torch.tensor(table.label.to_numpy(), device=bench.device)
        made.append((label, seen_otherwise(bench, paths, change)))
    (label, seen), (test_label, test_seen) = made
    return {
        "train": Pool(label, cached=seen, rows=torch.arange(len(label)), views=[seen]),
        "test": training.Inputs(test_label, cached=test_seen),
    }
