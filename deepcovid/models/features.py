"""Run a frozen backbone over images once, and keep what it gives.

A frozen backbone says the same of an image in every epoch and under every recipe. So it is run
once, in chunks of images that are kept in `runs/features/`, and heads are trained on those. What is
kept is told apart by the backbone, the bytes of the images and the code that reads them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2
from tqdm.auto import tqdm

from deepcovid.data.augmentation import seeded, to_input
from deepcovid.imports import code
from deepcovid.io import atomic_write, digest
from deepcovid.models import networks
from deepcovid.runs import RUNS, UserError
from imageaudit import images

Change = Callable[[Image.Image, Path], Image.Image]  # of a picture before it becomes an input
CHUNK = 64  # images that are kept in one file
BATCH = 32  # images that a network sees at once; of 64 they take up to a fifth more time on a CPU
ROOM = 2 * 2**30  # bytes of pictures that are kept in memory; those beyond are read again


class ImageSet:
    """Images as model inputs. Indexed by (epoch, i): a random crop depends on both and the seed.

    `change(picture, path)` may give another picture in place of the one that was read. With a
    device as `keep`, what is the same of a picture in every epoch stays there once it was read,
    and what differs is made of it there.
    """

    def __init__(
        self, paths: list[Path], size: int, train_crop: str = "none", seed: int = 0,
        change: Change | None = None, keep: torch.device | None = None,
    ):  # fmt: skip
        self.paths, self.seed, self.change, self.keep = paths, seed, change, keep
        *shapes, dtype, normalise = to_input(size, train_crop).transforms
        same = 1 if train_crop == "random" else 2
        self.same, self.drawn = v2.Compose(shapes[:same]), shapes[same:]
        self.floats, self.kept, self.room = v2.Compose([dtype, normalise]), {}, ROOM

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        epoch, i = key
        picture = self.picture(i)
        if self.drawn:
            picture = seeded(v2.Compose(self.drawn), self.seed, epoch, i)(picture)
        # channel by channel, pictures are normalised five times as fast
        return self.floats(picture.contiguous())

    def picture(self, i: int) -> torch.Tensor:
        """What is the same of an image in every epoch, uint8 (3, height, width)."""
        if i in self.kept:
            return self.kept[i].expand(3, -1, -1)
        picture = images.open_radiograph(self.paths[i])
        if self.change:
            picture = self.change(picture, self.paths[i])
        picture = self.same(picture)
        if self.keep is not None:
            picture = picture.to(self.keep)
            small = picture[:1].clone() if (picture == picture[:1]).all() else picture
            if small.nbytes <= self.room:
                self.room -= small.nbytes
                self.kept[i] = small
        return picture

    def batches(self, groups, device, epoch=0) -> Iterator[torch.Tensor]:
        """Inputs of each group of indices, on the device, channels last."""
        for group in groups:
            batch = torch.stack([self[epoch, int(i)] for i in group])
            yield batch.to(device, memory_format=torch.channels_last)


def to_device(module: nn.Module, device: torch.device) -> nn.Module:
    """Channels last: the same results, up to twice as fast on CPU and GPU."""
    return module.to(device, memory_format=torch.channels_last)


def reading(size: int) -> str:
    """Stands for all that makes a model's input of a file: code that reads it, and the transform."""
    return digest([code("imageaudit.images"), repr(to_input(size))])


@cache
def sha1_of(path: Path, size: int, changed: int) -> str:
    """A file's SHA-1, computed anew where its size or the time of its last change is another."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()


def check_unchanged(paths: Iterable[Path], sha1: Iterable[str]) -> None:
    """Raises UserError where a file is no longer the one that a manifest lists.

    The 5,520 images of COVID-Xray-5k take half a second, and a tenth when asked again.
    """
    for path, expected in zip(paths, sha1, strict=True):
        state = path.stat() if path.is_file() else None
        if not state or sha1_of(path, state.st_size, state.st_mtime_ns) != expected:
            raise UserError(
                f"{path} is no longer the image that the manifest lists: run notebook 01_dataset "
                "again, then 02_augmentation."
            )


@torch.inference_mode()
def extract(
    backbone: nn.Module, paths: list[Path], sha1: list[str], wanted, size: int, device: torch.device,
    keep: Path | None = RUNS / "features", label: str = "features",
    change: Change | None = None, variant: str = "", half: bool = False,
) -> np.ndarray:  # fmt: skip
    """What `backbone` gives for the images at positions `wanted`, float32 (len(wanted), ...).

    `paths` and `sha1` list all images of a run; chunks of them that hold a wanted one are
    computed, or read from `keep` when the same backbone saw the same bytes, read in the same way.
    With `keep=None` nothing is stored. `variant` names what `change` does to the pictures, all
    of it: what is stored is told apart by it. `half`: see `networks.forward_backbone`. Raises UserError where a
    file is not the one whose SHA-1 is given, whether it would be read or not.
    """
    wanted = np.asarray(wanted, dtype=int)
    chunk_of = wanted // CHUNK
    parts = {c: slice(c * CHUNK, (c + 1) * CHUNK) for c in np.unique(chunk_of)}
    for part in parts.values():
        check_unchanged(paths[part], sha1[part])
    backbone = to_device(backbone, device).eval()
    name = [networks.state_digest(backbone), reading(size), device.type]
    name += ["folded"] * networks.has_batch_norm(backbone)
    name += [variant] * bool(change) + ["bfloat16"] * half
    files = {
        c: Path(keep or "", digest(name), f"{digest(sha1[part])}.npy") for c, part in parts.items()
    }
    missing = [c for c, file in files.items() if not (keep and file.exists())]
    if missing:
        backbone = to_device(networks.fuse_batch_norm(backbone), device)
    look = partial(networks.forward_backbone, backbone, half=half)
    groups = [range(len(paths))[parts[c]] for c in missing]
    stream = ahead(ImageSet(paths, size, change=change).batches(groups, device))
    result = None
    for c in tqdm([*missing, *sorted(parts.keys() - set(missing))], desc=label, unit="chunk"):
        if c in missing:
            seen = torch.cat([*map(look, next(stream).split(BATCH))])
            values = seen.float().cpu().contiguous().numpy()
            if keep:
                with atomic_write(files[c]) as part:
                    np.save(part, values)
        else:
            values = np.load(files[c], mmap_mode="r")
        if result is None:
            result = np.empty((len(wanted), *values.shape[1:]), np.float32)
        here = chunk_of == c
        result[here] = values[wanted[here] - c * CHUNK]
    return result


def of_table(run, backbone: nn.Module, table: pd.DataFrame, **options) -> torch.Tensor:
    """`extract` for images of an opened run's inventory, in its chunks: float32 (len(table), ...)."""
    all_images = run.inventory
    rows = pd.Index(all_images.image).get_indexer(table.image)
    given = backbone, run.paths(all_images.image), list(all_images.sha1), rows
    how = {"keep": run.profile.features} | options
    return torch.from_numpy(extract(*given, run.profile.image_size, run.device, **how))


def files_of(run, table: pd.DataFrame, crop: str, seed: int, **options) -> ImageSet:
    """The files of an opened run's images; UserError where they changed since."""
    paths = run.paths(table.image)
    check_unchanged(paths, table.sha1)
    return ImageSet(paths, run.profile.image_size, crop, seed, **options)


def ahead(stream: Iterator) -> Iterator:
    """What `stream` gives, each made in a thread while the one before it is used.

    It must draw no random numbers: the thread would take them from those who use the stream.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, stream, None)
        while (found := coming.result()) is not None:
            coming = thread.submit(next, stream, None)
            yield found
