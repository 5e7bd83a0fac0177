"""Model cards: what a trained model is, how it does, and what it is not for."""

from pathlib import Path

import pandas as pd

from deepcovid.metrics.evaluation import summaries
from deepcovid.metrics.intervals import format_ci_from_row
from deepcovid.metrics.tables import with_intervals
from deepcovid.models.run import Run
from deepcovid.profiles import Profile
from deepcovid.runs import NOTICE, read_json, write_text
from deepcovid.shortcuts import external

CARD = """# Model card: {model}, profile `{profile}`

**{notice}** A classifier of frontal chest radiographs into COVID-19 and
Non-COVID, made to reproduce Minaee et al. (2020), not to be used on patients.

## Model and recipe

- Network: torchvision `{model}`; backbone weights: {weights}
- Trained: {trainable}; {optimizer}, learning rate {learning_rate:g} ({schedule}), batch size
  {batch_size}, {epochs} epochs; checkpoint: {selection} epoch; batch norm: {batch_norm}
- Input: {prepared}, resized to {image_size} x {image_size} pixels, RGB, ImageNet normalisation
- Crops in training: {train_crop}
- Seeds: {seeds}

## Data

Trained on {train:,} images{validated}; positives augmented: {augment_positives}. Data folder
`{data}`, fingerprint `{fingerprint}`. {sources}

## Test results

95% intervals in brackets: DeLong for the AUC, Wilson for shares at the threshold; for the specificity
at 98% sensitivity that of an order statistic, which starts at 0 with fewer than 183 COVID-19 patients.

{table}
{outside}
## Limits

- A score is no probability of disease: see the calibration error above, and that COVID-19 is rarer or
  more frequent elsewhere.
{limit}- Not tested on children, on lateral views, or by any clinician.
"""

OUTSIDE = """
## Elsewhere

On `{folder}`, images from other hospitals, at the same thresholds; without those that also occur in
the training or test data ({dropped}):

{table}
"""


TOLD = ("auc", "sensitivity", "specificity")


def card_table(rows: list[dict]) -> str:
    """Rows of metrics, with their intervals where they have them, as a table in Markdown."""
    told = []
    for row in rows:
        told.append({
            name: format_ci_from_row(row, name) if f"{name}_low" in row else value
            for name, value in row.items() if not name.endswith(("_low", "_high"))
        })  # fmt: skip
    table = pd.DataFrame(told).rename(columns=lambda name: name.replace("_", " ")).astype(str)
    lines = [table.columns, ["---"] * len(table.columns), *table.to_numpy()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cards(run: Run, made: dict, target: Path | None = None) -> None:
    """Write `card.md`, a model card made from the run's files, for each model, there or to `target`."""
    found = {(row["model"], row["seed"]): row for row in summaries(run.folder)}
    path = external.result(run)
    elsewhere = read_json(path)["models"] if path else []
    for model in run.profile.models:
        said = (
            described(run.profile, made, model)
            | of_sources(run.originals())
            | {
                "table": card_table([inside(found[model, seed]) for seed in run.profile.seeds]),
                "outside": outside(made, [row for row in elsewhere if row["model"] == model]),
            }
        )
        write_text((target or run.folder) / model / "card.md", CARD.format(**said))


def of_sources(table: pd.DataFrame) -> dict[str, str]:
    """What a card says of where the images of the two classes are from."""
    if table.groupby("source").label.nunique().eq(2).all():
        return {"sources": "Each source has images of both classes.", "limit": ""}
    return {
        "sources": "COVID-19 and Non-COVID images come from different\ncollections.",
        "limit": "- The classes differ in source, so the model may tell the source, not the disease.\n",
    }


def described(profile: Profile, made: dict, model: str) -> dict:
    """What a card says of a model before its results."""
    training = next(t for t in made["trainings"] if t["model"] == model)
    weights, held_out = training["weights"], training["images"].get("validation", 0)
    file = f" `{weights['file']}`, SHA-256 `{weights['sha256'][:16]}...`" if weights["file"] else ""
    steps = ", ".join(profile.preprocessing).replace("_", " ")
    return made["profile"] | {
        "model": model,
        "profile": profile.name,
        "notice": NOTICE,
        "weights": weights["kind"] + file,
        "prepared": "whole image" if profile.preprocessing == ("none",) else f"prepared ({steps})",
        "seeds": ", ".join(map(str, profile.seeds)),
        "train": training["images"]["train"],
        "validated": f", thresholds chosen on {held_out:,}" if held_out else "",
        "fingerprint": made["data"]["fingerprint"],
    }


def inside(row: dict) -> dict:
    """A row of a card's table of test results, from a `metrics.json`."""
    return (
        {"seed": row["seed"]}
        | with_intervals(row, *TOLD, "specificity_at_98_sensitivity")
        | {
            "threshold": f"{row['threshold']:.3g}",
            "calibration error": f"{row['calibration']['calibration_error']:.3f}",
        }
    )


def outside(made: dict, rows: list[dict]) -> str:
    """A card's section on the external folder; empty without one."""
    if not rows:
        return ""
    table = card_table([{"seed": row["seed"]} | with_intervals(row, *TOLD) for row in rows])
    dropped = rows[0]["duplicates_dropped"]
    return OUTSIDE.format(folder=made["profile"]["external"], dropped=dropped, table=table)
