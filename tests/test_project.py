"""The conventions that hold the project together."""

import ast
import re
import shlex
import subprocess
import tomllib

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

import deepcovid
from deepcovid import imports, profiles
from deepcovid.__main__ import parse
from deepcovid.runs import ROOT
from imageaudit import images

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BESIDE = ("io", "runs", "profiles", "plots", "imports", "papermill")
ORDER = (  # each imports only those before it; those in one row know nothing of each other
    ("imageaudit",), BESIDE, ("metrics",), ("data",), ("models",),
    ("heatmaps", "failure", "shortcuts"), ("fair_test",), ("steps",), ("study",), ("report",),
    ("workflow",), ("__main__",),
)  # fmt: skip
RANK = {wing: rank for rank, row in enumerate(ORDER) for wing in row}


def wing_of(module: str) -> str:
    """The wing that a module stands in, or the module itself where it stands beside the wings."""
    return module.removeprefix("deepcovid.").partition(".")[0]


def ours(module: str) -> set[str]:
    """The modules of both packages that one imports itself."""
    return imports.imported(module) & imports.modules().keys()


@pytest.mark.parametrize("module", imports.modules())
def test_data_flows_one_way(module):
    """A wing imports only wings before it; within a wing no two modules need each other."""
    here = wing_of(module)
    for name in ours(module):
        there = wing_of(name)
        assert RANK[there] < RANK[here] or there == here or here in BESIDE, f"{module}: {name}"
        assert module not in imports.needed(name), f"{module} and {name} need each other"


@pytest.mark.parametrize(
    "module",
    [m for m in imports.modules() if wing_of(m) == "metrics" or m.endswith(("figures", "tables"))],
)
def test_metrics_figures_and_tables_need_no_torch(module):
    for name in imports.needed(module):
        heavy = {n.partition(".")[0] for n in imports.imported(name)} & {"torch", "torchvision"}
        assert not heavy, f"{module} needs {name}, which loads {heavy}"


def test_what_computes_knows_neither_figures_nor_tables():
    for module in imports.modules():
        shown = {name for name in ours(module) if name.endswith((".figures", ".tables"))}
        shown -= {name for name in shown if name.startswith("imageaudit.")}
        if wing_of(module) not in ("report", "__main__", "imports") and shown:
            assert module.endswith((".figures", ".tables")), f"{module} imports {shown}"


@pytest.mark.parametrize("module", imports.modules())
def test_a_module_is_one_idea_that_fits_in_the_head(module):
    text = imports.modules()[module].read_text()
    assert text.count("\n") < 350
    assert ast.get_docstring(ast.parse(text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{module}.{node.name} fits on no screen"


def test_a_step_depends_on_data_and_templates_that_its_modules_read():
    """A change of any file of the packages runs again what reads it."""
    paths = {p for wing in ("deepcovid", "imageaudit") for p in (ROOT / wing).rglob("*.*")}
    data = {p for p in paths if not p.suffix.startswith(".py") and p.name != "README.md"}
    data -= {ROOT / "imageaudit" / "pyproject.toml"}
    assert len(data) > 10 and data == data & {*imports.files(*imports.modules())}


def test_a_notebook_depends_on_all_modules_that_it_calls(tmp_path):
    calls = {
        "01_dataset": ("data/examples.py", "data/stated.csv", "study.py"),
        "05_heatmaps": ("heatmaps/radiographs.py", "heatmaps/maps.py", "report/key_numbers.yaml"),
    }
    for name, wanted in calls.items():
        found = imports.files_of(ROOT / "notebooks" / f"{name}.ipynb")
        assert {ROOT / "deepcovid" / file for file in wanted} <= {*found}, name
    cells = ["%matplotlib inline\nfrom deepcovid.failure import design", "%%bash\nls notebooks"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(book, tmp_path / "a.ipynb")
    assert imports.files_of(tmp_path / "a.ipynb") == imports.files("failure.design")


def test_conda_users_get_what_pip_users_get():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in environment if isinstance(entry, dict))
    ours = {str(Requirement(d)) for d in project["dependencies"]}
    assert {str(Requirement(d)) for d in pip if not d.startswith("-")} == ours
    assert f"python{project['requires-python']}" in environment


def test_the_pins_satisfy_the_requirements_and_carry_hashes_but_no_address():
    text = (ROOT / "requirements.txt").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in map(Requirement, project["dependencies"]):
        assert requirement.specifier.contains(pins[requirement.name], prereleases=True)
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text


def source(path):
    return nbformat.read(path, as_version=4).cells


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_committed_with_their_outputs(path):
    code = [c for c in source(path) if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    outputs = [o for c in code for o in c.outputs]
    assert not any(o.output_type == "error" for o in outputs)
    assert path.stat().st_size < 1_000_000
    text = path.read_text()
    assert str(ROOT) not in text and "/home/" not in text


DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "results" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_commands_are_ones_that_the_program_takes(path):
    for words in re.findall(r"\./run_all\.sh ([^`#\n]+)", path.read_text()):
        words = shlex.split(words.replace("...", ""))
        if words[:1] in (["PROFILE"], ["NAME"]):
            words[0] = "paper"
        if words and "--help" not in words:
            given = parse(words)  # a UserError where it does not
            assert {name for name, _ in given.overrides} <= {*profiles.SETTINGS, "NAME"}, words


def test_each_published_result_says_how_it_was_made():
    told = (ROOT / "results" / "README.md").read_text()
    for path in (ROOT / "results").iterdir():
        name = f"{path.name}/" if path.is_dir() else path.name
        assert f"`{name}`" in told or name == "README.md", name


def test_the_version_is_one():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert deepcovid.__version__ == version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version


HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]


def test_a_hook_keeps_out_all_that_git_ignores_as_radiographs_and_weights():
    hook = next(hook for hook in HOOKS if hook["id"] == "radiographs")
    suffixes = [*images.SUFFIXES, ".pt", ".pth", ".npy", ".zip", ".tar.gz", ".safetensors"]
    for suffix in suffixes:
        assert re.search(hook["files"], f"notebooks/x{suffix}")
        assert re.search(hook["files"], f"X{suffix.upper()}")
    for kept in ("results/figures/roc.svg", "notebooks/00_overview.ipynb", "a.py", "png"):
        assert not re.search(hook["files"], kept)


def test_a_hook_refuses_files_over_1_mb(tmp_path):
    hook = next(hook for hook in HOOKS if hook["id"] == "size")
    (tmp_path / "small file").write_bytes(bytes(1_000_000))
    (tmp_path / "large").write_bytes(bytes(1_000_001))
    command = shlex.split(hook["entry"])
    assert subprocess.run([*command, tmp_path / "small file"]).returncode == 0
    told = subprocess.run([*command, *tmp_path.iterdir()], capture_output=True, text=True)
    assert told.returncode == 1 and "large" in told.stdout and "small" not in told.stdout
