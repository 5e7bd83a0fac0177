"""A run's own maps: made of its trained models and its COVID-19 images, and judged.

The paper's claim is tested on the test images with a mask of lesions; the training images with one
stand beside, as a group of their own. Rivals are another patient's map, and the lung field taken as a
map. By zone, a map is compared with the radiologists' grades.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid import io, runs
from deepcovid.heatmaps import agreement, calibration, claim, maps, masks
from deepcovid.imports import code
from deepcovid.metrics.intervals import means_by_patient
from deepcovid.models import networks
from deepcovid.models.run import Run

FILES = ("maps", "claims", "zones", "curves", "map_calibration")  # `.csv`, beside `heatmaps.json`
CURVES = 32  # images that deletion and insertion curves are means of
SANITY = 6  # images whose maps are made again: with random weights, with other squares
BRIXIA, MARKED = "Brixia score", "share marked"  # what grades a zone
SECOND = "second radiologist"
ZONES = ["group", "severity", "model", "method"]
POINTS = ["curve", "model", "method", "share", "value", "images"]


def run(run: Run) -> None:
    """Maps of the first model on the COVID-19 test images, of all on the lesions; their worth.

    Writes numbers only, the tables of `FILES` and `heatmaps.json`, which are kept while models, images,
    masks and code are the same; the maps lie in `heatmaps/`. Of several seeds the first is taken.
    """
    profile, seed = run.profile, run.profile.seeds[0]
    models = {each: run.model(each, seed) for each in profile.models}
    groups = {"test": masks.chosen(run), "train": masks.with_mask(run, False, ("lesion",))}
    paths = {name: run.folder / f"{name}.csv" for name in FILES}
    path, stamp = run.folder / "heatmaps.json", made_from(run, models, groups)
    if io.is_fresh(path, stamp) and all(each.is_file() for each in paths.values()):
        return
    found, perturbed = faithful(run, models[profile.models[0]], groups["test"])
    parts = [judge(run, models, *group) for group in groups.items()]
    rows, rhos, curves = (list(chain(*part)) for part in zip(*parts, strict=True))
    each = pd.DataFrame(rows, columns=claim.MAPS).round(4)
    rhos = pd.DataFrame(rhos, columns=[*ZONES, "patient", "rho"]).round(4)
    tables = {"maps": each, "map_calibration": calibration.calibrate().round(4)}
    tables["claims"] = claim.gains(each, tables["map_calibration"])
    tables["zones"] = means_by_patient(rhos, ZONES, "rho")
    tables["curves"] = pd.DataFrame(curves + perturbed, columns=POINTS).round(4)
    for name, table in tables.items():
        io.write_csv(paths[name], table, float_format="%.6g")
    io.write_json(path, io.rounded({"notice": runs.NOTICE, "seed": seed, "split": "test"} | found))
    io.write_stamp(path, stamp)


def severity_of(run: Run) -> Path | None:
    """The table of Brixia scores: the profile's, else `brixia.csv` beside or above the images."""
    if run.profile.severity:
        return Path(run.profile.severity)
    places = [run.data / "brixia.csv", run.data.resolve().parent / "brixia.csv"]
    return next((path for path in places if path.is_file()), None)


def made_from(run: Run, models: dict, groups: dict[str, pd.DataFrame]) -> str:
    """Stands for all that the files depend on."""
    about, graded = [code("heatmaps.study"), run.profile.image_size], severity_of(run)
    about += [io.file_digest(graded) if graded else None]
    about += [networks.state_digest(model) for model in models.values()]
    about += [[*t.sha1, *t.patient, *masks.digests(run, t.image)] for t in groups.values()]
    return io.digest(about + ([run.preprocessing.variant] if run.preprocessing else []))


def judge(run: Run, models: dict, group: str, table: pd.DataFrame) -> tuple[list, list, list]:
    """Rows of `maps.csv`, rows of images for `zones.csv`, and rows of `curves.csv`, of a group.

    Of the first model's maps of the test images, those by the larger window and the agreement with
    lungs are told as well.
    """
    marked = {kind: masks.read_all(run, kind, table.image) for kind in masks.MASKS}
    zone, grades, rivals = graded(run, table, marked)
    rows, rhos, curves, values = [], [], [], {}
    wide = f"occlusion {maps.windows(run.profile.image_size)[1]} px"
    for name, method, heat, score in every_map(run, models, group, table, marked["lung"]):
        about = {"group": group, "model": name, "method": method}
        main = method != wide and claim.OTHER not in method
        for kind in masks.MASKS if group == "test" and name == next(iter(models)) else ("lesion",):
            for i, mask in marked[kind].items():
                if i in heat:
                    row = about | {"mask": kind, "image": i, "score": score[i]}
                    rows.append(row | agreement.agreement(heat[i], mask))
                    if kind == "lesion" and name and main and method.startswith("occlusion"):
                        rows[-1] |= agreement.turned(heat[i], mask, score[i])
        if name and method != wide:
            means = {i: masks.zone_means(heat[i], parts) for i, parts in zone.items()}
            values |= {(severity, name, method): means for severity in grades}
        if group == "test" and main:
            each = [agreement.curve(heat[i], m) for i, m in marked["lesion"].items() if i in heat]
            curves += agreement.points(each, curve="contained", **about)
    for (severity, name, method), means in (values | rivals).items():
        about = {"group": group, "severity": severity, "model": name, "method": method}
        rhos += [about | row for row in masks.followed(means, grades[severity])]
    for row in rows + rhos:
        row["patient"], row["image"] = table.patient[row["image"]], table.image[row["image"]]
    return rows, rhos, curves


