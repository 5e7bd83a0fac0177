"""What was measured, as tables: from results/benchmarks/*.json into docs/performance.md.

python -m benchmarks.table
"""

from pathlib import Path

from benchmarks import goals
from benchmarks.measure import RESULTS
from deepcovid import runs

PAGE = runs.ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- measured -->", "<!-- end -->"
GOALS, GOALS_END = "<!-- goals -->", "<!-- end of goals -->"


def with_range(found: dict) -> str:
    """A median, with its range where there is one: `1.2 (1.1 to 1.4)`."""
    low, high = found.get("low"), found.get("high")
    ends = f" ({low:.3g} to {high:.3g})" if low is not None and low != high else ""
    return f"{found['median']:.3g}{ends}"


def loop(row: dict) -> list[tuple[str, str]]:
    to = row["extrapolated_to"]
    many = f"{to['epochs']} epochs of {to['trained']:,} images, judged on {to['judged']:,} in each"
    return [
        (
            f"{many}: times faster than the reference loop",
            with_range(row["times_faster_than_reference"]),
        ),
        (
            "the same, in plain passes of the ordinary loop",
            with_range(row["share_of_one_plain_pass"]),
        ),
    ]


def features(row: dict) -> list[tuple[str, str]]:
    rates = [(f"{k}, images/s", with_range(v)) for k, v in row["images_per_second"].items()]
    return [
        (
            "feature pass, share of the forward rate",
            with_range(row["share_of_forward_rate"]),
        ),
        *rates,
    ]


def heads(row: dict) -> list[tuple[str, str]]:
    apart = f"{row['largest_difference_of_logits']:.1e}"
    faster = with_range(row["times_faster"])
    return [("an epoch of the head on kept features, times faster", faster),
            ("largest difference of logits from the uncached loop", apart)]  # fmt: skip


def process(row: dict) -> list[tuple[str, str]]:
    size = f", of which {row['result_mb']:,} the result" if "result_mb" in row else ""
    return [("seconds", f"{row['seconds']:.3g}"), (f"peak memory, MB{size}", f"{row['peak_mb']:,}")]


def waited(row: dict) -> list[tuple[str, str]]:
    return [("seconds", with_range(row["seconds"]))]


def noted(row: dict) -> list[tuple[str, str]]:
    found = [(f"all steps, {row['models']}", f"{row['seconds']:.0f} s")]
    for step, took in row["steps"].items():
        of = f"{took['processor_seconds']:.0f} s of processor time, {took['peak_mb']:,} MB"
        found.append((step, f"{took['seconds']:.0f} s, {of}"))
    found += [(f"notebook {name}", f"{took:.0f} s") for name, took in row.get("shown", {}).items()]
    return found


def used(row: dict) -> list[tuple[str, str]]:
    return [
        ("seconds, and of processor time", f"{row['seconds']:.0f}, {row['processor_seconds']:.0f}")
    ]


def engines(row: dict) -> list[tuple[str, str]]:
    """Each engine beside torch: processor time, which other work changes least, and the difference."""
    found = [("images/s of processor time, torch", with_range(row["images_per_processor_second"]["torch, as here"]))]  # fmt: skip
    for name, faster in row["times_less_processor_time"].items():
        apart = f"largest difference {row['largest_difference'][name]:.1e} of {row['largest_value']:.3g}"
        found.append((f"{name}, times less processor time", f"{with_range(faster)}; {apart}"))
        found.append((f"{name}, times faster by the clock", with_range(row["times_faster"][name])))
    return found


def gpu(row: dict) -> list[tuple[str, str]]:
    """A part that ran on a card: how it ended, and what it gave."""
    found = [(f"seconds, {row['ended']}", f"{row['seconds']:.3g}")]
    if "images_per_second" in row:
        found.append(("images/s", f"{row['images_per_second']:,}"))
    if "auc" in row:
        n = f"{row['test_covid']} COVID-19, {row['test_non']:,} Non-COVID test images"
        found.append((f"AUC after {row['epochs']} epochs, {row['weights']} weights", f"{row['auc']:.4f} ({n})"))  # fmt: skip
    return found


def occlusion(row: dict) -> list[tuple[str, str]]:
    return [(f"{k}, share of the raw forward rate", with_range(v))
            for k, v in row["share_of_raw"].items() if k != "raw forward"]  # fmt: skip


SECTIONS = {
    "loop": ("A training, beside the ordinary loop (extrapolated from a sample)", loop),
    "features": ("The feature pass", features),
    "heads": ("Heads", heads),
    "scores": ("From images to scores", process),
    "start": ("Start-up, and nothing to do", waited),
    "notebooks": ("Whole runs, and each step", noted),
    "growth_images": ("More images", process),
    "growth_features": ("More kept features", process),
    "occlusion": ("Occlusion maps", occlusion),
    "audit": ("The audit", process),
    "reruns": ("Each committed notebook again, reading `results/`", used),
    "commands": ("Commands from nothing, in a clean clone", used),
    "onnx": ("Frozen forward passes in other engines", engines),
    "gpu": ("On a graphics card", gpu),
}


def of(row: dict) -> str:
    """On what a row was measured: the sample, its repeats, threads, and the load beside it."""
    words = [f"{row[key]} {key}" for key in ("images", "rounds") if key in row]
    vectors = row["machine"].get("vectors", "")
    words.append(f"{row['machine']['threads']} threads {vectors}".strip())
    if load := row.get("load_average"):
        words.append(f"load {load[0]} to {load[1]}")
    return ", ".join(words)


def rendered(folder: Path = RESULTS) -> str:
    """All sections that were measured, as Markdown; those that were not, said so."""
    lines, absent = [], []
    for name, (title, cells) in SECTIONS.items():
        path = folder / f"{name}.json"
        if not path.is_file():
            absent.append(title)
            continue
        lines += [f"### {title}\n", "| of | what | measured | on |", "|---|---|---|---|"]
        for key, row in runs.read_json(path)["rows"].items():
            found = cells(row)
            lines += [f"| {key} | {what} | {value} | {of(row)} |" for what, value in found]
        lines.append("")
    if absent:
        lines.append(f"Not measured yet: {'; '.join(absent)}.")
    return "\n".join(lines).strip()


def between(text: str, begin: str, end: str, new: str) -> str:
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{new}\n{end}{rest.partition(end)[2]}"


def refresh(page: Path = PAGE, folder: Path = RESULTS) -> Path:
    """Write the tables between the marks of the page: what was measured, and the goals beside it."""
    text = between(page.read_text(encoding="utf-8"), BEGIN, END, rendered(folder))
    return runs.write_text(page, between(text, GOALS, GOALS_END, goals.rendered(folder)))


if __name__ == "__main__":
    print(refresh())
