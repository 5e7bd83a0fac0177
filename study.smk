# What compares the runs of a study, after `Snakefile` has made each. `./run_all.sh real` calls this
# with --config profile=STUDY overrides='{...}' and --directory runs/STUDY.
import importlib
import json
import sys

from deepcovid import imports, profiles
from deepcovid.runs import RESULTS, ROOT, SOURCES, state

study, overrides = config["profile"], config.get("overrides") or {}
runs = profiles.chosen_runs(study, overrides)
SETTINGS, OWN = json.dumps(overrides), profiles.load(f"{study}/paper", overrides)
RUNS = profiles.shown(runs)  # whichever parts of each were asked for
COMPARED = ["ablation.csv", "ablation_effects.csv", "auc_search.csv", "drift.csv"] if "ablation" in runs else []
if {"paper", "control"} <= {*runs} and "resnet18" in OWN.models:
    COMPARED += ["paper/radiographs.csv", "control/radiographs.csv"]
LOG = " 2>&1 | tee {log} >&2 && rm -f {log}"
GIVEN = " --overrides {SETTINGS:q}"
PYTHON = "TQDM_MININTERVAL=60 OMP_NUM_THREADS={threads} PYTHONPATH={ROOT:q} {sys.executable:q} "


localrules: pages, ablation


rule ablation:
    input: "ablation/{table}.csv"
    output: "{table,ablation|ablation_effects}.csv"
    shell: "cp {input} {output}"


rule measurement:
    message: "{wildcards.name}: a measurement beside the ablation"
    input:
        lambda of: imports.files_of(ROOT / "scripts" / f"{of.name}.py"), "ablation/ablation.csv",
        script=ROOT / "scripts" / "{name}.py",
    params: external=state(OWN.external or "")
    output: "{name,auc_search|drift}.csv"
    resources: mem_mb=12000, runtime=240
    log: "logs/{name}.txt"
    shell: PYTHON + "{input.script:q} --profile {study}/ablation --out {output}" + GIVEN + LOG


rule radiographs:
    message: "{wildcards.run}: maps of the radiographs that may be shown"
    input: imports.files("heatmaps.radiographs"), "{run}/metrics.csv"
    params: shown=state(RESULTS / "radiographs")
    output: "{run}/radiographs.csv"
    log: "logs/radiographs-{run}.txt"
    shell: PYTHON + "-m deepcovid.steps {study}/{wildcards.run} radiographs.csv" + GIVEN + LOG


# a run's file that says the same stands for others that may not: also its time counts
STUDY, SHOWN, ANEW = study, RUNS + COMPARED, state(*RUNS)


include: "notebooks.smk"


rule pages:
    message: "index.html: the notebooks as pages"
    input: imports.files("report.site"), NOTEBOOKS, "paper/run.json"
    params: docs=state(*(ROOT / name for name in SOURCES))
    output: "index.html"
    run: importlib.import_module("deepcovid.report.site").pages(OWN, OWN.folder.parent)


rule all:
    default_target: True
    input: RUNS, COMPARED, NOTEBOOKS, rules.pages.output
