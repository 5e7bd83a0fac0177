"""Maps of the radiographs that may be shown, by a trained network: the paper's figure, made again.

Kept in `results/radiographs/`: `scores.csv`, P(COVID-19) of each radiograph by each run's network, and
`maps.csv`, its maps as means of `GRID` x `GRID` squares, a line of squares a row. Nothing here is a
picture: who shows a map lays it over the radiograph. Torch is loaded only to make them.
"""

import numpy as np
import pandas as pd

from deepcovid import io
from deepcovid.runs import RESULTS

SHOWN, GRID = RESULTS / "radiographs", 14
SQUARES = [f"x{i}" for i in range(GRID)]
NAMES = {"paper": "paper's", "control": "untrained"}  # what a run's network is called in the figure


def make(run, folder=SHOWN, target=None) -> None:
    """Write the scores and maps of a run's first network and seed, in the place of its former ones.

    The radiographs lie in `folder`, the tables go to `target`, by default there too.
    """
    from deepcovid.heatmaps import maps
    from deepcovid.heatmaps.cached_maps import stride, windows

    name, seed = run.profile.models[0], run.profile.seeds[0]
    called = run.folder.name
    table = io.read_table(folder / "radiographs.csv")
    inputs = maps.read([folder / file for file in table.file], run.profile.image_size,
                       run.preprocessing).to(run.device)  # fmt: skip
    model, about = run.model(name, seed), {"run": called, "model": name}
    side = windows(run.profile.image_size)[0]
    made = {
        "occlusion": maps.occlusion(model, inputs, side, stride(side)),
        "Grad-CAM": maps.grad_cam(model, inputs),
    }
    scores = pd.DataFrame({**about, "seed": seed, "file": table.file})
    scores["score"] = maps.probability(model, inputs).astype(float).round(4)
    rows = [
        {**about, "file": file, "method": method, "y": y} | dict(zip(SQUARES, line, strict=True))
        for method, heats in made.items()
        for file, heat in zip(table.file, heats, strict=True)
        for y, line in enumerate(squares(heat))
    ]
    for file, new in (("scores.csv", scores), ("maps.csv", pd.DataFrame(rows))):
        path = (target or folder) / file
        if path.is_file():
            old = io.read_table(path)
            new = pd.concat([old[old.run != called], new], ignore_index=True)
        io.write_csv(path, new, float_format="%.4g")


def squares(heat: np.ndarray) -> np.ndarray:
    """A map (height, width) as the means of `GRID` x `GRID` squares."""
    size = len(heat) // GRID * GRID
    return heat[:size, :size].reshape(GRID, size // GRID, GRID, -1).mean((1, 3))


def of(study, n: int = 6) -> dict | None:
    """What `figures.overlays` takes: pictures, maps by method and network, titles, masks.

    The published study shows the radiographs that may be shown, with the maps of `maps.csv`; another
    its own first COVID-19 test images, with its first network's. None where there are none.
    """
    if not study.published:
        return own(study.run(), n)
    tables = [study.table(f"radiographs/{name}.csv") for name in ("radiographs", "scores", "maps")]
    if not all(map(len, tables)):
        return None
    radiographs, scores, maps = tables
    radiographs, score = radiographs.head(n), scores.set_index(["file", "run"]).score
    heats = maps.set_index(["method", "run", "file"])[SQUARES].sort_index(kind="stable")
    runs, methods = scores.run.unique(), maps.method.unique()
    name = {run: NAMES.get(run, run) for run in runs}
    return {
        "pictures": [picture(study.folder / "radiographs" / file) for file in radiographs.file],
        "maps": {
            f"{method}\n{name[run]}": np.array(
                [heats.loc[(method, run, f)] for f in radiographs.file]
            )
            for method in methods
            for run in runs
        },
        "titles": [
            f"{row.view}\n" + " | ".join(f"{score[row.file, run]:.2f}" for run in runs)
            for row in radiographs.itertuples()
        ],
    }


def own(run, n: int) -> dict:
    """The same of a run's own test images, with what is marked there, else the lungs."""
    from deepcovid.heatmaps.maps import pictures_of, probability
    from deepcovid.heatmaps.study import examples

    inputs, maps, masks = examples(run, n)
    name, seed = run.profile.models[0], run.profile.seeds[0]
    score = probability(run.model(name, seed), inputs.to(run.device))
    titles = [f"P = {p:.2f}" for p in score]
    return {"pictures": pictures_of(inputs), "maps": maps, "titles": titles, "masks": masks}


def picture(path) -> np.ndarray:
    """A radiograph as the networks see it, a square of grey levels (height, width)."""
    from PIL import Image

    with Image.open(path) as file:
        return np.array(file.convert("L").resize((224, 224), Image.Resampling.BILINEAR))


def main(arguments: list[str] | None = None) -> int:
    """Make them by a trained run: `python -m deepcovid.heatmaps.radiographs real/paper`."""
    import argparse
    import json
    import sys
    from pathlib import Path

    from deepcovid.models.run import Run
    from deepcovid.runs import UserError

    parser = argparse.ArgumentParser(
        "python -m deepcovid.heatmaps.radiographs", description=main.__doc__
    )
    parser.add_argument("run", help="a profile whose first model is trained")
    parser.add_argument("--overrides", default="{}", type=json.loads, help="settings, as JSON")
    parser.add_argument("--to", type=Path, default=SHOWN, help="folder")
    args = parser.parse_args(arguments)
    try:
        make(Run.open(args.run, args.overrides), target=args.to)
    except UserError as error:
        print(f"deepcovid: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
