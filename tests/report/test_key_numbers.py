"""The numbers that notebooks end with are those of the files that they name."""

import pandas as pd
import pytest

from deepcovid.io import read_json
from deepcovid.metrics.published import published
from deepcovid.report import key_numbers
from deepcovid.runs import RESULTS, ROOT
from deepcovid.study import Study


@pytest.fixture(scope="module")
def tables():
    return {"published": published()}


def test_the_overview_has_the_numbers_of_each_finding(tables):
    found = key_numbers.overview(Study("results"), **tables)
    values = found["value (range)"]
    assert found.index.unique(0).tolist() == [1, 2, 3, 4]
    assert values[1, "COVID-19 images found: class weights"] == "63% (58% to 68%)"
    assert values[2, "ROC AUC"] == "ResNet18 0.9969, ResNet50 0.9997, SqueezeNet 0.9971"
    assert values[2, "the paper's ROC AUC"].startswith(
        "ResNet18 0.989, ResNet50 0.990, SqueezeNet 0.992"
    )
    same = found.loc[4].loc["AUC, Non-COVID images of the same collection"]
    assert same.tolist() == ["0.615 (0.602 to 0.637)", "0.489 to 0.740", "100 + 84 images",
                             "paper/fair_test/swap.csv"]  # fmt: skip


@pytest.mark.parametrize("notebook", key_numbers.GROUPS)
def test_each_row_that_is_asked_for_is_found_in_a_published_file(notebook, tables):
    """A misspelt column or an entry that no file has would leave out a row without a word."""
    for group in key_numbers.GROUPS[notebook]:
        for row in group["rows"]:
            row = group | row
            if row["file"] == "paper/failure.csv":  # of runs without an ablation
                continue
            table = key_numbers.read(Study("results"), row, tables)
            lines = [*key_numbers.lines(row, table)]
            assert lines, row
            assert (RESULTS / row["file"]).is_file() or (ROOT / row["file"]).is_file()
            raw = "nan", " -> "  # no number, levels as tables have them
            assert not any(word in text for line in lines for text in line for word in raw), lines


def test_what_a_study_lacks_has_no_rows(tmp_path):
    (tmp_path / "failed").mkdir()
    table = pd.DataFrame({"model": "resnet18", "seed": [0, 1], "tp": [1, 3], "fn": [9, 7]})
    table.to_csv(tmp_path / "failed" / "metrics.csv", index=False)  # an older one, of fewer columns
    study = Study(str(tmp_path))
    study.published = True  # nothing is made
    found = key_numbers.key_numbers(study, "06")
    assert found["value (range)"].to_dict() == {
        "COVID-19 images found by the failed recipe, of 10": "2 (1 to 3)"
    }
    assert key_numbers.key_numbers(study, "08").empty


def test_rows_are_grouped_and_counted_as_asked():
    table = pd.DataFrame({"model": ["resnet50", "resnet18", "resnet18"], "auc": [0.9, 0.5, 0.6], "low": [0.8, 0.4, 0.3],
                          "high": [1, 0.7, 0.8], "n": 1000})  # fmt: skip
    row = {"finding": "AUC of {model}", "file": "f", "value": "auc", "n": "{n:,} of {auc.count()}"}
    assert [*key_numbers.lines(row | {"by": "model"}, table)] == [
        ("AUC of ResNet50", "ResNet50 0.900, ResNet18 0.550", "-", "1,000 of 3", "f")
    ]
    each = row | {
        "each": ["model"],
        "interval": ["low", "high"],
        "form": ".2f",
        "where": "auc < 0.9",
    }
    assert [*key_numbers.lines(each, table)] == [
        ("AUC of ResNet18", "0.55 (0.50 to 0.60)", "0.30 to 0.80", "1,000 of 2", "f")
    ]


def test_patients_new_to_a_model_share_no_picture_with_training():
    audit = read_json(RESULTS / "paper/audit.json")
    (row,) = (r for r in audit["patients"]["by_split_and_class"]
              if (r["split"], r["class"]) == ("test", "COVID-19"))  # fmt: skip
    values = key_numbers.key_numbers(Study("results"), "01")["value (range)"]
    new = row["patients_by_picture"] - row["in_both_splits"]
    assert values["of these new to a trained model, by picture"] == f"{new}"
    assert values["accuracy of calling every test image Non-COVID"] == "96.77%"
    highest = sorted((r for r in audit["acquisition"] if r["auc"]), key=lambda r: -r["auc"])[:3]
    aucs = {f"AUC of the property {r['property']} alone": f"{r['auc']:.3f}" for r in highest}
    assert values[values.index.str.startswith("AUC")].to_dict() == aucs
