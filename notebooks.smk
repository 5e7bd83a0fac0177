# Executes the notebooks on STUDY, once SHOWN is there, and where ANEW changes. Snakefile and study.smk include it.
from deepcovid.workflow import remade

PARAMETERS = json.dumps({"study": f"runs/{STUDY}", "overrides": overrides})
NOTEBOOKS = [f"notebooks/.{path.stem}.done" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


# A kernel drops the folder that it starts in from where it imports: so it does not start in ROOT.
# The executed notebook is no output: that of a failed job would be deleted, with its error.
rule notebook:
    message: "{wildcards.notebook}"
    input:
        lambda of: imports.files_of(ROOT / "notebooks" / f"{of.notebook}.ipynb"), SHOWN,
        lambda of: remade(workflow.dag, f"notebooks/.{of.notebook}.done", f"notebooks/{of.notebook}.ipynb"),
        ipynb=ROOT / "notebooks" / "{notebook}.ipynb",
    params: ANEW
    output: touch("notebooks/.{notebook}.done")
    log: "notebooks/{notebook}.ipynb"
    shell:
        "DEEPCOVID_MADE=yes {sys.executable:q} -m deepcovid.papermill {input.ipynb:q} {log} -k python3 --cwd {ROOT:q}/notebooks "
        "--no-progress-bar --no-log-output -y {PARAMETERS:q} 2> {log}.txt && rm -f {log}.txt"
