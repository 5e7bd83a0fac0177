# One rule per notebook. `./run_all.sh` calls this with --config profile=NAME overrides='{...}' and
# --directory runs/NAME, so file names below are relative to the run's folder.
import importlib
import json
import os
import shlex
import sys
from pathlib import Path

from deepcovid import imports, profiles
from deepcovid.models import gpus
from deepcovid.profiles import RECIPE
from deepcovid.runs import RESULTS, ROOT, state

overrides = config.get("overrides") or {}
profile = profiles.load(config["profile"], overrides)
models, seeds = ",".join(profile.models), ",".join(map(str, profile.seeds))
jobs = len(profile.models) * len(profile.seeds)
cores = int(config.get("cores", 1))  # of this machine; on a cluster its profile says how many a job has
given = "".join(f"{json.dumps(k)}: {json.dumps(v)}, " for k, v in overrides.items()
                if k not in ("models", "seeds"))
given = shlex.quote(given)

# A kernel drops the folder that it starts in from where it imports: so it does not start in ROOT.
# Where a machine has several GPUs, each job sees one of them.
ONE_GPU = "{sys.executable:q} -m deepcovid.models.gpus " if len(gpus.visible()) > 1 else ""
PAPERMILL = ONE_GPU + ("{sys.executable:q} -m deepcovid.papermill {input.ipynb:q} {log} -k python3 --cwd {ROOT:q}/notebooks --no-progress-bar --no-log-output "
             '-y "{{profile: {profile.name}, overrides: {{"{given}"MODELS, SEEDS}}}}" '
             "2> {log}.txt && rm -f {log}.txt")
EACH = PAPERMILL.replace("MODELS", "models: '{wildcards.model}'").replace(
    "SEEDS", "seeds: '{wildcards.seed}'")
ONCE = PAPERMILL.replace("MODELS", "models: '{models}'").replace("SEEDS", "seeds: '{seeds}'")


def ipynb(name):
    return ROOT / "notebooks" / f"{name}.ipynb"


def code(*modules):
    """The files that a step's code is in: those of the modules it calls, and of what they import."""
    return imports.files(*modules)


def settings(*fields):
    return {field: getattr(profile, field) for field in fields}


def at(what, *places):
    """Stands for files and folders: what changes there reruns, and the run says `what`."""
    return f"{what}: {state(*places)}"


def beside(what, *names):
    """Stands for the files in folders (and tables) of the data folder."""
    return at(what, *(profile.data_folder / name for name in names))


def images():
    """Stands for the images and the tables about them, without the masks that lie beside them."""
    return at("images or their tables", *(path for path in sorted(profile.data_folder.glob("*"))
              if not path.name.endswith("-masks") and path.name != "brixia.csv"))


def lungs():
    """Stands for the lung masks, where pictures are prepared by them."""
    return beside("lung masks", *["lung-masks"] * bool({"lungs", "only_lungs"} & {*profile.preparation}))


def shown(*names):
    """Stands for the committed findings that a notebook shows."""
    return at("results/", *(RESULTS / name for name in names))


def kept(output, *others):
    """`output`, once it is forgotten where one of the others that its step made is gone.

    These are no outputs of Snakemake's: it would delete what a failed job has made of them, as a
    checkpoint that is trained but not yet scored, or a notebook with its error.
    """
    if not all(map(os.path.isfile, others)):
        Path(output).unlink(missing_ok=True)
    return output


# `resources` is what a cluster is asked for: memory in MB and minutes, enough for all 5,520 images.
localrules: pages


PLACES = expand("{model}/seed{seed}", model=profile.models, seed=profile.seeds)
SCORES = [kept(f"{place}/scores.csv", *(f"{place}/{name}" for name in ("checkpoint.pt", "training.json", "history.csv")))
          for place in PLACES]


rule dataset:
    message: "01_dataset: images, splits, manifest"
    input: code("data.manifest", "data.audit", "data.figures", "data.tables"), ipynb=ipynb("01_dataset")
    params:
        settings("data", "external", "validation_fraction"),
        images=images(),
        external=at("external images", profile.external or ""), shown=shown("paper/audit.json"),
    output: "manifest.csv", "audit.json"
    log: "notebooks/01_dataset.ipynb"
    benchmark: "benchmarks/01_dataset.tsv"
    shell: ONCE


