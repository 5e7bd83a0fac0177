"""What a reader is shown says what the files say."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from conftest import user_error

from deepcovid.runs import RESULTS
from deepcovid.shortcuts import figures, tables

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


@pytest.fixture
def real():
    table = tables.read_shortcuts(RESULTS / "paper" / "shortcuts.csv")
    if table.empty:
        pytest.skip("results/paper/shortcuts.csv is not here")
    return table


@pytest.fixture
def found():
    """An `external.json` of one model."""
    numbers = {"auc": 0.6, "auc_low": 0.5, "auc_high": 0.7, "sensitivity": 0.8, "specificity": 0.3}
    numbers |= {f"{k}_{end}": v for k, v in list(numbers.items())[-2:] for end in ("low", "high")}
    row = numbers | {
        "model": "squeezenet", "seed": 0, "threshold": 0.4, "internal_auc": 0.9,
        "images": {"Non-COVID": 8, "COVID-19": 6}, "duplicates_dropped": 1,
        "with_duplicates": numbers | {"auc": 0.65},
        "by_patient": {"auc": [0.4, 0.75], "sensitivity": [0.7, 0.9], "specificity": [0.2, 0.4]},
        "histograms": {f"{name}, {where}": [6, 0, 0, 2] for name in ("COVID-19", "Non-COVID")
                       for where in ("test", "external")},
    }  # fmt: skip
    return row | {"models": [row]}


def test_shortcuts_are_read_or_refused(tmp_path):
    assert tables.read_shortcuts(tmp_path / "none.csv").empty
    (tmp_path / "bad.csv").write_text("kind,seen\nborder,rim\n")
    with user_error("lacks the columns told"):
        tables.read_shortcuts(tmp_path / "bad.csv")


def test_shortcuts_for_a_reader(real):
    shown = tables.shortcut_table(real)
    assert len(shown) == len(real)
    assert shown["ROC AUC"].iloc[0] == f"{real.auc.iloc[0]:.3f}"
    for figure in (figures.how_little(real), figures.dots(real[real.kind == "metadata"])):
        assert figure.axes


def test_the_answer_counts_what_was_found(real, calibrated):
    _, found, _ = calibrated
    table = tables.calibration_table(found)
    assert table.datasets["nothing"] == 2 and table.alarms["marker"] == "1 of 1 (2.5% to 100.0%)"
    text = tables.shortcuts_answer("demo", real, found)
    assert "4 of 4 planted" in text and "0 of 2 phantom datasets" in text
    assert "by the outer 5% of each side" in tables.real_answer(real)
    assert tables.real_answer(real.iloc[:0]) == ""


def test_external_scores_for_a_reader(found, tmp_path):
    assert tables.read_external(tmp_path) == {}
    (tmp_path / "external.json").write_text(json.dumps(found))
    assert tables.read_external(tmp_path) == found
    row = tables.external_table(found).loc["squeezenet, seed 0"]
    assert row["AUC outside"] == "0.600 (0.400 to 0.750)"
    assert row["sensitivity outside"] == "0.800 (0.700 to 0.900)"
    assert row["images"] == "6 COVID-19, 8 Non-COVID" and row["duplicates dropped"] == 1
    assert "1 duplicates dropped" in tables.external_answer(found)
    for low, said in ((0.4, "that contains chance"), (0.55, "does not contain chance")):
        by = found["by_patient"] | {"auc": [low, 0.75]}
        assert said in tables.external_answer(found | {"by_patient": by})
    more = {"class_and_source_coincide": True, "probes": {"border alone": [0.7, 0.6, 0.8]}}
    said = "it measures both; border alone reaches 0.700 (0.600 to 0.800)."
    assert tables.external_answer(found | more).endswith(said)
    figure = figures.collections(found)
    drawn = [area.get_paths()[0].vertices for area in figure.axes[0].collections]
    assert (
        drawn[0][:, 1].max() == pytest.approx(75)
        and figure.axes[1].get_title() == "external images"
    )


def test_shares_of_alarms_have_their_intervals():
    """0 of 20 says less than 5%: up to 17% of the datasets might raise one."""
    assert tables.count_with_ci(0, 20) == "0 of 20 (0.0% to 16.8%)"
    levels = pd.DataFrame({"images per patient": [2], "datasets": 1000, "alarms": 0.066,
                           "counting images": 0.141})  # fmt: skip
    assert tables.levels_table(levels).alarms[2] == "66 of 1,000 (5.1% to 8.3%)"


def test_mending_for_a_reader(tmp_path):
    assert tables.read_mending(tmp_path / "none.csv").empty
    columns = tables.read_mending(tmp_path / "none.csv").columns
    table = pd.DataFrame([dict.fromkeys(columns, 0.5)] * 2)
    table = table.assign(step=["nothing", "coarse"], chosen=[False, True], external=[0.7, 0.6])
    shown = tables.mending_table(table)
    assert list(shown.index) == ["nothing", "coarse"] and list(shown.kept) == ["", "kept"]
    assert shown.outside["coarse"] == "0.600 (0.500 to 0.500)"
    assert shown["gap, 95% by patients"]["coarse"] == "+0.500 to +0.500"
    assert "the widest in 50% of their resamples" in tables.mending_answer(table)
    old = table.drop(columns=["gap_low", "gap_high", "wins"])  # of before they were measured
    assert "kept in" not in tables.mending_table(old) and "resamples" not in tables.mending_answer(
        old
    )
    assert figures.mending(table).axes[1].get_title().endswith("(not used to decide)")
    text = tables.mending_answer(table)
    assert (
        "*coarse* gains most" in text
        and "shows 50% of the lungs" in text
        and "from 0.700 to 0.600" in text
    )


def test_tables_and_figures_load_no_torch():
    code = "import sys; from deepcovid.shortcuts import figures, tables; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
