"""The page, the JSON and the exit status of an audit, and the library call."""

import json
import re

import pytest
from browser import chromium, needs_chromium
from conftest import draw

import deepcovid
from deepcovid.__main__ import main
from deepcovid.data import phantom
from deepcovid.runs import ROOT

pytestmark = pytest.mark.slow  # left out by ./run_tests.sh --fast


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Phantoms of which one class bears a marker; a file's name is HTML."""
    folder = tmp_path_factory.mktemp("audit") / "hospital <b>"
    phantom.write(folder, 3, dict.fromkeys(phantom.GROUPS, 12), 64, "marker")
    odd = folder / "test" / "covid" / "<script>alert(1)<!--.png"
    odd.write_bytes(next((folder / "train" / "covid").iterdir()).read_bytes())
    return folder


@pytest.fixture(scope="module")
def done(folder):
    """The audit of `folder`, written beside it."""
    return deepcovid.audit(folder, folder.parent / "out")


def test_the_call_gives_what_the_files_say(done):
    assert done.alarm and done.status == 3 and "gives its classes away" in done.verdict
    assert json.loads(done.page.with_name("audit.json").read_text()) == done.report
    assert done.findings.loc["leak"].raised and done.findings.loc["border"].raised
    assert done.answers.loc[("border", "the outer 5% of each side")].auc > 0.9
    assert done.verdict.split(":")[0] in done._repr_html_()


def test_the_page_is_one_file_that_warns_and_runs_nothing(done):
    text = done.page.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:image/jpeg|#)', text)
    assert "<script" not in text and "&lt;script&gt;alert" in text and "hospital <b>" not in text
    assert "This page shows images of the dataset" in text and "not for clinical use" in text
    for f in done.report["findings"]:
        assert f'id="{f["kind"]}"' in text
    assert text.count("data:image/jpeg") >= 2 + 4 + 3 + 8


@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_screen_and_every_picture_is_told(done, width):
    with chromium(viewport={"width": width, "height": 800}) as (page, wrong):
        page.goto(done.page.as_uri())
        seen = page.evaluate(
            "() => [document.documentElement.scrollWidth - innerWidth,"
            "[...document.images].every(i => i.alt && i.naturalWidth > 0)]"
        )
    assert seen[0] <= 0 and seen[1] and not wrong


def test_exit_statuses(dataset, tmp_path, capsys):
    folder, out = dataset(splits=("train", "test"), count=4), tmp_path / "out"
    double = next((folder / "train" / "left").iterdir())
    (folder / "test" / "left" / "double.png").write_bytes(double.read_bytes())
    assert main(["audit", str(folder), "--out", str(out), "--fail-on", "leak"]) == 3
    assert "index.html" in capsys.readouterr().out and (out / "audit.json").is_file()
    assert main(["audit", str(folder), "--out", str(out), "--fail-on", "names,unread"]) == 0
    assert main(["audit", str(tmp_path / "nothing")]) == 2
    assert "There is no" in capsys.readouterr().err
    draw(tmp_path / "one" / "a" / "x.png", 0)
    assert main(["audit", str(tmp_path / "one")]) == 2
    assert main(["audit", str(folder), "--fail-on", "bordr"]) == 2
    assert "Did you mean border" in capsys.readouterr().err


def test_the_package_stays_light_until_it_is_asked():
    with pytest.raises(AttributeError, match="no attribute 'audits'"):
        _ = deepcovid.audits
    source = (ROOT / "deepcovid" / "__init__.py").read_text()
    assert re.findall(r"^(?:import|from) .*", source, re.MULTILINE) == ["import sys"]


PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


def test_the_snippet_of_the_documentation_runs_as_it_is_written(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deepcovid.runs, "RUNS", tmp_path / "runs")
    names = {}
    exec(code, names)
    assert names["found"].status == 3 and "border" in capsys.readouterr().out
