# Steps make files, then notebooks show them. `./run_all.sh` calls this with --config profile=NAME
# overrides='{...}' and --directory runs/NAME, so file names below are relative to the run's folder.
import csv
import importlib
import json
import sys
from pathlib import Path

from deepcovid import imports, profiles, steps
from deepcovid.profiles import RECIPE
from deepcovid.workflow import remade
from deepcovid.runs import ROOT, SOURCES, state

overrides = config.get("overrides") or {}
profile = profiles.load(str(config["profile"]), overrides)
jobs = len(profile.models) * len(profile.seeds)
if (profile.trainable, profile.train_crop, profile.batch_norm) == ("head", "none", "eval"):  # on kept features
    jobs = max(jobs, 2)  # gains little from all cores: half are for other steps
cores = int(config.get("cores", 1))  # of this machine; on a cluster its profile says how many a job has

# What a step says is shown and kept; the log that is left says why its step failed.
LOG = " 2>&1 | tee {log} >&2 && rm -f {log}"
PYTHON = "TQDM_MININTERVAL=60 OMP_NUM_THREADS={threads} {sys.executable:q} "
# Named, not written out: else other settings would be another code of every step.
SETTINGS = json.dumps(overrides)
GIVEN = " --overrides {SETTINGS:q}"
STEP = PYTHON + "-m deepcovid.steps {profile.name} {output[0]}" + GIVEN


def code(*names):
    """The files that the code of steps is in that make the named files, or of modules, and of what these import."""
    made_by = (step for name in names for step in steps.maker(name) or [name])
    return imports.files(*(step.partition(":")[0] for step in made_by))


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
              if not path.name.endswith("-masks") and path.name != "brixia.csv" and path.name[0] != "."))


def lungs():
    """Stands for the lung masks, where pictures are prepared by them."""
    return beside("lung masks", *["lung-masks"] * bool({"crop_lungs", "mask_lungs"} & {*profile.preprocessing}))


def first_weights():
    """Stands for the weights that a network begins with."""
    return at("weights", profile.weights)


def copies():
    """The augmented images that the run's own training.csv names."""
    if not Path("training.csv").is_file():
        return []
    with open("training.csv", encoding="utf-8", newline="") as table:
        return [row["image"] for row in csv.DictReader(table) if row["image"].startswith("augmented/")]


# `resources` is what a cluster is asked for: memory in MB and minutes, enough for all 5,520 images.
localrules: pages, record


PLACES = expand("{model}/seed{seed}", model=profile.models, seed=profile.seeds)
SCORES = expand("{place}/scores.csv", place=PLACES)


rule dataset:
    message: "images, splits, manifest"
    input: code("manifest.csv")
    params: settings("data", "validation_fraction"), images=images()
    output: "manifest.csv"
    log: "logs/dataset.txt"
    shell: STEP + LOG


rule audit:
    message: "what is wrong with the dataset"
    input: code("audit.json"), "manifest.csv"
    params: settings("data"), images=images(), external=at("external images", profile.external or "")
    output: "audit.json"
    log: "logs/audit.txt"
    shell: STEP + LOG


rule augmentation:
    message: "the training positives, augmented"
    input: code("training.csv"), "manifest.csv", lambda _: remade(workflow.dag, "training.csv", *copies())
    params: settings("augment_positives", "preprocessing"), masks=lungs()
    output: "training.csv", "splits.csv", "leaks.csv"
    log: "logs/augmentation.txt"
    shell: STEP + LOG


