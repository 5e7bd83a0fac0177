"""Maps of the radiographs that may be shown, by a trained network: the paper's figure, made again.

A run's `radiographs.csv` has P(COVID-19) of each by the run's first network, and its maps, as means of
`GRID` x `GRID` squares, a line of squares a row. Nothing there is a picture: who shows a map lays it
over the radiograph. Torch is loaded only to make them.
"""

import numpy as np
import pandas as pd
from PIL.Image import Resampling

from deepcovid import io
from deepcovid.data import examples
from imageaudit import images

GRID, SIDE = 14, 224  # squares, and px of a picture that is shown, a side
SQUARES = [f"x{i}" for i in range(GRID)]
NAMES = {"paper": "paper's", "control": "untrained"}  # what a run's network is called in the figure


def run(run) -> None:
    """Write the scores and maps of a run's first network and seed, `radiographs.csv`."""
    from deepcovid.heatmaps import maps

    name, seed = run.profile.models[0], run.profile.seeds[0]
    size, table, model = run.profile.image_size, examples.hannover(), run.model(name, seed)
    inputs = maps.read(table.path, size, run.preprocessing).to(run.device)
    made = {"occlusion": maps.occlusion(model, inputs, maps.windows(size)[0]),
            "Grad-CAM": maps.grad_cam(model, inputs)}  # fmt: skip
    score = maps.probability(model, inputs).astype(float).round(4)
    rows = [
        {"model": name, "seed": seed, "file": file, "score": p, "method": method, "y": y}
        | dict(zip(SQUARES, line, strict=True))
        for method, heats in made.items()
        for file, p, heat in zip(table.file, score, heats, strict=True)
        for y, line in enumerate(squares(heat))
    ]
    io.write_csv(run.folder / "radiographs.csv", pd.DataFrame(rows), float_format="%.4g")


def squares(heat: np.ndarray) -> np.ndarray:
    """A map (height, width) as the means of `GRID` x `GRID` squares."""
    size = len(heat) // GRID * GRID
    return heat[:size, :size].reshape(GRID, size // GRID, GRID, -1).mean((1, 3))


def of(study, n: int = 6) -> dict | None:
    """What `figures.overlays` takes: pictures, maps by method and network, titles, masks.

    The published study shows the radiographs that may be shown, with the maps of its runs; another
    its own first COVID-19 test images, with its first network's. None where there are none.
    """
    if not study.published:
        return own(study.run(), n)
    shown = examples.hannover().head(n)
    runs = {name: study.table(f"{run}/radiographs.csv") for run, name in NAMES.items()}
    if not all(map(len, runs.values())):
        return None
    scores = [table.groupby("file").score.first() for table in runs.values()]
    return {
        "pictures": [np.array(images.open_radiograph(path).convert("L").resize((SIDE, SIDE), Resampling.BILINEAR))
                     for path in shown.path],
        "maps": {
            f"{method}\n{name}": table[SQUARES][table.method == method]
            .to_numpy().reshape(-1, GRID, GRID)[:n]
            for method in ("occlusion", "Grad-CAM") for name, table in runs.items()
        },
        "titles": [f"{row.view}\n" + " | ".join(f"{score[row.file]:.2f}" for score in scores)
                   for row in shown.itertuples()],
    }  # fmt: skip


def own(run, n: int) -> dict:
    """The same of a run's own first test images, with what is marked there, else the lungs."""
    from deepcovid.heatmaps import maps, masks

    table, name, size = masks.chosen(run), run.profile.models[0], run.profile.image_size
    model = run.model(name, run.profile.seeds[0])
    made = maps.cached_maps(run, name, model, table, maps.windows(size))
    lesions, lungs = (masks.read_all(run, kind, table.image[:n]) for kind in masks.MASKS)
    inputs, none = maps.inputs_of(run, table[:n]), np.zeros((size, size), bool)
    return {
        "pictures": maps.pictures_of(inputs),
        "masks": [(lungs | lesions).get(i, none) for i in range(len(inputs))],
        "maps": {method: heat[:n] for method, heat in made.items()},
        "titles": [f"P = {p:.2f}" for p in maps.probability(model, inputs)],
    }  # fmt: skip
