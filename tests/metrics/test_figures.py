import numpy as np
import pandas as pd
import pytest

from deepcovid.metrics import figures, intervals, published
from deepcovid.metrics.run import CROSS_VALIDATED, TEST, VALIDATION, operating_points


@pytest.fixture
def tables(overlapping):
    """Scores of the same images by two models, one of them with two seeds."""
    label, score = overlapping(20, 80)
    table = pd.DataFrame({"label": label, "patient": [f"p{i // 2}" for i in range(len(label))]})
    table.insert(0, "image", [f"{i:03d}" for i in range(len(label))])
    scores = {
        ("squeezenet", 0): score,
        ("squeezenet", 1): score**2,
        ("resnet18", 0): np.sqrt(score),
    }
    return {key: table.assign(split="test", score=one) for key, one in scores.items()}


def test_a_model_has_one_curve_with_its_band_and_the_axes_have_the_numbers(tables):
    figure = figures.roc(tables)
    axis = figure.axes[0]
    assert len([line for line in axis.lines if len(line.get_xdata()) > 2]) == 2
    assert len(axis.collections) == 2
    assert "20 COVID-19 images of 10 patients" in axis.get_ylabel()
    assert "80 Non-COVID images of 40 patients" in figure.get_supxlabel()


def test_operating_points_are_means_over_seeds_and_name_who_chose(tables):
    rows = []
    for (model, seed), table in tables.items():
        validation = table.iloc[:60].assign(split="validation", image="v" + table.image)
        found = operating_points(pd.concat([table, validation]), validation.drop(columns="split"))
        rows.append(found.assign(model=model, seed=seed))
    points = pd.concat(rows)
    nothing = pd.DataFrame(columns=published.COLUMNS)
    axis = figures.operating_points(points, nothing).axes[2]
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert [name.split("\n")[0] for name in names] == [
        figures.CHOSEN[c] for c in (VALIDATION, CROSS_VALIDATED, TEST)
    ]
    assert names[0].endswith("20 COVID-19,\n10 patients")
    own = points[(points.model == "squeezenet") & (points.chosen_on == VALIDATION)]
    drawn = {bars.get_label(): bars.lines[0].get_xdata() for bars in axis.containers}
    assert own.sensitivity.mean() in drawn["SqueezeNet"]


def test_specificities_by_group_are_of_the_threshold_of_most_patients():
    row = {"model": "resnet18", "by": "finding", "images": 9, "patients": 7, "low": 0.5, "high": 1}
    table = pd.DataFrame([
        row | {"chosen_on": chosen, "group": group, "specificity": value + shift}
        for chosen, shift in ((VALIDATION, 0), (CROSS_VALIDATED, 0.1)) for group, value in (("Edema", 0.8), ("A", 0.7))
    ])  # fmt: skip
    axis = figures.subgroups(table).axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["A (9, 7)", "Edema (9, 7)"]
    drawn = axis.containers[0].lines[0]
    assert dict(zip(*drawn.get_data()[::-1], strict=True)) == pytest.approx({0: 0.8, 1: 0.9})


def test_calibration_says_slope_intercept_and_brier_of_each_model(tables):
    figure = figures.calibration(tables)
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    score = tables["resnet18", 0]
    brier = intervals.patient_interval((score.score - score.label) ** 2, score.patient)[0]
    (own,) = [line for line in told if line.startswith("ResNet18: slope")]
    assert f"Brier {brier:.4f}" in own and len(told) == 2