rule training:
    message: "{wildcards.model}, seed {wildcards.seed}: trained and scored"
    input:
        code("*/seed*/scores.csv"), "manifest.csv", "training.csv",
        lambda of: remade(workflow.dag, *(f"{of.model}/seed{of.seed}/{name}" for name in
                          ("scores.csv", "checkpoint.pt", "training.json", "history.csv", "seen.csv"))),
    params: settings("weights", *RECIPE), masks=lungs(), weights=first_weights()
    priority: 2  # most others wait for it
    threads: max(1, cores // jobs)
    resources: mem_mb=6000, runtime=120
    output: "{model}/seed{seed}/scores.csv"
    log: "logs/training-{model}-seed{seed}.txt"
    shell: STEP + " --only {wildcards.model} {wildcards.seed}" + LOG


rule evaluation:
    message: "AUC, sensitivity, specificity"
    input: code("metrics.csv", "data.audit"), SCORES, "audit.json"
    params: settings("threshold", "models", "seeds")
    output: "metrics.csv", "operating_points.csv", "subgroups.csv"
    log: "logs/evaluation.txt"
    shell: STEP + LOG


rule heatmaps:
    message: "heatmaps beside lesions and lungs"
    input: code("heatmaps.json"), SCORES
    params:
        settings("models", "seeds", "weights", "image_size", "preprocessing", "severity", "map_images"),
        masks=beside("lung or lesion masks", "lung-masks", "lesion-masks"),
        # a table of severities is also looked for beside and above the images
        severity=at("severities", profile.severity or "", *(folder / "brixia.csv" for folder in
                       (profile.data_folder, profile.data_folder.resolve().parent))),
    priority: 1  # the longest first, so that nothing waits for them alone
    threads: max(1, cores // 2)
    resources: mem_mb=6000, runtime=120
    output: "heatmaps.json", "maps.csv", "claims.csv", "zones.csv", "curves.csv", "map_calibration.csv"
    log: "logs/heatmaps.txt"
    shell: STEP + LOG


rule failure:
    message: "the failed recipe on these images, and single changes of it"
    input: code("failure.csv"), "manifest.csv", "training.csv"
    params: settings("models", "seeds", "weights", "image_size", "batch_size", "learning_rate", "precision"), weights=first_weights()
    resources: mem_mb=12000, runtime=120
    output: "failure.csv"
    log: "logs/failure.txt"
    shell: STEP + LOG


rule shortcuts:
    message: "what classifies without the disease"
    input: code("shortcuts.csv"), "manifest.csv"
    params:
        settings("models", "seeds", "weights", "image_size", "ablation_negatives"),
        masks=beside("lung masks", "lung-masks"), weights=first_weights(),
    threads: max(1, cores // 2)
    resources: mem_mb=6000, runtime=120
    output: "shortcuts.csv"
    log: "logs/shortcuts.txt"
    shell: STEP + LOG


rule external:
    message: "a hospital that nobody trained on"
    input: code("external.json"), SCORES
    params:
        settings("models", "seeds", "weights", "image_size", "preprocessing", "threshold"),
        external=at("external images", profile.external or ""), masks=beside("lung masks", "lung-masks"),
    resources: mem_mb=6000, runtime=60
    output: "external.json", "external.csv"
    log: "logs/external.txt"
    shell: STEP + LOG


rule mitigation:
    message: "what each step of preprocessing gains"
    input: code("mitigation.csv"), "manifest.csv", "training.csv"
    params:
        settings("models", "seeds", "weights", "image_size", "preprocessing"),
        external=at("external images", profile.external or ""), masks=beside("lung masks", "lung-masks"),
        weights=first_weights(),
    threads: max(1, cores // 2)
    resources: mem_mb=6000, runtime=240
    output: "mitigation.csv"
    log: "logs/mitigation.txt"
    shell: STEP + LOG


rule fair_test:
    message: "the same collection, sites, severity, the right data"
    input: code("fair_test/swap.csv"), SCORES
    params:
        settings("models", "seeds", "weights", "image_size", "preprocessing", "threshold"),
        collection=at("collection or severities", profile.collection or "", profile.severity or ""),
        external=at("external images", profile.external or ""), masks=beside("lung masks", "lung-masks"),
    priority: 1
    threads: max(1, cores // 2)
    resources: mem_mb=6000, runtime=240
    output: "fair_test/swap.csv"
    log: "logs/fair_test.txt"
    shell: STEP + LOG


# for the profile `fair`: a folder of images, of which a table stands for all
rule fair_data:
    message: "a data folder whose source does not give the class away"
    input: code("fair_data/patients.csv"), "manifest.csv"
    params:
        collection=at("collection", profile.collection or ""), images=images(),
        masks=beside("lung or lesion masks", "lung-masks", "lesion-masks"),
    output: "fair_data/patients.csv"
    log: "logs/fair_data.txt"
    shell: STEP + LOG


# every output by itself: one that is gone is made again only where it is asked for, and none stands for others
RESULTS = ["manifest.csv", "audit.json", *rules.augmentation.output, *SCORES, *rules.evaluation.output,
           *rules.heatmaps.output, "failure.csv", "shortcuts.csv"]
RESULTS += [*rules.external.output] * bool(profile.external) + ["fair_test/swap.csv"] * bool(profile.collection)
RESULTS += ["mitigation.csv"] * bool(profile.external and profile.preprocessing != ("none",))
STUDY, SHOWN, ANEW = profile.name, RESULTS, ""


include: "notebooks.smk"


rule record:
    message: "what the numbers depend on, and the model cards"
    input: code("report.provenance"), RESULTS
    output: "run.json"
    # `report` is a word of Snakemake's own
    run: importlib.import_module("deepcovid.report.provenance").record(profile)


rule results:
    input: RESULTS, rules.record.output


rule pages:
    message: "index.html: the notebooks as pages"
    input: code("report.site"), NOTEBOOKS, "run.json"
    params: settings("external"), docs=at("documents", *(ROOT / name for name in SOURCES))
    output: "index.html"
    run: importlib.import_module("deepcovid.report.site").pages(profile)


rule all:
    default_target: True
    input: rules.results.input, NOTEBOOKS, rules.pages.output


# for `./run_all.sh ablation`, and the run `ablation` of a study: the other recipes have none
rule ablation_cells:
    message: "ablation: {wildcards.model}, seed {wildcards.seed}"
    input: code("ablation.csv"), "manifest.csv", "training.csv"
    params: settings("weights", "image_size", "batch_size", "learning_rate", "precision"), weights=first_weights()
    resources: mem_mb=12000, runtime=480
    output: touch("{model}/seed{seed}/cells.done")
    log: "logs/ablation-{model}-seed{seed}.txt"
    shell: STEP + " --only {wildcards.model} {wildcards.seed}" + LOG


# with the first epoch of further seeds, which is quick
rule ablation_table:
    message: "ablation: the table"
    input: expand("{place}/cells.done", place=PLACES)
    resources: mem_mb=12000, runtime=480
    output: "ablation.csv", "ablation_effects.csv"
    log: "logs/ablation-table.txt"
    shell: STEP + LOG
