"""The package stands alone: it imports nothing of the study, and little until it is needed."""

import ast
import subprocess
import sys
import tomllib
from fnmatch import fnmatch

from deepcovid.runs import ROOT

PACKAGE = ROOT / "imageaudit"
STANDARD = {*sys.stdlib_module_names, "imageaudit"}
MODULES = {"jinja2": "jinja2", "numpy": "numpy", "pandas": "pandas", "PIL": "pillow",
           "pydicom": "pydicom", "scipy": "scipy", "tqdm": "tqdm"}  # fmt: skip


def imported() -> set[str]:
    names = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.partition(".")[0])
    return names - STANDARD


def test_it_imports_what_its_own_pyproject_names_and_nothing_of_the_study():
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {word.partition(">")[0] for word in project["dependencies"]}
    assert {MODULES[name] for name in imported()} == named - {"python-gdcm"}  # pydicom's decoder


def test_every_file_beside_its_code_is_installed():
    own = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = own["tool"]["hatch"]["build"]["include"]
    beside = [path.name for path in PACKAGE.iterdir() if path.suffix in (".csv", ".html", ".jinja")]
    assert len(beside) >= 6
    for name in beside:
        assert any(fnmatch(f"/{name}", pattern) for pattern in patterns), name
        assert any(
            fnmatch(name, kind) for kind in whole["tool"]["setuptools"]["package-data"]["*"]
        ), name


def test_a_folder_that_is_refused_loads_nothing_heavy(tmp_path):
    code = (
        "import sys; from imageaudit.cli import main; status = main([sys.argv[1]]);"
        "print(status, {'scipy', 'pydicom', 'jinja2', 'torch', 'sklearn'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True,
                          text=True, cwd=ROOT)  # fmt: skip
    assert done.stdout == "2 set()\n" and "two are needed" in done.stderr
