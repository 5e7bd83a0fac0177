"""What was measured, as tables: from results/benchmarks/*.json into docs/performance.md.

python -m benchmarks.table
"""

from pathlib import Path

from benchmarks.measure import RESULTS
from deepcovid import runs

PAGE = runs.ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- measured -->", "<!-- end -->"


def shown(found: dict) -> str:
    """A median, with its range where there is one: `1.2 (1.1 to 1.4)`."""
    low, high = found.get("low"), found.get("high")
    spread = f" ({low:.3g} to {high:.3g})" if low is not None and low != high else ""
    return f"{found['median']:.3g}{spread}"


def per_image(row: dict) -> list[tuple[str, str]]:
    return [(f"{k}, ms an image", shown(v)) for k, v in row["milliseconds_per_image"].items()]


def loop(row: dict) -> list[tuple[str, str]]:
    to = row["extrapolated_to"]
    many = f"{to['epochs']} epochs of {to['trained']:,} images, judged on {to['judged']:,} in each"
    return [
        (
            f"{many}: times faster than the reference loop",
            shown(row["times_faster_than_reference"]),
        ),
        ("the same, in plain passes of the ordinary loop", shown(row["share_of_one_plain_pass"])),
    ]


def features(row: dict) -> list[tuple[str, str]]:
    rates = [(f"{k}, images/s", shown(v)) for k, v in row["images_per_second"].items()]
    return [
        ("feature pass, share of the forward rate", shown(row["share_of_forward_rate"])),
        *rates,
    ]


def heads(row: dict) -> list[tuple[str, str]]:
    apart = f"{row['largest_difference_of_logits']:.1e}"
    faster = shown(row["times_faster"])
    return [("an epoch of the head on kept features, times faster", faster),
            ("largest difference of logits from the uncached loop", apart)]  # fmt: skip


def process(row: dict) -> list[tuple[str, str]]:
    size = f", of which {row['result_mb']:,} the result" if "result_mb" in row else ""
    return [("seconds", f"{row['seconds']:.3g}"), (f"peak memory, MB{size}", f"{row['peak_mb']:,}")]


def waited(row: dict) -> list[tuple[str, str]]:
    return [("seconds", shown(row["seconds"]))]


def noted(row: dict) -> list[tuple[str, str]]:
    found = [(f"all steps, {row['models']}", f"{row['seconds']:.0f} s")]
    for step, took in row["steps"].items():
        of = f"{took['processor_seconds']:.0f} s of processor time, {took['peak_mb']:,} MB"
        found.append((step, f"{took['seconds']:.0f} s, {of}"))
    return found


def occlusion(row: dict) -> list[tuple[str, str]]:
    return [(f"{k}, share of the raw forward rate", shown(v))
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


def refresh(page: Path = PAGE, folder: Path = RESULTS) -> Path:
    """Write the tables between the two marks of the page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return runs.write_text(page, f"{before}{BEGIN}\n{rendered(folder)}\n{END}{after}")


if __name__ == "__main__":
    print(refresh())
