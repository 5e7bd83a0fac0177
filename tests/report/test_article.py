"""The article: its numbers are those of the study's files, and its words fit them."""

import csv
import io
import json
import re
import shlex
import shutil

import pandas as pd
import pytest
import yaml
from conftest import user_error
from pypdf import PdfReader

from deepcovid.__main__ import parse
from deepcovid.metrics import published
from deepcovid.report import site
from deepcovid.runs import ROOT

FOLDER = ROOT / "article"
TEXT = (FOLDER / "article.typ").read_text(encoding="utf-8")
NUMBERS = (FOLDER / "numbers.typ").read_text(encoding="utf-8")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def words(pdf) -> str:
    """The text of a PDF, without breaks of lines."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(pdf).pages).split())


@pytest.fixture(scope="module")
def judged():
    return site.judged(ROOT / "results")


@pytest.fixture
def study(tmp_path, judged, monkeypatch):
    """A copy of what the article is made from."""
    shutil.copytree(FOLDER, tmp_path / "article", ignore=shutil.ignore_patterns("*.pdf"))
    shutil.copytree(
        ROOT / "results", tmp_path / "results", ignore=shutil.ignore_patterns("seed*", "*.jpg")
    )
    read = ("deepcovid/metrics/published.csv", "deepcovid/data/origins.csv", "pyproject.toml")
    for name in read:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(site, "judged", lambda results: judged)
    return tmp_path


def test_the_article_has_six_to_eight_pages_its_fonts_and_its_references(study):
    reader = PdfReader(site.article(root=study))
    assert 6 <= len(reader.pages) <= 8
    text = " ".join(page.extract_text() for page in reader.pages)
    for heading in ("Scope of reproducibility", "What was difficult", "References"):
        assert heading in text
    assert "Scope of reproducibility" in reader.pages[0].extract_text()
    assert "??" not in text


def test_a_number_changed_in_results_changes_the_article(study):
    path = study / "results" / "paper" / "shortcuts.csv"
    table = pd.read_csv(path)
    border = (table.input == "outer 5% of each side") & (table.target == "COVID-19")
    before = f"the border of the picture {table.auc[border].item():.3f}"
    assert before in words(site.article(root=study))
    table.loc[border, "auc"] = 0.1234
    table.to_csv(path, index=False)
    after = words(site.article(root=study))
    assert "the border of the picture 0.123," in after and before not in after


def test_a_number_removed_stops_the_build_with_the_name_of_its_file(study):
    path = study / "results" / "ablation_effects.csv"
    table = pd.read_csv(path)
    table[table.term != "crop"].to_csv(path, index=False)
    with user_error("results/ablation_effects.csv has no row where.*crop"):
        site.article(root=study)
    assert not (study / "article" / "article.pdf").exists()
    path.unlink()
    with user_error("ablation_effects.csv"):
        site.article(root=study)


def test_a_key_and_a_command_removed_stop_the_build_as_well(study):
    path = study / "results" / "paper" / "run.json"
    made = json.loads(path.read_text())
    whole = path.read_text()
    del made["profile"]["epochs"]
    path.write_text(json.dumps(made))
    with user_error("results/paper/run.json has no 'epochs'"):
        site.article(root=study)
    path.write_text(whole)
    readme = study / "results" / "README.md"
    readme.write_text(readme.read_text().replace("| `control/`", "| `others/`"))
    with user_error("results/README.md has no row for 'control/'"):
        site.article(root=study)


def test_no_number_is_typed_in_the_text():
    prose = re.sub(r"^//.*$|^#import.*$", "", TEXT, flags=re.MULTILINE)
    tables = [pd.read_csv(path, dtype=str) for path in (ROOT / "results").rglob("*.csv")
              if path.name != "scores.csv"]  # fmt: skip
    named = "".join((ROOT / file).read_text(encoding="utf-8")
                    for file in ("results/README.md", "deepcovid/data/origins.csv"))  # fmt: skip
    known = {word for table in tables for word in (*table, *table.to_numpy().ravel())}
    prose = re.sub(
        r"COVID-19|ResNet(18|50)|DenseNet121|ChestX-ray8|Xray-5k|[Vv]7 ?[Ll]abs", "", prose
    )
    for text in STRING.findall(
        prose
    ):  # keys of files, which a missing one stops: names, no numbers
        is_name = re.search("[a-z]", text) and (text[1:-1] in known or text[1:-1] in named)
        assert not re.search(r"\d", text) or is_name or text.endswith('.svg"'), text
    prose = STRING.sub("", prose)
    prose = re.sub(r"\b[\d.]+fr\b", "", prose)  # widths of columns
    assert not re.findall(r"\d+", re.sub(r"(19|20)\d\d", "", prose))


def test_no_semicolon_is_lost():
    """Typst takes one behind `#name(...)` for the end of the code, and does not print it."""
    text = STRING.sub("", TEXT)
    while (shorter := re.sub(r"\([^()]*\)", "", text)) != text:
        text = shorter
    assert not re.findall(r"#[\w.-]+;.*", text)


def test_the_commands_of_the_article_are_understood():
    commands = re.findall(r"`\./run_all\.sh ([^`]+)`", TEXT)
    assert len(commands) > 5
    for words in commands:
        assert parse(shlex.split(words)).command == words.split()[0]


def test_no_result_is_typed_where_the_numbers_are_read():
    code = STRING.sub("", re.sub(r"//.*$", "", NUMBERS, flags=re.MULTILINE))
    code = re.sub(r"[a-z]+\d+", "", code)  # names of networks
    assert set(re.findall(r"\d+(?:\.\d+)?", code)) <= {
        "0",
        "1",
        "2",
        "3",
        "4",
        "60",
        "100",
        "0.001",
    }


def test_what_is_stated_has_a_source_and_is_used():
    bibliography = (FOLDER / "references.bib").read_text(encoding="utf-8")
    for row in csv.DictReader(io.StringIO((FOLDER / "stated.csv").read_text(encoding="utf-8"))):
        assert f'stated("{row["name"]}")' in TEXT, row
        key = row["source"].partition(":")[0]
        if re.fullmatch(r"[a-z]+\d{4}", key):
            assert f"{{{key}," in bibliography, row
        elif "/" in key and " " not in key:
            assert (ROOT / key).is_file(), row
    stated = pd.read_csv(FOLDER / "stated.csv").set_index("name").value
    assert stated["margin"] == published.MARGIN
    assert stated["equivalence_level"] == published.LEVEL


def test_the_words_fit_the_numbers(judged):
    """What the article says without a number."""
    found = json.loads(judged)
    aucs = [row for row in found["claims"] if row["claim"] == "auc" and row["ours"]]
    assert all(row["ours"] > row["published"] for row in aucs), "none lower than published"
    verdicts = sorted(row["verdict"] for row in aucs)
    assert verdicts == [*["not equivalent: ours is higher"] * 2, "undecided"]
    for row in found["claims"]:
        assert row["ours"] is None or row["ours"] > row["published"], "also above the paper's"
    assert all(row["verdict"] != "equivalent" for row in found["controls"]), "calls none equivalent"
    points = pd.read_csv(ROOT / "results/paper/operating_points.csv")
    of_paper = published.published().query("images == @published.FINAL").set_index("metric")
    specific = of_paper.loc["specificity_at_98_sensitivity"].set_index("model").value
    points["reached"] = (points.sensitivity >= 0.98) & (
        points.specificity >= points.model.map(specific)
    )
    crossed = points[points.chosen_on == "cross-validated training images"]
    assert set(crossed.model[crossed.reached]) == {"resnet50"}, "those of ResNet50"
    others = crossed[crossed.model != "resnet50"]
    assert crossed.reached[crossed.model == "resnet50"].all(), "with each seed"
    assert (others.specificity > others.model.map(specific)).all(), "more than the published"
    assert (others.sensitivity < 0.98).all(), "less than 98% sensitivity with each seed"
    assert not points.reached[points.chosen_on == "validation images"].any(), "none reaches it"
    metrics = pd.read_csv(ROOT / "results/paper/metrics.csv")
    drawn = pd.read_csv(ROOT / "results/sampled/metrics.csv").groupby("model")
    for column, little in {"auc": 0.001, "cv_sensitivity": 0.03, "sensitivity": 0.03}.items():
        change = (drawn[column].mean() - metrics.groupby("model")[column].mean()).dropna()
        assert len(change) and (abs(change) < little).all(), "sampling changes little"
    assert (metrics.cv_threshold < metrics.threshold).all(), "the cross-validated ones are lower"
    effects = pd.read_csv(ROOT / "results/ablation_effects.csv").query("outcome == 'sensitivity'")
    whole = effects[effects.among == "all"].set_index(["backbone", "term"]).effect
    assert whole["resnet18"].idxmax() == "classes", "in ResNet18 the largest"
    assert whole["squeezenet", "crop"].item() >= whole["squeezenet", "classes"].item()
    sites = pd.read_csv(ROOT / "results/paper/fair_test/sites.csv").query(
        "site == 'radiopaedia.org' and input == 'whole picture' and weights_kind == 'pretrained'"
    )  # fmt: skip
    assert ((sites.case_low < 0.5) & (sites.case_high > 0.5)).all(), "chance lies within each"
    severity = pd.read_csv(ROOT / "results/paper/fair_test/severity.csv").dropna(subset=["gain"])
    assert ((severity.gain_low < 0) & (severity.gain_high > 0)).all(), "zero in each interval"
    external = pd.read_csv(ROOT / "results/paper/external.csv")
    assert external[external.quantity == "specificity"].value.max() < 0.5, "most images"
    claims = pd.read_csv(ROOT / "results/paper/claims.csv").query(
        "group == 'test' and method == 'occlusion 32 px'"
    )
    assert (claims.captured_low > 0.5).all() and (claims.over_lungs_high < 0).all()


def test_metadata_and_citation_agree_and_what_is_open_is_listed():
    metadata = yaml.safe_load((FOLDER / "metadata.yaml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    code = json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))
    names = [author.get("name") or f"{author['given-names']} {author['family-names']}"
             for author in citation["authors"]]  # fmt: skip
    assert [author["name"] for author in metadata["authors"]] == names
    assert [author["name"] for author in code["author"]] == names
    assert code["name"] == citation["title"]
    assert code["description"] == citation["abstract"].strip()
    assert code["version"] == citation["version"]
    assert code["dateModified"] == citation["date-released"]
    assert code["license"].endswith(f"/{citation['license']}")
    assert code["keywords"] == citation["keywords"]
    original = citation["references"][0]
    of = {key: value for entry in metadata["replication"] for key, value in entry.items()}
    assert of["doi"] == original["doi"] == code["referencePublication"]["@id"].partition("org/")[2]
    assert original["title"] in of["cite"]
    listed = (ROOT / "docs" / "submit.md").read_text(encoding="utf-8")
    for key in ("authors", "affiliations", "code", "review"):
        assert f"`{key}`" in listed and key in metadata


def test_each_reference_is_cited_has_an_identifier_and_was_looked_up():
    listed = (ROOT / "docs" / "submit.md").read_text(encoding="utf-8")
    entries = (FOLDER / "references.bib").read_text(encoding="utf-8").split("\n@")[1:]
    for entry in entries:
        key = re.match(r"\w+\{(\w+),", entry)[1]
        assert re.search(rf"@{key}\b", TEXT), f"{key} is not cited"
        assert "doi={10." in entry or "url={https://" in entry, key
        assert f"`{key}`" in listed, f"docs/submit.md does not say whether {key} was found"
