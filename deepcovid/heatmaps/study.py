"""A run's own maps: made of its trained model and its COVID-19 images, and judged."""

import numpy as np
import pandas as pd
import torch

from deepcovid import runs
from deepcovid.data import augmentation, images
from deepcovid.heatmaps import agreement, faithfulness, maps, masks, summary
from deepcovid.models import networks
from deepcovid.models.opened import Run

CURVES = 32  # images that deletion and insertion curves are means of
SANITY = 6  # images whose maps are made again with random weights


def windows(size: int) -> list[int]:
    """Sides of the square in px, for images of `size` px: a 7th of it, and twice that."""
    return [size // 7, 2 * (size // 7)]


def run(opened: Run, name: str | None = None, split: str = "test") -> dict:
    """Maps of a trained model on the COVID-19 images of a split, and what they are worth.

    Writes `heatmaps.json` (numbers only) and, for the overlays, `heatmaps/maps.npz` (float16);
    both are kept while model, images and code are the same. The first model and seed by default.
    """
    name, seed = name or opened.profile.models[0], opened.profile.seeds[0]
    model, table = opened.model(name, seed), masks.chosen(opened, split)
    end = "" if split == "test" else f"-{split}"
    path, stamp = opened.folder / f"heatmaps{end}.json", made_from(opened, model, table)
    if runs.done(path, stamp):
        return runs.read_json(path)
    inputs = read(opened, table)
    made = maps_of(model, inputs, windows(inputs.shape[-1]))
    found = {
        "notice": runs.NOTICE,
        "model": name,
        "seed": seed,
        "split": split,
        "weights": networks.find_weights(opened.profile.weights, name)[1].label(),
        **judge(opened, model, name, table, inputs, made),
    }
    kept = opened.folder / "heatmaps" / f"maps{end}.npz"
    with runs.replacing(kept) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **{m: h.astype(np.float16) for m, h in made.items()})
    runs.write_json(path, agreement.rounded(found))
    runs.mark_done(path, stamp)
    return runs.read_json(path)


def made_from(opened: Run, model, table: pd.DataFrame) -> str:
    """Stands for all that a run's maps and their numbers depend on."""
    size = opened.profile.image_size
    code = runs.code_digest(networks, augmentation, images)
    parts = [networks.state_digest(model), list(table.sha1), size, windows(size), code]
    return runs.digest(parts + ([opened.preparation.variant] if opened.preparation else []))


def read(opened: Run, table: pd.DataFrame) -> torch.Tensor:
    """The images of a table as the run's models see them, on its device."""
    size = opened.profile.image_size
    inputs = maps.read(opened.paths(table.image), size, opened.preparation)
    return inputs.to(opened.device, memory_format=torch.channels_last)


def maps_of(model, inputs: torch.Tensor, sides: list[int]) -> dict[str, np.ndarray]:
    """Maps of all inputs by method: occlusion by each side, in steps of half of it; Grad-CAM."""
    found = {}
    for side in sides:
        name = f"occlusion {side} px"
        found[name] = maps.occlusion(model, inputs, side, side // 2, label=name)
    return found | {"Grad-CAM": maps.grad_cam(model, inputs)}


def judge(opened: Run, model, name: str, table: pd.DataFrame, inputs, made: dict) -> dict:
    """What `heatmaps.json` says of maps by method; the first method is the main one."""
    size, sides = inputs.shape[-1], windows(inputs.shape[-1])
    main, other = next(iter(made)), agreement.of_another(table.patient.to_numpy())
    judged = made | {f"{m}, another patient's": made[m][other] for m in (main, "Grad-CAM")}
    every = {kind: masks.read_all(opened, kind, table.image) for kind in masks.MASKS}
    rows = [row for kind, of in every.items() for row in agreements(judged, kind, of)]
    lungs = {i: mask for i, mask in every["lung"].items() if i < CURVES}
    of = list(lungs.values())
    score = maps.probability(model, inputs)
    found = {
        "image_size": size,
        "windows": sides,
        "fill": maps.FILL,
        "images": table[["image", "patient"]].assign(score=score.astype(float)).to_dict("list"),
        "agreement": pd.DataFrame(rows).to_dict("list"),
        "random_maps": {
            kind: chance(list(of.values()), sides[0]) for kind, of in every.items() if of
        },
        "fills": faithfulness.fills(model, inputs[list(lungs)], of, sides[0]) if lungs else {},
        "curves": curves(
            model, inputs[:CURVES], {m: made[m] for m in (main, "Grad-CAM")}, sides[0]
        ),
        "randomised": faithfulness.sanity(
            model, name, opened.profile.seeds[0], inputs[:SANITY], made, sides[0]
        ),
    }
    return found | {"lungs": summary.lungs(found).to_dict("index")}


def agreements(judged: dict[str, np.ndarray], kind: str, of: dict[int, np.ndarray]) -> list[dict]:
    """Agreement of maps by method with the masks `of` a kind, a row each."""
    return [
        {"image": i, "mask": kind, "method": method} | agreement.agreement(heat[i], mask)
        for method, heat in judged.items()
        for i, mask in of.items()
    ]


def chance(of: list[np.ndarray], window: int) -> dict:
    """`by_chance` with about 64 px a side: random maps are smooth, fewer pixels say the same."""
    step = max(1, len(of[0]) // 64)
    small = np.array([mask[::step, ::step] for mask in of])
    return agreement.by_chance(small[small.any(axis=(1, 2))], max(1, window // step))


def curves(model, inputs: torch.Tensor, made: dict[str, np.ndarray], window: int) -> dict:
    """Mean deletion and insertion curves of the inputs, by method and by chance."""
    drawn = agreement.random_maps(len(inputs), inputs.shape[2:], window)
    found = {"images": len(inputs)}
    for method, heat in (made | {"random": drawn}).items():
        each = faithfulness.perturbed(model, inputs, heat[: len(inputs)])
        found[method] = {name: values.mean(0) for name, values in each.items()}
    return found


def examples(opened: Run, n: int = 3) -> tuple[torch.Tensor, list[np.ndarray]]:
    """The first `n` of a run's test images as its models see them, and what to outline on each.

    Outlined are the lesions, else the lungs, else nothing.
    """
    table = masks.chosen(opened, "test").head(n)
    none = np.zeros((opened.profile.image_size,) * 2, bool)
    outlined = [
        next((m for kind in masks.MASKS if (m := masks.read(opened, kind, i)) is not None), none)
        for i in table.image
    ]
    return read(opened, table).cpu(), outlined


def of_all_models(opened: Run, inputs: torch.Tensor) -> dict[str, np.ndarray]:
    """Grad-CAM of the first input by each model of a run, largest value 1, by the model's name."""
    first, seed = inputs[:1].to(opened.device), opened.profile.seeds[0]
    found = {n: maps.grad_cam(opened.model(n, seed), first)[0] for n in opened.profile.models}
    return {name: heat / max(float(heat.max()), 1e-12) for name, heat in found.items()}
