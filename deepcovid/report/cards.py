"""Model cards: what a trained model is, how it does, and what it is not for."""

from pathlib import Path

import pandas as pd

from deepcovid.metrics.evaluation import summaries
from deepcovid.metrics.intervals import format_ci_from_row
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
{external_images}
## Limits

- A score is no probability of disease: see the calibration error above, and that COVID-19 is rarer or
  more frequent elsewhere.
{limit}- Not tested on children, on lateral views, or by any clinician.
"""

EXTERNAL = """
## External images

On `{folder}`, images from other hospitals, at the same thresholds; without those that also occur in
the training or test data ({dropped}):

{table}
"""


QUANTITIES = ("auc", "sensitivity", "specificity")


def card_table(rows: list[dict], *names: str, **more: list[str]) -> str:
    """Quantities of rows of metrics with their intervals, and `more` columns, as a table in Markdown."""
    columns = {"seed": [str(row["seed"]) for row in rows]}
    columns |= {name: [format_ci_from_row(row, name) for row in rows] for name in names} | more
    lines = [columns, ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |".replace("_", " ") for line in lines)


def cards(run: Run, made: dict, target: Path | None = None) -> None:
    """Write `card.md`, a model card made from the run's files, for each model, there or to `target`."""
    found, path = summaries(run.folder), external.result(run)
    external_rows = read_json(path)["models"] if path else []
    for model in run.profile.models:
        rows = [row for row in found if row["model"] == model]
        errors = [f"{row['calibration']['calibration_error']:.3f}" for row in rows]
        card = described(run.profile, made, model) | of_sources(run.originals())
        card["external_images"] = ""
        card["table"] = card_table(
            rows, *QUANTITIES, "specificity_at_98_sensitivity",
            threshold=[f"{row['threshold']:.3g}" for row in rows], calibration_error=errors,
        )  # fmt: skip
        rows = [row for row in external_rows if row["model"] == model]
        if rows:
            card["external_images"] = EXTERNAL.format(
                folder=made["profile"]["external"],
                dropped=rows[0]["duplicates_dropped"],
                table=card_table(rows, *QUANTITIES),
            )
        write_text((target or run.folder) / model / "card.md", CARD.format(**card))


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
