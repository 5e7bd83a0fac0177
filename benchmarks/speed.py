"""What a training costs, beside the ordinary loop: images, features, heads.

The reference loop is our own plain version of what the paper's released script does in each epoch:
read an image, decode it, take a random crop, send it forward through the whole network, and the
gradient back through the last layer; then read, decode and forward the test images. It is measured
on a sample of batches, as is what this study does instead, in turns; what 100 epochs of all images
would take follows by multiplication.
"""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional as F
from torchvision.transforms import v2

from benchmarks.measure import Asked, each_network, ratio, spread, turns
from deepcovid.data.augmentation import MEAN, STD
from deepcovid.models import features, fitting, networks
from deepcovid.models.features import ImageSet, extract, to_device
from deepcovid.runs import UserError
from imageaudit import images

SIZE, BATCH, EPOCHS, IN_A_ROW = 224, 20, 100, 10
# of COVID-Xray-5k: images that an epoch learns from, those that it is judged on, and all
TRAINED, JUDGED, ALL = 2377, 3100, 5520
CPU = torch.device("cpu")
PLAIN = v2.Compose(
    [
        v2.RandomResizedCrop(SIZE),
        v2.RandomHorizontalFlip(),
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
    ]
)


def sample(asked: Asked, count: int) -> list[Path]:
    """Images of the data folder, drawn evenly from all."""
    found = sorted(p for k in ("train", "test") for p in (asked.data / k).rglob("*.*"))
    if len(found) < count:
        raise UserError(f"{asked.data} has {len(found)} images, fewer than {count}.")
    return random.Random(0).sample(found, count)


class Plain:
    """The reference loop, on a device of its own layout: nothing cached, nothing tuned."""

    def __init__(self, model: networks.Classifier, paths: list[Path]):
        self.model, self.paths = model.requires_grad_(False), paths
        model.head.requires_grad_(True)
        self.label = torch.arange(len(paths)) % 2
        self.optimizer = torch.optim.SGD(model.head.parameters(), 1e-3, 0.9)

    def batches(self):
        for start in range(0, len(self.paths), BATCH):
            read = [PLAIN(images.open_radiograph(p)) for p in self.paths[start : start + BATCH]]
            yield torch.stack(read), self.label[start : start + BATCH]

    def epoch(self) -> None:
        self.model.train()
        for batch, truth in self.batches():
            loss = F.cross_entropy(self.model(batch), truth)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    @torch.no_grad()
    def look(self) -> None:
        """One plain pass: what an epoch does without learning."""
        self.model.eval()
        for batch, _ in self.batches():
            self.model(batch)


class Ours:
    """The same with kept features: each image once, then the head alone."""

    def __init__(self, model: networks.Classifier, paths: list[Path]):
        self.model, self.paths = to_device(model, CPU), paths
        model.requires_grad_(False).eval()
        model.head.requires_grad_(True)
        self.label = torch.arange(len(paths)) % 2
        self.optimizer = torch.optim.Adam(model.head.parameters(), 1e-4)
        self.cached = torch.from_numpy(self.features())

    def features(self):
        # the files' hashes are no part of the comparison: the manifest's check is the same for both
        sha1 = [features.sha1_of(p, p.stat().st_size, p.stat().st_mtime_ns) for p in self.paths]
        count = range(len(self.paths))
        return extract(self.model.backbone, self.paths, sha1, count, SIZE, CPU, keep=None)

    def epoch(self) -> None:
        self.model.head.train()
        groups = torch.randperm(len(self.paths)).split(BATCH)
        kept = fitting.Inputs(self.label, cached=self.cached)
        for group, batch in zip(groups, kept.batches(groups), strict=True):
            loss = F.cross_entropy(self.model.head(batch), self.label[group])
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()

    def evaluate(self) -> None:
        fitting.predict(self.model, fitting.Inputs(self.label, cached=self.cached))


def several(call: Callable) -> None:
    """What takes some milliseconds of a sample, in a row and one thread, as the epochs of a training are."""
    with fitting.one_thread():
        for _ in range(IN_A_ROW):
            call()


def loop(asked: Asked) -> None:
    """100 epochs, and one plain pass, against the features and 100 epochs of the head."""
    each_network(asked, "loop", loop_row)


