"""Where the lungs are: a small U-Net, fitted on the lung masks that come with the data.

After Ronneberger et al. 2015. Only masks of training images are fitted; those of test images say how
well it does (`dice`).
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from scipy import ndimage
from torch import nn
from torch.nn import functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2
from tqdm.auto import tqdm

from deepcovid.data import images, manifest
from deepcovid.models import networks
from deepcovid.runs import UserError, replacing, write_json

SIZE = 96  # pixels a side of what the network sees, and of its masks
CHANNELS = (12, 24, 48, 96)
EPOCHS, BATCH, RATE = 45, 16, 3e-3
MARGIN = 0.03  # of the picture's side, left around the lungs
LEAST = 0.05  # of the picture's area: with less lung than that, nothing was found

# a lung is where it is however a radiograph was turned, framed and exposed
MOVED = v2.Compose(
    [
        v2.RandomHorizontalFlip(),
        v2.RandomAffine(
            15, (0.12, 0.12), (0.65, 1.2), 5, interpolation=v2.InterpolationMode.BILINEAR
        ),
    ]
)
EXPOSED = v2.Compose(
    [v2.ColorJitter(0.4, 0.5), v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], 0.5)]
)


def block(before: int, after: int) -> nn.Sequential:
    layers = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        layers += [nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class Segmenter(nn.Module):
    """Logits of lung, float32 (n, 1, SIZE, SIZE), of grey levels from -1 to 1 of the same shape."""

    def __init__(self):
        super().__init__()
        steps = list(pairwise(CHANNELS))
        self.down = nn.ModuleList([block(1, CHANNELS[0]), *(block(a, b) for a, b in steps)])
        self.up = nn.ModuleList([block(a + b, a) for a, b in reversed(steps)])
        self.out = nn.Conv2d(CHANNELS[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        passed = []
        for level, layer in enumerate(self.down):
            x = layer(F.max_pool2d(x, 2) if level else x)
            passed.append(x)
        for layer, skip in zip(self.up, passed[-2::-1], strict=True):
            x = layer(torch.cat([F.interpolate(x, scale_factor=2.0), skip], 1))
        return self.out(x)


def seen(picture: Image.Image) -> torch.Tensor:
    """What the network sees of a picture: uint8 (1, SIZE, SIZE), its histogram made flat."""
    grey = picture.convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(ImageOps.equalize(grey)))[None]


def pairs(table: pd.DataFrame, data: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures and masks, uint8 (n, 1, SIZE, SIZE), of the images of a manifest that have a mask.

    A mask lies under `lung-masks` where its image lies, as a PNG. Raises UserError for unreadable
    masks and when there are fewer than ten.
    """
    found = [
        (data / image, mask)
        for image in manifest.originals(table).image
        if (mask := (data / "lung-masks" / image).with_suffix(".png")).is_file()
    ]
    if len(found) < 10:
        raise UserError(
            f"{data / 'lung-masks'} holds {len(found)} masks of these images; to find lungs, ten "
            "are needed at least: leave `lungs` out of the preparation, or bring masks."
        )
    masks = []
    for _, path in found:
        mask = images.open_radiograph(path).convert("L").resize((SIZE, SIZE))
        masks.append(torch.from_numpy((np.array(mask) > 127).astype(np.uint8))[None])
    return torch.stack([seen(images.open_radiograph(path)) for path, _ in found]), torch.stack(
        masks
    )


def as_input(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.float() / 127.5 - 1


def fit(pictures: torch.Tensor, masks: torch.Tensor, epochs: int = EPOCHS, seed: int = 0):
    """A segmenter fitted on `pairs`, by cross-entropy and Dice loss."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Segmenter().train()
        steps = -(-len(pictures) // BATCH)
        optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * steps)
        for _ in tqdm(range(epochs), desc="lungs", unit="epoch"):
            for rows in torch.randperm(len(pictures)).split(BATCH):
                moved = [
                    MOVED(tv_tensors.Image(pictures[i]), tv_tensors.Mask(masks[i])) for i in rows
                ]
                x = as_input(torch.stack([EXPOSED(picture) for picture, _ in moved]))
                truth = torch.stack([mask for _, mask in moved]).float()
                logits = network(x + 0.05 * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x))
                loss = F.binary_cross_entropy_with_logits(logits, truth)
                loss = loss + 1 - overlap(logits.sigmoid(), truth).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return network.eval()


def overlap(ours: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Dice coefficient of each pair, 0 to 1."""
    both = (ours * truth).sum((1, 2, 3))
    return (2 * both + 1) / (ours.sum((1, 2, 3)) + truth.sum((1, 2, 3)) + 1)


@torch.inference_mode()
def find(network: Segmenter, picture: Image.Image) -> np.ndarray:
    """The lungs of a picture: bool (SIZE, SIZE). Two pieces at most, the smaller not a speck."""
    lung = network(as_input(seen(picture)[None]))[0, 0].numpy() > 0
    pieces, count = ndimage.label(lung)
    sizes = ndimage.sum_labels(lung, pieces, range(1, count + 1))
    kept = [i + 1 for i in np.argsort(sizes)[::-1][:2] if sizes[i] > 0.15 * sizes.max()]
    return np.isin(pieces, kept)


def box(lung: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the lungs with a margin, as shares of the sides; all, if none."""
    if lung.mean() < LEAST:
        return 0.0, 0.0, 1.0, 1.0
    rows, columns = np.flatnonzero(lung.any(1)), np.flatnonzero(lung.any(0))
    low = np.array([columns[0], rows[0]]) / SIZE - MARGIN
    high = np.array([columns[-1] + 1, rows[-1] + 1]) / SIZE + MARGIN
    return tuple(float(v) for v in (*low.clip(0, 1), *high.clip(0, 1)))


def run(folder: Path, data: Path) -> Path:
    """Fit a segmenter for the manifest in `folder`, once; its weights are `lungs.pt` there.

    `lungs.json` says how well it does on masks of test images.
    """
    target = folder / "lungs.pt"
    if target.exists():
        return target
    table = manifest.read(folder / "manifest.csv")
    pictures, masks = pairs(table[table.split == "train"], data)
    network = fit(pictures, masks)
    result = {"masks": len(masks), "dice": None}
    test = table[table.split == "test"]
    try:
        pictures, masks = pairs(test, data)
        with torch.inference_mode():
            dice = overlap((network(as_input(pictures)) > 0).float(), masks.float())
        result |= {"test_masks": len(masks), "dice": float(dice.mean()), "least": float(dice.min())}
    except UserError:  # no masks to judge by
        pass
    write_json(folder / "lungs.json", result)
    with replacing(target) as partial:
        torch.save(network.state_dict(), partial)
    return target


def load(path: Path) -> Segmenter:
    network = Segmenter()
    network.load_state_dict(networks.load_state(path))
    return network.eval()
