"""How time and memory grow: with images through a backbone, and with kept features under a head.

Each row is a process of its own, so that its peak memory is its own.
"""

from benchmarks.measure import Asked, Kept, peak

IMAGES = (500, 1000, 2000, 5520)
ROWS = (10_000, 100_000, 1_000_000)  # of made-up features, as wide as ResNet18's
# what both programs begin and end with
BEGIN = """
import json, sys, time, numpy as np, torch
from benchmarks.measure import memory_mb
from deepcovid.models import features, networks
before, start = memory_mb(), time.perf_counter()
"""
END = """
print(json.dumps({"seconds": round(time.perf_counter() - start, 3), "peak_mb": memory_mb(),
                  "peak_mb_before": before, "result_mb": round(size / 2**20)}))
"""
PASS = (
    BEGIN
    + """
from pathlib import Path
name, count, data = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
paths = sorted(p for k in ("train", "test") for p in (data / k).rglob("*.*"))[:count]
assert len(paths) == count
sha1 = [features.sha1_of(p, p.stat().st_size, p.stat().st_mtime_ns) for p in paths]
backbone = networks.build(name)[0].backbone
found = features.extract(backbone, paths, sha1, range(count), 224, torch.device("cpu"), keep=None)
size = found.nbytes
"""
    + END
)
HEAD = (
    BEGIN
    + """
from deepcovid import profiles
from deepcovid.models import fitting
count = int(sys.argv[1])
generator = torch.Generator().manual_seed(0)
cached = torch.randn(count, 512, generator=generator)
label = torch.arange(count) % 2
size, start = cached.nbytes, time.perf_counter()
profile = profiles.load("paper", {"epochs": 1, "models": "resnet18"})
inputs = fitting.Inputs(label, cached=cached)
fitting.fit(profile, networks.build("resnet18")[0], {"train": inputs, "test": inputs}, 0)
"""
    + END
)


def images(asked: Asked) -> None:
    """The feature pass of 500 to 5,520 images: seconds, and peak memory beside the result's size."""
    kept = Kept(asked, "growth_images")
    found = sum(1 for k in ("train", "test") for p in (asked.data / k).rglob("*.*") if p.is_file())
    if found < IMAGES[0]:
        print(f"growth_images: needs {IMAGES[0]} images, -p data FOLDER")
    for name in asked.models:
        for count in (n for n in IMAGES if n <= found):
            kept.add(
                f"{name}, {count} images", lambda n=name, c=count: peak(PASS, n, c, asked.data)
            )


def rows(asked: Asked) -> None:
    """One epoch of a head on up to 1,000,000 rows of made-up features."""
    kept = Kept(asked, "growth_features")
    for count in ROWS:
        kept.add(f"{count} rows", lambda count=count: peak(HEAD, count))
