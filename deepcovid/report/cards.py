"""TODO: what report/cards is."""

from pathlib import Path

import pandas as pd

from deepcovid.metrics.tables import summaries, with_intervals
from deepcovid.profiles import Profile
from deepcovid.runs import NOTICE, read_json, write_text

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
`{data}`, fingerprint `{fingerprint}`. COVID-19 and Non-COVID images come from different
collections.

## Test results

95% intervals in brackets: DeLong for the AUC, Wilson for shares at the threshold, patients resampled
for the specificity at 98% sensitivity.

{table}
{outside}
## Limits

- A score is no probability of disease: see the calibration error above, and that COVID-19 is rarer or
  more frequent elsewhere.
- The classes differ in source, so the model may tell the source, not the disease.
- Not tested on children, on lateral views, or by any clinician.
"""

OUTSIDE = """
## Elsewhere

On `{folder}`, images from other hospitals, at the same thresholds; without those that also occur in
the training or test data ({dropped}):

{table}
"""


def card_table(rows: list[dict]) -> str:
    """Rows of metrics, with their intervals where they have them, as a table in Markdown."""
    told = []
    for row in rows:
        told.append({
            name: f"{value:.3f} ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"
            if f"{name}_low" in row else value
            for name, value in row.items() if not name.endswith(("_low", "_high"))
        })  # fmt: skip
    table = pd.DataFrame(told).rename(columns=lambda name: name.replace("_", " ")).astype(str)
    lines = [table.columns, ["---"] * len(table.columns), *table.to_numpy()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cards(profile: Profile, provenance: dict) -> None:
    """Write `card.md`, a model card made from the run's files, for each model."""
    found = {(row["model"], row["seed"]): row for row in summaries(profile.folder)}
    external = profile.folder / "external.json"
    elsewhere = read_json(external)["models"] if external.is_file() else []
    told = ("auc", "sensitivity", "specificity")
    for model in profile.models:
        training = next(t for t in provenance["trainings"] if t["model"] == model)
        weights, held_out = training["weights"], training["images"].get("validation", 0)
        rows = [
            {"seed": seed}
            | with_intervals(found[model, seed], *told, "specificity_at_98_sensitivity")
            | {
                "threshold": f"{found[model, seed]['threshold']:.3g}",
                "calibration error": f"{found[model, seed]['calibration']['calibration_error']:.3f}",
            }
            for seed in profile.seeds
        ]
        outside = [row for row in elsewhere if row["model"] == model]
        said = provenance["profile"] | {
            "model": model,
            "profile": profile.name,
            "notice": NOTICE,
            "weights": weights["kind"]
            + (
                f" `{weights['file']}`, SHA-256 `{weights['sha256'][:16]}...`"
                if weights["file"]
                else ""
            ),
            "prepared": f"prepared ({', '.join(profile.preparation).replace('_', ' ')})"
            if profile.preparation != ("none",)
            else "whole image",
            "seeds": ", ".join(map(str, profile.seeds)),
            "train": training["images"]["train"],
            "validated": f", thresholds chosen on {held_out:,}" if held_out else "",
            "data": Path(profile.data).name,
            "fingerprint": provenance["data"]["fingerprint"],
            "table": card_table(rows),
            "outside": OUTSIDE.format(
                folder=Path(provenance["profile"]["external"]).name,
                dropped=outside[0]["duplicates_dropped"],
                table=card_table(
                    [{"seed": row["seed"]} | with_intervals(row, *told) for row in outside]
                ),
            )
            if outside
            else "",
        }
        write_text(profile.folder / model / "card.md", CARD.format(**said))
