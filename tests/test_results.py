"""What results/README.md says of a published run is what the run's own files say."""

import re
import shlex

import pandas as pd
import pytest

from deepcovid import profiles
from deepcovid.__main__ import parse
from deepcovid.profiles import PATHS
from deepcovid.report import provenance
from deepcovid.runs import RESULTS, read_json

ROWS = re.findall(
    r"^\| `([\w./]+)` \| ([^|]+) \| `\./run_all\.sh ([^`]+)`",
    (RESULTS / "README.md").read_text(),
    re.M,
)
RUNS = [(name, words) for name, _, words in ROWS if (RESULTS / name / "run.json").is_file()]


def test_each_published_run_stands_there_with_its_command():
    made = {f"{path.parent.relative_to(RESULTS)}/" for path in RESULTS.rglob("run.json")}
    assert {name for name, _ in RUNS} == made


@pytest.mark.parametrize(("name", "words"), RUNS, ids=[name for name, _ in RUNS])
def test_a_run_was_made_by_the_command_that_is_claimed(name, words):
    """Every setting that the command and its profile mean: models, seeds, epochs and all others."""
    args = parse(shlex.split(words))
    given = dict(args.overrides)
    meant = provenance.settings(profiles.load(args.command, given))
    made = read_json(RESULTS / name / "run.json")["profile"]
    for key, value in made.items():
        if key in ("name", "workers"):  # `workers`, once a setting, had no effect on numbers
            continue
        if key in PATHS:  # told by their names; a command says only whether there is one
            assert (key in given) == (value not in (None, "imagenet", "random")), key
        else:
            assert meant[key] == value, key
    rows = {(model, seed) for model in made["models"] for seed in made["seeds"]}
    trained = read_json(RESULTS / name / "run.json")["trainings"]
    assert {(one["model"], one["seed"]) for one in trained} == rows
    metrics = RESULTS / name / "metrics.csv"
    if metrics.is_file():
        table = pd.read_csv(metrics).dropna(subset=["seed"])
        assert set(zip(table.model, table.seed.astype(int), strict=True)) == rows
    for (model, seed), one in zip(
        sorted(rows), sorted(trained, key=lambda t: (t["model"], t["seed"])), strict=True
    ):
        history = RESULTS / name / model / f"seed{seed}" / "history.csv"
        if history.is_file():
            assert pd.read_csv(history).epoch.max() == made["epochs"]
            assert one["images"]["train"] > 0
