"""Maps of where a score comes from: occlusion and Grad-CAM, of any model and images.

A map is a float32 array of the size of the model's input. An occlusion map holds the drop of
P(COVID-19), -1 to 1, when a grey square covers a place; a Grad-CAM map has no unit.
"""

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from captum.attr import LayerAttribution, LayerGradCam, Occlusion
from torch import nn
from tqdm.auto import tqdm

from deepcovid import io
from deepcovid.data import augmentation
from deepcovid.imports import code
from deepcovid.models.features import Change, ImageSet
from deepcovid.models.networks import Classifier, fuse_batch_norm, state_digest
from deepcovid.models.run import Run
from deepcovid.runs import UserError

FILL = 128  # grey level of the square, 0 to 255
BATCH = 32
MEAN, STD = (torch.tensor(v)[:, None, None] for v in (augmentation.MEAN, augmentation.STD))


def read(paths: Sequence[Path], size: int, change: Change | None = None) -> torch.Tensor:
    """Model inputs (n, 3, size, size), of pictures to which `change` was done.

    Raises UserError that names a file which cannot be read.
    """
    pictures = ImageSet(list(paths), size, change=change)
    return torch.stack([pictures[0, i] for i in range(len(pictures))])


def inputs_of(run: Run, table: pd.DataFrame) -> torch.Tensor:
    """The images of a table as the run's models see them, on its device."""
    inputs = read(run.paths(table.image), run.profile.image_size, run.preprocessing)
    return inputs.to(run.device, memory_format=torch.channels_last)


def pictures_of(inputs: torch.Tensor) -> np.ndarray:
    """Model inputs as pictures again: uint8 (n, height, width)."""
    level = (inputs.cpu() * STD + MEAN).mean(1) * 255
    return level.round().clamp(0, 255).to(torch.uint8).numpy()


def grey(fill: float) -> torch.Tensor:
    """A grey level, 0 to 255, as the model's input sees it: (3, 1, 1)."""
    return (fill / 255 - MEAN) / STD


@torch.inference_mode()
def probability(model: nn.Module, inputs: torch.Tensor, batch_size: int = BATCH) -> np.ndarray:
    """P(COVID-19) of each input, in evaluation mode."""
    model.eval()
    batches = (b.contiguous(memory_format=torch.channels_last) for b in inputs.split(batch_size))
    return torch.cat([model(b).softmax(1)[:, 1] for b in batches]).float().cpu().numpy()


def windows(size: int) -> list[int]:
    """Sides of the square in px, for images of `size` px: a 7th of it, and twice that."""
    return [size // 7, 2 * (size // 7)]


@torch.inference_mode()
def occlusion(
    model: nn.Module, inputs: torch.Tensor, window: int, stride: int | None = None,
    fill: float = FILL, batch_size: int = BATCH, label: str = "occlusion",
) -> np.ndarray:  # fmt: skip
    """The drop of P(COVID-19) when a grey `window` px square covers a place: (n, height, width).

    The square moves by `stride` px; by half its side if none is given, 8 px at least, which leaves
    no gap: the networks' last maps have a place for every 32 px, so finer steps cost time and show
    no more. A pixel's value is the mean over the squares that cover it, the last of which are cut
    at the image's edge. `label` names the progress bar.
    """
    stride = min(window, max(window // 2, 8)) if stride is None else stride
    if not 1 <= stride <= window <= min(inputs.shape[2:]):
        raise UserError(f"Choose a window of 1 to {min(inputs.shape[2:])} px, not {window}, and a stride of "
                        f"1 to the window's px, not {stride}.")  # fmt: skip
    model = fuse_batch_norm(model) if isinstance(model, Classifier) else model.eval()

    def score(x: torch.Tensor) -> torch.Tensor:
        return model(x.contiguous(memory_format=torch.channels_last)).softmax(1)[:, 1]

    how = {"sliding_window_shapes": (3, window, window), "strides": (3, stride, stride),
           "baselines": grey(fill).to(inputs.device)[None], "perturbations_per_eval": batch_size}  # fmt: skip
    drops = [Occlusion(score).attribute(one[None], **how)[0, 0] for one in tqdm(inputs, desc=label)]
    return torch.stack(drops).float().cpu().numpy()


def grad_cam(model: Classifier, inputs: torch.Tensor, batch_size: int = 4) -> np.ndarray:
    """Grad-CAM of the COVID-19 logit (Selvaraju et al. 2017): (n, height, width), 0 or more.

    Negative values are cut, as in the paper, after the map is enlarged bilinearly. Works on a copy
    of the model whose ReLUs do not overwrite their inputs: Captum would see the layer's values
    after they have been overwritten.
    """
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    method = LayerGradCam(model, model.backbone.get_submodule(model.last_conv))
    found = []
    for part in inputs.split(batch_size):
        small = method.attribute(part, target=1)
        large = LayerAttribution.interpolate(small, tuple(inputs.shape[2:]), "bilinear")
        found.append(large.detach()[:, 0].clamp(min=0).cpu())
    return torch.cat(found).numpy()


def cached_maps(
    run: Run, name: str, model: Classifier, table: pd.DataFrame, sides: list[int]
) -> dict[str, np.ndarray]:
    """A model's maps of a table's images by method: occlusion by each side, then Grad-CAM.

    Made once: the maps, float32 (n, size, size), lie in `heatmaps/<name>/` while model, images and
    code are the same.
    """
    split = "test" if (table.split == "test").all() else "train"
    size, prepare = run.profile.image_size, run.preprocessing
    about = [state_digest(model), list(table.sha1), size, code("heatmaps.maps")]
    about += [prepare.variant] if prepare else []
    made = {f"occlusion {side} px": partial(occlusion, window=side) for side in sides}
    made["Grad-CAM"] = grad_cam
    found, inputs = {}, None
    for method, make in made.items():
        path = run.folder / "heatmaps" / name / f"{split}-{method.replace(' ', '-')}.npy"
        stamp = io.digest([method, *about])
        if not io.is_fresh(path, stamp):
            inputs = inputs_of(run, table) if inputs is None else inputs
            more = {} if make is grad_cam else {"label": f"{name}, {split}, {method}"}
            with io.atomic_write(path) as part, part.open("wb") as file:
                np.save(file, make(model, inputs, **more))
            io.write_stamp(path, stamp)
        found[method] = np.load(path)
    return found