def every_map(run: Run, models: dict, group: str, table: pd.DataFrame, lungs: dict) -> Iterator:
    """Model, method, maps by the image's position, and scores: the lung field first, then each
    model's maps, and the main ones laid over the next patient."""
    yield None, claim.LUNGS, {i: 1.0 * lung for i, lung in lungs.items()}, [np.nan] * len(table)
    sides = maps.windows(run.profile.image_size)
    other = agreement.of_another(table.patient.to_numpy())
    for name, model in models.items() if len(table) else ():
        both = group == "test" and name == next(iter(models))
        made = maps.cached_maps(run, name, model, table, sides if both else sides[:1])
        made |= {m + claim.OTHER: made[m][other] for m in (f"occlusion {sides[0]} px", "Grad-CAM")}
        score = maps.probability(model, maps.inputs_of(run, table)).astype(float)
        for method, heat in made.items():
            yield name, method, dict(enumerate(heat)), score


def graded(run: Run, table: pd.DataFrame, marked: dict[str, dict]) -> tuple[dict, dict, dict]:
    """The six zones of each image that has them; their grades; what rivals say of them.

    All by the image's position; grades first by `BRIXIA` (the senior radiologist's) and `MARKED`,
    rivals by this, None (no model) and a name.
    """
    zone = {i: masks.zones_of(lung) for i, lung in marked["lung"].items()}
    zone = {i: parts for i, parts in zone.items() if masks.whole(parts)}
    both, patient, known = sorted(zone.keys() & marked["lesion"].keys()), table.patient, {}
    if path := severity_of(run):
        read = masks.read_grades(path, [*masks.SENIOR, *masks.JUNIOR], 3)
        files = [str(file.resolve()) for file in run.paths(table.image)]
        known = {i: read.loc[files[i]].to_numpy(float) for i in zone if files[i] in read.index}
    grades = {BRIXIA: {i: of[:6] for i, of in known.items()},
              MARKED: {i: masks.zone_means(marked["lesion"][i], zone[i]) for i in both}}  # fmt: skip
    rivals = {}
    for severity, of in grades.items():
        others = {i: [of[j] for j in of if patient[j] != patient[i]] for i in of}
        others = {i: np.mean(each, axis=0) for i, each in others.items() if each}
        rivals[severity, None, "mean of other patients"] = others
        if severity == BRIXIA:
            rivals[BRIXIA, None, SECOND] = {i: of[6:] for i, of in known.items()}
    return zone, grades, rivals


def faithful(run: Run, model, table: pd.DataFrame) -> tuple[dict, list[dict]]:
    """What tells whether the first model's maps of the test images name what it uses.

    The `heatmaps.json`, and rows of `curves.csv`; the first method is the main one.
    """
    name, seed, size = run.profile.models[0], run.profile.seeds[0], run.profile.image_size
    _, origin = networks.find_weights(run.profile.weights, name)
    inputs, sides = maps.inputs_of(run, table), maps.windows(size)
    made, window = maps.cached_maps(run, name, model, table, sides), sides[0]
    main = next(iter(made))
    marked = {kind: masks.read_all(run, kind, table.image) for kind in masks.MASKS}
    lungs = dict([*marked["lung"].items()][:SANITY])
    some, pair = [*lungs], {method: made[method] for method in (main, "Grad-CAM")}
    found = {
        "model": name, "weights": origin["file"] or origin["kind"],
        "image_size": size, "windows": sides, "fill": maps.FILL,
        "random_maps": {kind: agreement.by_chance(*agreement.coarse([*of.values()], window))
                        for kind, of in marked.items() if of},
        "fills": calibration.fills(model, inputs[some], [*lungs.values()], made[main][some], window)
        if some else {},
        "randomised": calibration.sanity(model, name, seed, inputs[:SANITY], made, window),
    }  # fmt: skip
    return found, calibration.mean_curves(model, inputs[:CURVES], pair, window)
