"""Where the lungs are: a small U-Net, fitted on the lung masks that come with the data.

After Ronneberger et al. 2015. Only masks of training images are fitted; those of test images say
how well it does (`dice`). MONAI, which takes seconds to import, is imported where it is used.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from scipy import ndimage
from torch import nn
from torchvision import tv_tensors
from torchvision.transforms import v2
from tqdm.auto import tqdm

from deepcovid import io
from deepcovid.data import manifest
from deepcovid.models import features, networks
from deepcovid.profiles import Profile
from deepcovid.runs import UserError
from imageaudit import images

SIZE = 96  # pixels a side of what the network sees, and of its masks
FEATURES = (12, 24, 48, 96, 96, 12)  # channels of each level, and of the last
EPOCHS, BATCH, RATE = 45, 16, 3e-3
MARGIN = 0.03  # of the picture's side, left around the lungs
FEWEST = 10  # masks to fit on, or to judge by
LEAST = 0.05  # of the picture's area: with less lung than that, nothing was found
ASKS = {"crop_lungs", "mask_lungs"}  # the steps of preprocessing that ask where the lungs are

# a lung is where it is however a radiograph was turned, framed and exposed
SMOOTH = v2.InterpolationMode.BILINEAR
MOVED = v2.Compose(
    [v2.RandomHorizontalFlip(), v2.RandomAffine(15, (0.12, 0.12), (0.65, 1.2), 5, SMOOTH)]
)
BLURRED = v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], 0.5)
EXPOSED = v2.Compose([v2.ColorJitter(0.4, 0.5), BLURRED])


def segmenter() -> nn.Module:
    """Gives logits of lung, float32 (n, 1, SIZE, SIZE), for grey levels -1 to 1 of that shape."""
    from monai.networks.nets import BasicUNet

    return BasicUNet(2, 1, 1, FEATURES, act="relu", norm="batch")


def seen(picture: Image.Image) -> torch.Tensor:
    """What the network sees of a picture: uint8 (1, SIZE, SIZE), its histogram made flat."""
    grey = picture.convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(ImageOps.equalize(grey)))[None]


def masked(table: pd.DataFrame, data: Path) -> list[tuple[Path, Path]]:
    """Image and mask of those originals of a manifest that have a mask.

    A mask lies under `lung-masks` where its image lies, as a PNG.
    """
    found = {
        data / image: (data / "lung-masks" / image).with_suffix(".png")
        for image in manifest.originals(table).image
    }
    return [(image, mask) for image, mask in found.items() if mask.is_file()]


def can_be_found(run) -> bool:
    """Are there masks enough of an opened run's training images to fit a segmenter on?"""
    return len(masked(run.originals("train"), run.data)) >= FEWEST


