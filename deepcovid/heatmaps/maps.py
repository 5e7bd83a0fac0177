"""Maps of where a score comes from: occlusion and Grad-CAM, of any model and images.

A map is a float32 array of the size of the model's input. An occlusion map holds the drop of
P(COVID-19), -1 to 1, when a grey square covers a place; a Grad-CAM map has no unit.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam, Occlusion
from torch import nn
from tqdm.auto import tqdm

from deepcovid.data import augmentation
from deepcovid.models.features import Change, ImageSet
from deepcovid.models.networks import Classifier, fuse_batch_norm
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


@torch.inference_mode()
def occlusion(
    model: nn.Module,
    inputs: torch.Tensor,
    window: int,
    stride: int,
    fill: float = FILL,
    batch_size: int = BATCH,
    label: str = "occlusion",
) -> np.ndarray:
    """The drop of P(COVID-19) when a grey `window` px square covers a place: (n, height, width).

    The square moves by `stride` px. A pixel's value is the mean over the squares that cover it, the
    last of which are cut at the image's edge. `label` names the progress bar.
    """
    if not 1 <= stride <= window <= min(inputs.shape[2:]):
        raise UserError(f"Choose a window of 1 to {min(inputs.shape[2:])} px, not {window}, and a stride of "
                        f"1 to the window's px, not {stride}.")  # fmt: skip
    model = fuse_batch_norm(model) if isinstance(model, Classifier) else model.eval()
    method = Occlusion(
        lambda x: model(x.contiguous(memory_format=torch.channels_last)).softmax(1)[:, 1]
    )
    how = {"sliding_window_shapes": (3, window, window), "strides": (3, stride, stride),
           "baselines": grey(fill).to(inputs.device)[None], "perturbations_per_eval": batch_size}  # fmt: skip
    drops = [method.attribute(one[None], **how)[0, 0] for one in tqdm(inputs, desc=label)]
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