rule augmentation:
    message: "02_augmentation: the training positives, augmented"
    input: code("data.augmentation", "data.figures"), "manifest.csv", ipynb=ipynb("02_augmentation")
    params: settings("augment_positives", "preparation"), shown=shown("paper/run.json", "paper/audit.json")
    output: "training.csv"
    log: "notebooks/02_augmentation.ipynb"
    benchmark: "benchmarks/02_augmentation.tsv"
    shell: ONCE


rule training:
    message: "03_training: {wildcards.model}, seed {wildcards.seed}"
    # no figures: a changed plot must not train anew
    input:
        code("models.training", "models.scoring", "models.cross_validation"), "manifest.csv", "training.csv", ipynb=ipynb("03_training")
    params:
        settings("weights", *RECIPE), masks=lungs(), weights=at("weights", profile.weights),
        shown=at("results/", *sorted(RESULTS.glob("paper/*/*/history.csv"))),
    threads: max(1, cores // jobs)
    resources: mem_mb=6000, runtime=120
    output: "{model}/seed{seed}/scores.csv"
    log: "notebooks/03_training-{model}-seed{seed}.ipynb"
    benchmark: "benchmarks/03_training-{model}-seed{seed}.tsv"
    shell: "OMP_NUM_THREADS={threads} " + EACH


rule evaluation:
    message: "04_evaluation: the models beside the paper"
    input:
        code("metrics.run", "metrics.published", "metrics.subgroups", "report.play"), SCORES, "audit.json",
        published=ROOT / "deepcovid" / "metrics" / "published.csv", ipynb=ipynb("04_evaluation"),
    params: settings("threshold", "models", "seeds"), shown=shown("paper", "control", "released", "released_squeezenet")
    output:
        "metrics.csv", "operating_points.csv", expand("{place}/metrics.json", place=PLACES),
        expand("figures/{plot}.svg", plot=("roc", "operating_points", "calibration")),
    log: "notebooks/04_evaluation.ipynb"
    benchmark: "benchmarks/04_evaluation.tsv"
    shell: ONCE


rule heatmaps:
    message: "05_heatmaps: where the model looks, and whether to believe it"
    input:
        code("heatmaps.study", "heatmaps.calibration", "heatmaps.tables", "report.browse"),
        SCORES, ipynb=ipynb("05_heatmaps"),
    params:
        settings("models", "seeds", "weights", "image_size", "preparation", "severity"),
        masks=beside("lung or lesion masks", "lung-masks", "lesion-masks"), shown=shown("paper/heatmaps.json"),
        # a table of severities is also looked for beside and above the images
        severity=at("severities", profile.severity or "", *(folder / "brixia.csv" for folder in
                       (profile.data_folder, profile.data_folder.resolve().parent))),
    priority: 1  # the longest: first, so that nothing waits for them alone
    threads: max(1, cores // 2)
    resources: mem_mb=6000, runtime=120
    output: kept("figures/perturbation.svg", "heatmaps.json")
    log: "notebooks/05_heatmaps.ipynb"
    benchmark: "benchmarks/05_heatmaps.tsv"
    shell: "OMP_NUM_THREADS={threads} " + ONCE


rule failure:
    message: "06_failed_reproduction: why it failed, and what mends it"
    input:
        code("failure.ablation", "failure.effects", "failure.figures", "failure.tables"),
        SCORES, ipynb=ipynb("06_failed_reproduction"),
    params:
        settings("models", "seeds", "weights", "image_size", "batch_size", "learning_rate"),
        shown=shown("failed", "released", "released_squeezenet", "ablation.csv", "auc_search.csv",
                    "drift.csv"),
    resources: mem_mb=12000, runtime=120
    output: touch(kept("failure.done", "notebooks/06_failed_reproduction.ipynb"))
    log: "notebooks/06_failed_reproduction.ipynb"
    benchmark: "benchmarks/06_failed_reproduction.tsv"
    shell: "OMP_NUM_THREADS=1 " + ONCE


rule shortcuts:
    message: "07_shortcuts: what tells the classes apart without the disease"
    input:
        code(*(name for name in imports.modules() if imports.room(name) == "shortcuts")),
        "audit.json", SCORES, ipynb=ipynb("07_shortcuts"),
    params:
        settings("models", "seeds", "weights", "image_size", "external", "preparation", "threshold"),
        masks=beside("lung masks", "lung-masks"), external=at("external images", profile.external or ""),
        shown=shown("paper/shortcuts.csv", "paper/external.json", "robust/mending.csv", "robust/external.json",
                    "shortcut_alarms.csv", "shortcut_levels.csv"),
    threads: max(1, cores // 2)
    resources: mem_mb=6000, runtime=120
    output:
        kept("shortcuts.csv", "notebooks/07_shortcuts.ipynb"), "figures/shortcuts.svg",
        *(["external.json"] if profile.external else []),
    log: "notebooks/07_shortcuts.ipynb"
    benchmark: "benchmarks/07_shortcuts.tsv"
    shell: "OMP_NUM_THREADS={threads} " + ONCE


rule fair_test:
    message: "08_fair_test: the same collection, sites, severity, the right data"
    input:
        code("fair_test.study", "fair_test.figures", "fair_test.tables"), "audit.json", SCORES,
        ipynb=ipynb("08_fair_test"),
    params:
        settings("models", "seeds", "weights", "image_size", "external", "preparation", "threshold",
                 "collection", "severity"),
        collection=at("collection or severities", profile.collection or "", profile.severity or ""),
        external=at("external images", profile.external or ""), masks=lungs(),
        shown=shown("paper"),
    priority: 1  # the longest: first, so that nothing waits for them alone
    threads: max(1, cores // 2)
    resources: mem_mb=6000, runtime=240
    output: touch(kept("fair_test.done", "notebooks/08_fair_test.ipynb", *["fair_test/swap.csv"] * bool(profile.collection)))
    log: "notebooks/08_fair_test.ipynb"
    benchmark: "benchmarks/08_fair_test.tsv"
    shell: "OMP_NUM_THREADS={threads} " + ONCE


rule overview:
    message: "00_overview: the study's findings, from results/"
    input:
        code(*(name for name in imports.modules() if name.endswith((".figures", ".tables")))),
        ipynb=ipynb("00_overview"),
    params: shown=shown("")
    output: touch(kept("overview.done", "notebooks/00_overview.ipynb"))
    log: "notebooks/00_overview.ipynb"
    shell: ONCE


rule pages:
    message: "index.html: the notebooks as pages"
    input:
        code("report.site"), "overview.done", "figures/perturbation.svg", "failure.done", "fair_test.done",
        "shortcuts.csv", "metrics.csv",
    params: settings("external"), shown=shown(""), docs=at("docs/", ROOT / "docs")
    output: "index.html", "run.json"
    # `report` is a word of Snakemake's own
    run: importlib.import_module("deepcovid.report.site").pages(profile)


rule all:
    default_target: True
    # every output by itself: one that is gone is made again only where it is asked for
    input:
        rules.dataset.output, rules.augmentation.output, SCORES, rules.evaluation.output,
        rules.heatmaps.output, rules.failure.output, rules.shortcuts.output, rules.fair_test.output,
        rules.overview.output, rules.pages.output,


# `./run_all.sh ablation`, on its own: notebook 06 shows the committed table
CELLS = "OMP_NUM_THREADS={threads} " + ONE_GPU + ("{sys.executable:q} -m deepcovid.failure {STEP} --profile {profile.name} "
         "--overrides " + shlex.quote(json.dumps(overrides)).replace("{", "{{").replace("}", "}}"))
PARTS = 8  # jobs; cells that another job trains are left to it


rule ablation:
    input: "../ablation/ablation.csv"


rule ablation_images:
    message: "ablation: manifest and training table"
    input: code("data.manifest", "data.augmentation")
    params: settings("data", "augment_positives"), images=images()
    output: "../ablation/manifest.csv", "../ablation/training.csv"
    shell: CELLS.replace("{STEP}", "prepare")


rule ablation_part:
    message: "ablation: part {wildcards.part} of {PARTS}"
    input: code("failure.ablation"), rules.ablation_images.output
    params: settings("models", "seeds", "weights", "image_size", "batch_size", "learning_rate")
    resources: mem_mb=12000, runtime=480
    output: touch("../ablation/part{part}.done")
    shell: CELLS.replace("{STEP}", "train") + " --part {wildcards.part}/{PARTS}"


rule ablation_table:
    message: "ablation: the table"
    input: expand("../ablation/part{part}.done", part=range(1, PARTS + 1))
    output: "../ablation/ablation.csv"
    shell: CELLS.replace("{STEP}", "collect") + " --out {output}"