def pairs(table: pd.DataFrame, data: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures and masks, uint8 (n, 1, SIZE, SIZE), of the images of a manifest that have a mask.

    Raises UserError for unreadable masks and when there are fewer than ten.
    """
    found = masked(table, data)
    if len(found) < FEWEST:
        raise UserError(
            f"{data / 'lung-masks'} holds {len(found)} masks of these images; to find lungs, which "
            "`crop_lungs`, `mask_lungs` and notebook 07's table of preprocessing do, ten are needed."
        )
    masks = []
    for _, path in found:
        mask = images.open_radiograph(path).convert("L").resize((SIZE, SIZE))
        masks.append(torch.from_numpy((np.array(mask) > 127).astype(np.uint8))[None])
    pictures = [seen(images.open_radiograph(path)) for path, _ in found]
    return torch.stack(pictures), torch.stack(masks)


def as_input(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.float() / 127.5 - 1


def fit(pictures: torch.Tensor, masks: torch.Tensor, epochs: int = EPOCHS, seed: int = 0):
    """A segmenter fitted on `pairs`, by cross-entropy and Dice loss."""
    from monai.losses import DiceCELoss

    loss_of = DiceCELoss(sigmoid=True)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = segmenter().train()
        steps = -(-len(pictures) // BATCH)
        optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * steps)
        for _ in tqdm(range(epochs), desc="lungs", unit="epoch"):
            for rows in torch.randperm(len(pictures)).split(BATCH):
                pairs = [(tv_tensors.Image(pictures[i]), tv_tensors.Mask(masks[i])) for i in rows]
                moved, truth = zip(*(MOVED(*pair) for pair in pairs), strict=True)
                x, truth = as_input(torch.stack([*map(EXPOSED, moved)])), torch.stack(truth).float()
                logits = network(x + 0.05 * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x))
                optimizer.zero_grad()
                loss_of(logits, truth).backward()
                optimizer.step()
                schedule.step()
    return network.eval()


@torch.inference_mode()
def dice(network: nn.Module, pictures: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Dice coefficient, 0 to 1, of what is found on each of `pairs` and its mask."""
    from monai.metrics import compute_dice

    found = (network(as_input(pictures)) > 0).float()
    return compute_dice(found, masks.float(), ignore_empty=False)[:, 0]


@torch.inference_mode()
def find(network: nn.Module, pictures: list[Image.Image]) -> np.ndarray:
    """The lungs of pictures: bool (n, SIZE, SIZE). Two pieces at most, the smaller not a speck."""
    found = []
    for lung in network(as_input(torch.stack([*map(seen, pictures)])))[:, 0].numpy() > 0:
        pieces, count = ndimage.label(lung)
        sizes = ndimage.sum_labels(lung, pieces, range(1, count + 1))
        kept = [i + 1 for i in np.argsort(sizes)[::-1][:2] if sizes[i] > 0.15 * sizes.max()]
        found.append(np.isin(pieces, kept))
    return np.array(found)


def find_all(
    network: nn.Module, paths, sha1, keep: Path, change: features.Change | None = None, variant=""
) -> np.ndarray:  # fmt: skip
    """`find` in image files, or in what `change` makes of their pictures, in the order of `paths`.

    Each is kept in `keep` by its SHA-1, the segmenter, and `variant`, which stands for `change`.
    """
    made_from = [networks.state_digest(network), variant, io.code_digest(__file__)]
    place = keep / "lungs" / io.digest(made_from)
    files = [place / one[:2] / f"{one}.npy" for one in sha1]
    wanted = [pair for pair in zip(paths, files, strict=True) if not pair[1].is_file()]
    # what is kept by a SHA-1 for all runs has to be of the file that has it
    features.check_unchanged([path for path, _ in wanted], [file.stem for _, file in wanted])
    for start in tqdm(range(0, len(wanted), features.CHUNK), desc="lungs found", unit="chunk"):
        part = wanted[start : start + features.CHUNK]
        pictures = [images.open_radiograph(path) for path, _ in part]
        if change:
            pictures = [change(one, path) for one, (path, _) in zip(pictures, part, strict=True)]
        for (_, file), lung in zip(part, find(network, pictures), strict=True):
            with io.atomic_write(file) as partial, partial.open("wb") as opened:
                np.save(opened, np.packbits(lung))
    bits = [np.unpackbits(np.load(file)) for file in files]
    return np.array(bits, bool).reshape(-1, SIZE, SIZE)


def missed(lung: np.ndarray) -> bool:
    """Is that too little to be lungs? Such pictures are used whole; `run` counts them."""
    return bool(lung.mean() < LEAST)


def box(lung: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the lungs with a margin, as shares of the sides; all, if none."""
    if missed(lung):
        return 0.0, 0.0, 1.0, 1.0
    rows, columns = np.flatnonzero(lung.any(1)), np.flatnonzero(lung.any(0))
    low = np.array([columns[0], rows[0]]) / SIZE - MARGIN
    high = np.array([columns[-1] + 1, rows[-1] + 1]) / SIZE + MARGIN
    return tuple(float(v) for v in (*low.clip(0, 1), *high.clip(0, 1)))


def run(profile: Profile) -> Path:
    """Fit a segmenter for a run's manifest unless that was done; its weights: `lungs.pt`.

    `lungs.json` says how well it does on masks of test images, and, where the run prepares all its
    pictures by it, in how many it finds no lungs. Steps that run side by side wait for the one that
    fits it.
    """
    folder, data = profile.folder, profile.data_folder
    target, table = folder / "lungs.pt", manifest.read(folder / "manifest.csv")
    given = table[["image", "split", "sha1"]].to_numpy().tolist()
    given += [io.file_digest(mask) for _, mask in masked(table, data)]
    counted = bool(ASKS & {*profile.preprocessing})
    stamp = io.digest([given, counted, features.reading(SIZE), io.code_digest(__file__)])
    with io.lock(target):
        if io.is_fresh(target, stamp):
            return target
        pictures, masks = pairs(table[table.split == "train"], data)
        network = fit(pictures, masks)
        result = {"masks": len(masks), "dice": None}
        test = table[table.split == "test"]
        if len(masked(test, data)) >= FEWEST:  # else too few to judge by
            each = dice(network, *pairs(test, data))
            least, mean = float(each.min()), float(each.mean())
            result |= {"test_masks": len(each), "dice": mean, "least": least}
        if counted:
            every = manifest.originals(table)
            paths = [data / image for image in every.image]
            lost = [*map(missed, find_all(network, paths, every.sha1, profile.features))]
            result |= {"pictures": len(lost), "without_lungs": sum(lost)}
        io.write_json(folder / "lungs.json", result)
        with io.atomic_write(target) as partial:
            torch.save(network.state_dict(), partial)
        io.write_stamp(target, stamp)
    return target


def load(path: Path) -> nn.Module:
    """The segmenter that `run` kept."""
    network = segmenter()
    network.load_state_dict(networks.load_state(path))
    return features.to_device(network, torch.device("cpu")).eval()
