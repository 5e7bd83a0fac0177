"""A study: a folder of runs, from which notebooks read.

`results/` is the published study, of COVID-Xray-5k: tables and plots, without images. `runs/real/` is
the same with its images at hand, a folder for each run. `runs/NAME/` of one recipe is a study as well:
its only run is called `paper` here, whatever its recipe. A file there that is missing is made by its
step (`steps.MAKES`); what is there and fresh is read. Nothing here loads torch until something has to
be made.
"""

import os
from pathlib import Path

import pandas as pd

from deepcovid import profiles, runs, steps
from deepcovid.io import read_json, read_table
from deepcovid.runs import RESULTS, ROOT, UserError, of_trainings

MADE = "DEEPCOVID_MADE"  # in the environment of notebooks that the workflow executes
REFRESHED = "DEEPCOVID_REFRESHED"  # in that of notebooks that are executed to be committed
OWN = "paper"  # what a study's own run is called


class Missing:
    """Stands for a file that a study does not have: empty, and a notebook shows why."""

    def __init__(self, file: str):
        self.file = file

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:  # without an address, which would differ with each execution
        return f"Missing({self.file!r})"

    def _repr_markdown_(self) -> str:
        made = (
            "Of one recipe there are no others; `results/README.md` has the command that makes it."
        )
        return f"*This study has no `{self.file}`.* {made}"


class Study:
    """The study that a notebook's parameter names: `results`, `runs/demo`, or a folder's path.

    `overrides` are settings of its runs, as `-p` gives them. Raises UserError where there is none.
    """

    def __init__(self, folder: str = "results", overrides: dict | None = None):
        path = Path(folder)
        if path.parts[:1] == ("runs",):
            path = runs.RUNS.joinpath(*path.parts[1:])
        self.folder, self.overrides = ROOT / path, overrides or {}
        if not self.folder.is_dir():
            raise UserError(f"There is no study {folder}: name results, or a folder of runs/.")
        self.published = self.folder == RESULTS
        name = self.folder.name
        known = not self.published and name in profiles.names()
        self.runs = profiles.runs_of(name) if known else {}  # of a study of several runs
        self.made: set = set()  # steps that this study has run, each once

    def run(self, name: str = OWN):
        """A run whose images are at hand, opened."""
        from deepcovid.models.run import Run

        return Run(self.profile(name))

    def profile(self, name: str = OWN) -> profiles.Profile:
        """The settings of a run whose images are at hand."""
        return profiles.load(self.folder.name + f"/{name}" * bool(self.runs), self.overrides)

    def has_images(self, run: str) -> bool:
        return not self.published and run in (self.runs or (OWN,))

    def place(self, run: str) -> Path:
        """The folder of a run, which may not be there."""
        alone = run == OWN and not self.published and not self.runs
        return self.folder if alone else self.folder / run

    def path(self, file: str) -> Path | Missing:
        """`RUN/FILE` of this study, or a file of its own, made first where images are at hand."""
        run, _, inner = file.partition("/")
        step = steps.maker(inner) if self.has_images(run) else ()
        # the workflow has just seen to it that what is there is fresh
        fresh = step and MADE in os.environ and any(self.place(run).glob(inner))
        if step and not fresh and (step, run) not in self.made:
            steps.make(inner, self.run(run))
            self.made.add((step, run))
        path = self.place(run) / inner if inner else self.folder / file
        return path if path.is_file() else Missing(file)

    def table(self, file: str, **how) -> pd.DataFrame | Missing:
        """A CSV file as a table, `how` as `pandas.read_csv` takes it."""
        return path if isinstance(path := self.path(file), Missing) else read_table(path, **how)

    def json(self, file: str) -> dict | Missing:
        """What a JSON file holds."""
        return path if isinstance(path := self.path(file), Missing) else read_json(path)

    def each(self, run: str, name: str) -> dict[tuple[str, int], Path]:
        """The files called `name` of a run's models, by model and seed, made first if need be."""
        self.path(f"{run}/*/seed*/{name}")
        found = of_trainings(self.place(run), name)
        asked = self.profile(run).trainings if self.has_images(run) else found
        return {key: path for key, path in found.items() if key in asked}

    def tables(self, run: str, name: str) -> dict[tuple[str, int], pd.DataFrame]:
        """`each`, read as tables: `history.csv`, `scores.csv`."""
        return {key: read_table(path) for key, path in self.each(run, name).items()}

    def save(self, figure, name: str):
        """The figure, kept too as `figures/NAME`: of the published study while notebooks are refreshed."""
        from deepcovid.plots import save

        if figure is not None and (not self.published or REFRESHED in os.environ):
            save(figure, self.folder / "figures" / name)
        return figure