def loop_row(asked: Asked, name: str) -> dict:
    paths = sample(asked, asked.images)
    plain = Plain(networks.build(name, asked.weights)[0], paths)
    ours = Ours(networks.build(name, asked.weights)[0], paths)
    seconds = turns(
        {
            "reference epoch": plain.epoch, "plain pass": plain.look, "features": ours.features,
            "head epoch": partial(several, ours.epoch), "head evaluation": partial(several, ours.evaluate),
        },
        asked.rounds,
    )  # fmt: skip
    for short in ("head epoch", "head evaluation"):
        seconds[short] = [took / IN_A_ROW for took in seconds[short]]
    n = len(paths)
    columns = zip(*seconds.values(), strict=True)
    reference, whole = [], []
    for learn, look, once, head, judge in columns:
        reference.append(EPOCHS * (learn * TRAINED + look * JUDGED) / n)
        whole.append((once * ALL + EPOCHS * (head * TRAINED + judge * JUDGED)) / n)
    one = [p * ALL / n for p in seconds["plain pass"]]
    return {
        "images": n, "rounds": asked.rounds,
        "milliseconds_per_image": {k: spread([1000 * s / n for s in v]) for k, v in seconds.items()},
        "extrapolated_to": {"epochs": EPOCHS, "trained": TRAINED, "judged": JUDGED, "images": ALL},
        "times_faster_than_reference": ratio(reference, whole),
        "share_of_one_plain_pass": ratio(whole, one),
    }  # fmt: skip


def feature_pass(asked: Asked) -> None:
    """The feature pass against the forward pass alone, and against decoding alone."""
    each_network(asked, "features", feature_row)


@torch.inference_mode()
def feature_row(asked: Asked, name: str) -> dict:
    paths = sample(asked, asked.images)
    ours = Ours(networks.build(name, asked.weights)[0], paths)
    shown = ImageSet(paths, SIZE)
    groups = torch.arange(len(paths)).split(features.BATCH)
    batches = list(shown.batches(groups, CPU))
    seconds = turns(
        {
            "forward alone": lambda: [ours.model.backbone(batch) for batch in batches],
            "feature pass": ours.features,
            "decoding alone": lambda: list(shown.batches(groups, CPU)),
        },
        asked.rounds,
    )
    rate = {k: spread([len(paths) / s for s in v]) for k, v in seconds.items()}
    raw = seconds["forward alone"]
    return {
        "images": len(paths), "rounds": asked.rounds, "images_per_second": rate,
        "share_of_forward_rate": ratio(raw, seconds["feature pass"]),
    }  # fmt: skip


def heads(asked: Asked) -> None:
    """A head trained on kept features against the same head with its backbone run in each epoch."""
    each_network(asked, "heads", head_row)


def head_row(asked: Asked, name: str) -> dict:
    paths = sample(asked, asked.images)
    model = networks.build(name, asked.weights)[0]
    ours = Ours(model, paths)
    shown = ImageSet(paths, SIZE)
    before = {k: v.clone() for k, v in model.head.state_dict().items()}
    groups = torch.arange(len(paths)).split(BATCH)

    def train(stream) -> torch.Tensor:
        """Logits of the sample after one epoch of the head."""
        model.head.load_state_dict(before)
        optimizer = torch.optim.Adam(model.head.parameters(), 1e-4)
        torch.manual_seed(0)
        model.head.train()
        for group, values in zip(groups, stream(), strict=True):
            loss = F.cross_entropy(model.head(values), ours.label[group])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return fitting.predict(model, fitting.Inputs(ours.label, cached=ours.cached))

    streams = {
        "uncached": lambda: (model.backbone(batch) for batch in shown.batches(groups, CPU)),
        "cached": lambda: (ours.cached[group] for group in groups),
    }
    found = {}
    seconds = turns(
        {k: lambda k=k: found.update({k: train(streams[k])}) for k in streams}, asked.rounds
    )
    apart = float((found["cached"] - found["uncached"]).abs().max())
    return {
        "images": len(paths), "rounds": asked.rounds, "largest_difference_of_logits": apart,
        "milliseconds_per_image": {k: spread([1000 * s / len(paths) for s in v])
                                   for k, v in seconds.items()},
        "times_faster": ratio(seconds["uncached"], seconds["cached"]),
    }  # fmt: skip
