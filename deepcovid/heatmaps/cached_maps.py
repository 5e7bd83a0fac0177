"""Maps of a run's models, made once: kept while model, images and code are the same."""

from functools import partial

import numpy as np
import pandas as pd
import torch

from deepcovid import io
from deepcovid.heatmaps.maps import grad_cam, occlusion
from deepcovid.heatmaps.maps import read as read_pictures
from deepcovid.models import networks
from deepcovid.models.features import code
from deepcovid.models.run import Run


def windows(size: int) -> list[int]:
    """Sides of the square in px, for images of `size` px: a 7th of it, and twice that."""
    return [size // 7, 2 * (size // 7)]


def stride(side: int) -> int:
    """By how many px a square of `side` px moves: half its side, 8 px at least, and leaves no gap.

    The networks' last maps have a place for every 32 px: finer steps cost time and show no more.
    """
    return min(side, max(side // 2, 8))


def read(run: Run, table: pd.DataFrame) -> torch.Tensor:
    """The images of a table as the run's models see them, on its device."""
    size = run.profile.image_size
    inputs = read_pictures(run.paths(table.image), size, run.preprocessing)
    return inputs.to(run.device, memory_format=torch.channels_last)


def cached_maps(
    run: Run, name: str, model: networks.Classifier, table: pd.DataFrame, sides: list[int]
) -> dict[str, np.ndarray]:
    """A model's maps of a table's images by method: occlusion by each side, then Grad-CAM.

    Squares move by `stride`. The maps, float32 (n, size, size), lie in `heatmaps/<name>/`.
    """
    split = "test" if (table.split == "test").all() else "train"
    size, prepare = run.profile.image_size, run.preprocessing
    about = [networks.state_digest(model), list(table.sha1), size, code("heatmaps.cached_maps")]
    about += [prepare.variant] if prepare else []
    made = {f"occlusion {s} px": partial(occlusion, window=s, stride=stride(s)) for s in sides}
    made["Grad-CAM"] = grad_cam
    found, inputs = {}, None
    for method, make in made.items():
        path = run.folder / "heatmaps" / name / f"{split}-{method.replace(' ', '-')}.npy"
        stamp = io.digest([method, *about])
        if not io.is_fresh(path, stamp):
            inputs = read(run, table) if inputs is None else inputs
            more = {} if make is grad_cam else {"label": f"{name}, {split}, {method}"}
            with io.atomic_write(path) as part, part.open("wb") as file:
                np.save(file, make(model, inputs, **more))
            io.write_stamp(path, stamp)
        found[method] = np.load(path)
    return found
