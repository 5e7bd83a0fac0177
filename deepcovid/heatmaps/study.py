"""A run's own maps: made of its trained models and its COVID-19 images, and judged."""

import numpy as np
import pandas as pd
import torch

from deepcovid import io, runs
from deepcovid.heatmaps import agreement, calibration, claim, faithfulness, lesions, maps, masks
from deepcovid.heatmaps.cached_maps import cached_maps, code, read, stride, windows
from deepcovid.models import networks
from deepcovid.models.run import Run

CURVES = 32  # images that deletion and insertion curves are means of
SANITY = 6  # images whose maps are made again: with random weights, with other squares


def run(run: Run) -> dict:
    """Maps of the first model on the COVID-19 test images, of all on the lesions; their worth.

    Writes `heatmaps.json`, numbers only, which is kept while models, images, masks and code are
    the same, and `claims.csv` and `zones.csv`, which follow from it; the maps lie in `heatmaps/`. Of several seeds the first is taken.
    """
    name, seed = run.profile.models[0], run.profile.seeds[0]
    models = {each: run.model(each, seed) for each in run.profile.models}
    table, path = masks.chosen(run), run.folder / "heatmaps.json"
    stamp = made_from(run, models, table)
    if io.is_fresh(path, stamp):
        return io.read_json(path)
    marked, own = lesions.judge(run, models, table), judge(run, models[name], name, table)
    if "test" in marked["random_maps"]:  # of the same masks
        own["random_maps"]["lesion"] = marked["random_maps"]["test"]
    found = {
        "notice": runs.NOTICE,
        "model": name,
        "seed": seed,
        "split": "test",
        "weights": networks.find_weights(run.profile.weights, name)[1].label(),
        **own,
        "lesions": marked,
        "calibration": calibration.calibrate(),
    }
    io.write_json(path, agreement.rounded(found))
    found = io.read_json(path)
    for file, numbers in claim.by_run(found).items():
        io.write_csv(run.folder / file, numbers, float_format="%.6g")
    io.write_stamp(path, stamp)
    return found


def made_from(run: Run, models: dict, table: pd.DataFrame) -> str:
    """Stands for all that `heatmaps.json` depends on."""
    tables, graded = [table, lesions.trained_on(run)], lesions.severity_of(run)
    about = [
        code("heatmaps.study"),
        run.profile.image_size,
        io.file_digest(graded) if graded else None,
    ]
    about += [networks.state_digest(model) for model in models.values()]
    about += [[*each.sha1, *each.patient, *masks.digests(run, each.image)] for each in tables]
    return io.digest(about + ([run.preprocessing.variant] if run.preprocessing else []))


def judge(run: Run, model, name: str, table: pd.DataFrame) -> dict:
    """What the model's maps of a table's images are worth; the first method is the main one."""
    inputs, sides = read(run, table), windows(run.profile.image_size)
    made = cached_maps(run, name, model, table, sides)
    main, other = next(iter(made)), agreement.of_another(table.patient.to_numpy())
    judged = made | {f"{m}, another patient's": made[m][other] for m in (main, "Grad-CAM")}
    every = {kind: masks.read_all(run, kind, table.image) for kind in masks.MASKS}
    rows = [row for kind, of in every.items() for row in agreements(judged, kind, of)]
    lungs = dict([*every["lung"].items()][:SANITY])
    score = maps.probability(model, inputs)
    found = {
        "image_size": run.profile.image_size,
        "windows": sides,
        "fill": maps.FILL,
        "images": table[["image", "patient"]].assign(score=score.astype(float)).to_dict("list"),
        "agreement": pd.DataFrame(rows).to_dict("list"),
        "random_maps": {  # on lesions: see `lesions`
            kind: agreement.by_chance(*agreement.coarse([*of.values()], sides[0]))
            for kind, of in every.items()
            if of and kind == "lung"
        },
        "fills": faithfulness.fills(
            model, inputs[[*lungs]], [*lungs.values()], made[main][[*lungs]], sides[0]
        )
        if lungs
        else {},
        "curves": curves(
            model, inputs[:CURVES], {m: made[m] for m in (main, "Grad-CAM")}, sides[0]
        ),
        "randomised": faithfulness.sanity(
            model, name, run.profile.seeds[0], inputs[:SANITY], made, sides[0], stride(sides[0])
        ),
    }
    return found | {"lungs": claim.lungs(found).to_dict("index")}


def agreements(judged: dict[str, np.ndarray], kind: str, of: dict[int, np.ndarray]) -> list[dict]:
    """Agreement of maps by method with the masks `of` a kind, a row each."""
    return [
        {"image": i, "mask": kind, "method": method} | agreement.agreement(heat[i], mask)
        for method, heat in judged.items()
        for i, mask in of.items()
    ]


def curves(model, inputs: torch.Tensor, made: dict[str, np.ndarray], window: int) -> dict:
    """Mean deletion and insertion curves of the inputs, by method and by chance."""
    drawn = agreement.random_maps(len(inputs), inputs.shape[2:], window)
    found = {"images": len(inputs)}
    for method, heat in (made | {"random": drawn}).items():
        each = faithfulness.perturbed(model, inputs, heat[: len(inputs)])
        found[method] = {name: values.mean(0) for name, values in each.items()}
    return found


def examples(run: Run, n: int = 3) -> tuple[torch.Tensor, dict, list[np.ndarray]]:
    """The first `n` test images that `run` made maps of: inputs, maps by method, what to outline.

    Outlined are the lesions, else the lungs, else nothing.
    """
    table, name = masks.chosen(run), run.profile.models[0]
    model = run.model(name, run.profile.seeds[0])
    made = cached_maps(run, name, model, table, windows(run.profile.image_size))
    none, outlined = np.zeros((run.profile.image_size,) * 2, bool), []
    for image in table.image[:n]:
        there = (masks.read(run, kind, image) for kind in masks.MASKS)
        outlined.append(next((mask for mask in there if mask is not None), none))
    return read(run, table[:n]).cpu(), {m: heat[:n] for m, heat in made.items()}, outlined
