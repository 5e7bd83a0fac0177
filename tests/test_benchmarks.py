"""`run_benchmarks.sh`: what it keeps, that it goes on, and that the page shows what was measured."""

import json
import os
import sys

import pytest

from deepcovid import runs
from deepcovid.runs import ROOT

sys.path.insert(0, str(ROOT))
from benchmarks import __main__ as program
from benchmarks import measure, speed, table, whole


@pytest.fixture
def asked(data, tmp_path):
    return measure.Asked(data, "random", ("squeezenet",), 20, 1, folder=tmp_path)


def test_the_page_shows_the_committed_measurements():
    text = table.PAGE.read_text()
    shown = text.partition(table.BEGIN)[2].partition(table.END)[0].strip()
    assert shown == table.rendered()


def test_a_row_that_is_there_is_not_measured_again_unless_asked(asked):
    calls = []
    for again in (False, False, True):
        given = measure.Asked(**vars(asked) | {"again": again})
        measure.Kept(given, "part").add("row", lambda: calls.append(1) or {"seconds": 1})
    assert len(calls) == 2
    row = json.loads((asked.folder / "part.json").read_text())["rows"]["row"]
    assert row["seconds"] == 1 and len(row["load_average"]) == 2
    assert {"cpu", "cores", "threads", "torch", "pillow"} <= set(row["machine"])


def test_calls_are_made_in_turns_and_a_ratio_is_of_one_round():
    order = []
    found = measure.turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3 and [len(v) for v in found.values()] == [2, 2]
    assert measure.ratio([2, 6, 1], [1, 2, 1]) == {"median": 2, "low": 1, "high": 3}


@pytest.mark.slow
def test_heads_and_loop_of_a_small_sample_are_measured_and_shown(asked, monkeypatch):
    monkeypatch.setattr(speed, "SIZE", 64)
    speed.heads(asked)
    speed.loop(asked)
    row = json.loads((asked.folder / "heads.json").read_text())["rows"]["squeezenet"]
    assert row["largest_difference_of_logits"] < 1e-5
    shown = table.rendered(asked.folder)
    assert "times faster than the reference loop" in shown and "Not measured yet" in shown


def test_each_network_learns_the_same_from_kept_features(asked, monkeypatch):
    monkeypatch.setattr(speed, "SIZE", 64)
    for name in ("resnet18", "resnet50", "densenet121"):
        assert speed.head_row(asked, name)["largest_difference_of_logits"] < 1e-5, name


def test_a_run_that_was_made_tells_what_each_step_took(asked, tmp_path, monkeypatch):
    folder, head = tmp_path / "runs" / "paper" / "benchmarks", "s\tmax_rss\tcpu_time\n"
    folder.mkdir(parents=True)
    (folder.parent / "run.json").write_text(
        json.dumps({"data": {"images": 5520}, "profile": {"models": ["squeezenet"]}})
    )
    for name, end, row in (("dataset", 1010, "10\t500\t9"), ("shortcuts", 1100, "80\t1500.4\t150")):  # fmt: skip
        (folder / f"{name}.tsv").write_text(f"{head}{row}\n")
        os.utime(folder / f"{name}.tsv", (end, end))
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    whole.notebooks(asked)
    row = json.loads((asked.folder / "notebooks.json").read_text())["rows"]["paper"]
    assert row["seconds"] == 100 and "load_average" not in row
    assert row["steps"]["shortcuts"] == {
        "seconds": 80, "processor_seconds": 150, "peak_mb": 1500,
    }  # fmt: skip
    shown = table.rendered(asked.folder)
    assert "| paper | shortcuts | 80 s, 150 s of processor time, 1,500 MB | 5520 images" in shown


def test_a_sample_has_both_classes_in_both_parts(asked, tmp_path):
    folder = whole.smaller(asked, tmp_path / "sample")
    found = {path.relative_to(folder).parts[:2] for path in folder.rglob("*.*")}
    assert found == {(part, name) for part in ("train", "test") for name in ("covid", "non")}


def test_what_does_not_exist_is_refused(capsys):
    assert program.main(["lop"]) == 2 and "say loop, features" in capsys.readouterr().err
    assert program.main(["loop", "-p", "epochs", "3"]) == 2
