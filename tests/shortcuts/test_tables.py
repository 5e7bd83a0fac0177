"""What a reader is shown says what the files say."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from deepcovid.runs import RESULTS
from deepcovid.shortcuts import figures, mitigation, tables


@pytest.fixture
def measured():
    """A `shortcuts.csv`: the whole picture, a border, file properties, one view."""
    rows = [("whole", "whole picture", 0.99), ("border", "outer 5% of each side", 0.97),
            ("metadata", "file properties", 0.95),
            ("like with like", "whole picture; view AP only", 0.6)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["kind", "input", "auc"])
    ends = {f"{of}_{end}": table.auc + shift for of in ("auc", "patient")
            for end, shift in (("low", -0.01), ("high", 0.005))}  # fmt: skip
    models = ["network", "network", "regression", "network"]
    return table.assign(target="COVID-19", model=models, input_share=[1, 0.19, np.nan, 1],
                        positives=10, negatives=20, **ends)  # fmt: skip


@pytest.fixture
def outside():
    """An `external.csv`: two seeds of a network, and the border alone."""
    rows = [("net", seed, images, quantity, value, value - 0.1, value + 0.05, n, 4)
            for seed in (0, 1) for images, quantity, value, n in (
                ("COVID-19, H", "sensitivity", 0.8 + seed / 10, 12),
                ("Non-COVID, C", "specificity", 0.3, 30), ("both classes", "auc", 0.6, 42))]  # fmt: skip
    rows.append(("border alone", "", "both classes", "auc", 0.7, 0.6, 0.8, 42, 16))
    columns = ["model", "seed", "set", "quantity", "value", "low", "high", "images", "patients"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(seed=pd.to_numeric(table.seed))


def test_controls_show_regressions_and_images_that_are_alike(measured):
    shown = tables.controls(measured)
    assert list(shown.index) == ["file: size, colour mode", "whole picture; AP images only"]
    assert shown["ROC AUC (95% interval)"].iloc[0] == "0.9500 (0.9400 to 0.9550)"


def test_external_sensitivity_comes_first_and_the_auc_beside_what_the_border_reaches(outside):
    shown = tables.external(outside).reset_index()
    assert list(shown.quantity) == ["sensitivity", "specificity", "ROC AUC", "ROC AUC"]
    assert list(shown.model) == ["net", "net", "net", "border alone"]
    first = shown.iloc[0]
    assert first["mean (range of seeds)"] == "0.850 (0.800 to 0.900)"
    assert first["95% interval"] == "0.700 to 0.950"  # the least and the greatest end
    assert (first["n images"], first["n patients"]) == (12, 4)


def test_alarms_are_counted_with_exact_intervals():
    """0 of 20 says less than 5%: up to 17% of the datasets might raise one."""
    rows = [("nothing", 0, False)] * 20 + [
        ("tint", 1, True),
        ("size", 1, True),
        ("marker", 0.2, False),
    ]
    table = pd.DataFrame(rows, columns=["fault", "share", "alarm"])
    shown = tables.alarms(table)["with an alarm"]
    assert shown["nothing"] == "0 of 20 (0% to 17%)"
    assert shown["a fault in every image of a class (2 kinds)"].startswith("2 of 2")
    assert shown["a marker in a part of one class's images"].startswith("0 of 1 ")


def steps() -> pd.DataFrame:
    table = pd.DataFrame([dict.fromkeys(mitigation.COLUMNS, 0.5)] * 2)
    return table.assign(step=["nothing", "coarse"], chosen=[False, True], wins=[0.2, 0.8])


def test_a_preprocessing_has_one_name_in_every_file():
    profile = "crop_lungs,downsample,equalise,mask_lungs"
    assert tables.preprocessing_words(profile) == "only the lungs, downsampled, equalised"
    for name, steps in mitigation.STEPS.items():
        given = tables.preprocessing_words(",".join(steps))
        assert {*tables.preprocessing_words(name).split(", ")} == {*given.split(", ")}
    for name in mitigation.MORE:
        assert tables.preprocessing_words(name)
    assert tables.preprocessing_words("coarse; views matched") == "downsampled, views weighted"


def texts(figure) -> str:
    axes = [
        text.get_text() for axis in figure.axes for text in (*axis.texts, *axis.get_yticklabels())
    ]
    return " ".join([*axes, *(axis.get_xlabel() for axis in figure.axes)])


def test_the_axis_of_ablations_begins_where_the_intervals_do(measured):
    high = measured[measured.auc > 0.9]
    figure = figures.how_little(high)
    assert figure.axes[0].get_xlim()[0] == 0.9 and len(figure.axes) == 1
    assert "10 COVID-19, 20 Non-COVID images" in texts(figure)
    low = figures.how_little(high.assign(patient_low=0.3))
    assert low.axes[0].get_xlim()[0] < 0.3


def test_images_of_other_hospitals_are_drawn_where_they_were_judged(measured, outside):
    axis = figures.how_little(measured, outside).axes[1]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["net"]
    drawn = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    found = {name: bars.lines[0].get_xdata()[0] for name, bars in drawn.items()}
    assert found == pytest.approx({
        "sensitivity, H (12 images, 4 patients)": 0.85, "specificity, C (30 images, 4 patients)": 0.3
    })  # fmt: skip


def test_preprocessing_shows_the_gap_and_how_often_it_is_the_widest():
    shown = texts(figures.mitigation(steps()))
    assert "80%" in shown and "downsampled (kept)" in shown


def test_scores_of_two_collections_are_shown_in_percent_of_their_class():
    histograms = {f"{name}, {where}": [6, 0, 0, 2] for name in ("COVID-19", "Non-COVID")
                  for where in ("test", "external")}  # fmt: skip
    figure = figures.collections({"histograms": histograms, "threshold": 0.4})
    highest = max(patch.get_data().values.max() for patch in figure.axes[1].patches)
    assert highest == pytest.approx(75) and figure.axes[1].get_title() == "external images"


def test_the_published_files_are_shown():
    shown = tables.twins(pd.read_csv(RESULTS / "darkcovidnet_twins.csv"))
    assert (shown.twins <= shown["of"]).all() and shown.index.notna().all()


def test_tables_figures_and_examples_load_neither_torch_nor_sklearn():
    code = (
        "import sys; from deepcovid.shortcuts import examples, figures, tables; "
        "assert not {'torch', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
