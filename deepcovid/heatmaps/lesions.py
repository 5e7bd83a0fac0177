"""Do a run's maps fall on what radiologists marked? The paper's claim, tested on its own images.

The test images with a mask of lesions judge; the training images with one stand beside, as a group
of their own. Rivals are random maps, another patient's map, and the lung field taken as a map. By
zone, a map is compared with the radiologists' grades.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.heatmaps import claim, masks, zones
from deepcovid.heatmaps.agreement import agreement, by_chance, coarse, of_another
from deepcovid.heatmaps.cached_maps import cached_maps, read, windows
from deepcovid.heatmaps.maps import probability
from deepcovid.models.run import Run

BRIXIA, MARKED = "Brixia score", "share marked"  # what grades a zone


def trained_on(run: Run) -> pd.DataFrame:
    """The COVID-19 images that are not test images and have a mask of lesions."""
    return masks.with_mask(run, test=False, kinds=("lesion",))


def severity_of(run: Run) -> Path | None:
    """The table of Brixia scores: the profile's, else `brixia.csv` beside or above the images."""
    if run.profile.severity:
        return Path(run.profile.severity)
    places = [run.data / "brixia.csv", run.data.resolve().parent / "brixia.csv"]
    return next((path for path in places if path.is_file()), None)


class Group:
    """COVID-19 images of a table that are judged together, with what is known of each.

    By an image's position: `lesions` and `lungs`, bool masks; `zone`, its lung zones; `grades`, by
    what grades and then by the image, six numbers; `second`, the junior radiologist's.
    """

    def __init__(self, run: Run, table: pd.DataFrame):
        self.run, self.table, self.patient = run, table, table.patient.to_numpy()
        self.lesions = masks.read_all(run, "lesion", table.image)
        self.lungs = masks.read_all(run, "lung", table.image)
        parted = {i: zones.of(lung) for i, lung in self.lungs.items()}
        self.zone = {i: zone for i, zone in parted.items() if zones.whole(zone)}
        path = severity_of(run)
        known = zones.graded(path) if path else {}
        files = [path.resolve() for path in run.paths(table.image)]
        read_by = {i: known[files[i]] for i in self.zone if files[i] in known}
        both = [i for i in self.zone if i in self.lesions]
        self.grades = {
            BRIXIA: {i: grades["senior"] for i, grades in read_by.items()},
            MARKED: {i: zones.means(self.lesions[i], self.zone[i]) for i in both},
        }
        self.second = {i: grades["junior"] for i, grades in read_by.items()}

    def maps(self, name: str, model) -> dict[str, dict[int, np.ndarray]]:
        """A model's maps by method, then image, and each laid over the next patient."""
        side = windows(self.run.profile.image_size)[:1]
        made = cached_maps(self.run, name, model, self.table, side)
        other = of_another(self.patient)
        made |= {method + claim.OTHER: heat[other] for method, heat in made.items()}
        return {method: dict(enumerate(heat)) for method, heat in made.items()}

    def contained(self, made: dict[str, dict], score=None) -> list[dict]:
        """`agreement` of maps by method, a row for each image with lesions of which there is a map.

        `score` holds P(COVID-19) of each image, for `claim.turned`.
        """
        rows = []
        for method, heat in made.items():
            for i in (i for i in self.lesions if i in heat):
                row = {"method": method, "image": i, **agreement(heat[i], self.lesions[i])}
                if score is not None and claim.OTHER not in method:
                    row |= claim.turned(heat[i], self.lesions[i], score[i])
                rows.append(dict.fromkeys(("turned", "turned_area")) | row)
        return rows

    def curve(self, heat) -> dict[str, list[float]] | None:
        """`claim.mean_curve` over the images with lesions of which there is a map."""
        which = [i for i in self.lesions if i in heat]
        found = [claim.curve(heat[i], self.lesions[i]) for i in which]
        return claim.mean_curve(found, self.patient[which]) if found else None

    def followed(self, made: dict[str, np.ndarray]) -> list[dict]:
        """How each map follows the grades of each image's zones, a row each."""
        return [
            {"severity": severity, "method": method, "image": i,
             "rho": zones.follows(zones.means(heat[i], self.zone[i]), grade)}
            for severity, grades in self.grades.items()
            for method, heat in made.items()
            for i, grade in grades.items()
            if np.ptp(grade) > 0
        ]  # fmt: skip

    def readers(self) -> list[dict]:
        """How others follow the grades: the second radiologist, and what other patients have."""
        rows = []
        for severity, grades in self.grades.items():
            for i, grade in grades.items():
                others = [g for j, g in grades.items() if self.patient[j] != self.patient[i]]
                rivals = {"mean of other patients": np.mean(others, axis=0) if others else None}
                if severity == BRIXIA:
                    rivals["second radiologist"] = self.second[i]
                rows += [
                    {"severity": severity, "method": method, "image": i,
                     "rho": zones.follows(values, grade)}
                    for method, values in rivals.items()
                    if values is not None and np.ptp(grade) > 0
                ]  # fmt: skip
        return rows


def judge(run: Run, models: dict, test: pd.DataFrame) -> dict:
    """The `lesions` of `heatmaps.json`, which `claim.table` reads.

    `models` are trained models by name, `test` the table of `masks.chosen`.
    """
    groups = {"test": Group(run, test), "train": Group(run, trained_on(run))}
    rows, zone_rows, curves = [], [], []
    for name, group in groups.items():
        lungs = {claim.LUNGS: {i: lung.astype(float) for i, lung in group.lungs.items()}}
        made = {"": (lungs, group.contained(lungs), group.readers())}
        for model_name, model in models.items() if len(group.table) else ():
            maps = group.maps(model_name, model)
            score = probability(model, read(run, group.table))
            made[model_name] = maps, group.contained(maps, score), group.followed(maps)
        for of, (maps, contained, followed) in made.items():
            about = {"group": name, "model": of}
            rows += [about | row for row in contained]
            zone_rows += [about | row for row in followed]
            lines = {method: group.curve(heat) for method, heat in maps.items()}
            curves += [about | {"method": m, **v} for m, v in lines.items() if v]
    side = windows(run.profile.image_size)[0]
    chance = {
        name: by_chance(*coarse([*group.lesions.values()], side))
        for name, group in groups.items()
        if group.lesions
    }
    images = {name: g.table[["image", "patient"]].to_dict("list") for name, g in groups.items()}
    return {
        "images": images,
        "rows": columns(rows),
        "zones": columns(zone_rows),
        "random_maps": chance,
        "curves": curves,
    }


def columns(rows: list[dict]) -> dict[str, list]:
    """Rows as columns, None where a row lacks a value."""
    names = dict.fromkeys(key for row in rows for key in row)
    return {name: [row.get(name) for row in rows] for name in names}
