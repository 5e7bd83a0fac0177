"""What an occlusion map costs, beside the model's raw forward pass and Captum's own call.

    python benchmarks/occlusion.py [MODEL] [ROUNDS]

The cost is images x windows forward passes. All calls are measured in turns, in one process, since
machines are noisy; a ratio is of calls of the same round. Writes results/benchmarks/occlusion.json.
"""

import os
import statistics
import sys
import time

import torch
from captum.attr import Occlusion

from deepcovid import runs
from deepcovid.heatmaps import maps
from deepcovid.models import networks
from deepcovid.models.features import to_device

SIZE, WINDOW, STRIDE, BATCH, IMAGES = 224, 32, 16, 32, 1


@torch.inference_mode()
def raw(model, inputs, windows: int) -> None:
    """As many images as there are windows, in batches, through the model."""
    batch = inputs[:1].repeat(BATCH, 1, 1, 1).contiguous(memory_format=torch.channels_last)
    for start in range(0, windows, BATCH):
        model(batch[: min(BATCH, windows - start)]).softmax(1)[:, 1].cpu()


def main(name: str = "squeezenet", rounds: int = 5) -> None:
    device = networks.device_of("auto")
    model = to_device(networks.build(name)[0].eval().requires_grad_(False), device)
    inputs = torch.randn(IMAGES, 3, SIZE, SIZE, device=device)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    windows = len(maps.starts(SIZE, WINDOW, STRIDE)) ** 2
    paint = maps.grey(maps.FILL).to(device).expand(3, SIZE, SIZE)[None]
    captum = Occlusion(lambda x: model(x).softmax(1)[:, 1])

    def captums(per_call):
        with torch.no_grad():
            captum.attribute(
                inputs,
                (3, WINDOW, WINDOW),
                (3, STRIDE, STRIDE),
                baselines=paint,
                perturbations_per_eval=per_call,
            )

    calls = {
        "raw forward": lambda: raw(model, inputs, IMAGES * windows),
        "deepcovid": lambda: maps.occlusion(model, inputs, WINDOW, STRIDE, batch_size=BATCH),
        "captum, default": lambda: captums(1),
        "captum, perturbations_per_eval": lambda: captums(BATCH),
    }
    seconds = {call: [] for call in calls}
    for call in calls.values():
        call()  # to warm up
    for _ in range(rounds):
        for call, function in calls.items():
            start = time.perf_counter()
            function()
            seconds[call].append(time.perf_counter() - start)
    total, first = IMAGES * windows, seconds["raw forward"]
    result = {
        "model": name,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "malloc_tuned": "GLIBC_TUNABLES" in os.environ,
        "image_size": SIZE,
        "window": WINDOW,
        "stride": STRIDE,
        "batch_size": BATCH,
        "images": IMAGES,
        "windows_per_image": windows,
        "rounds": rounds,
        "calls": {
            call: {
                "windows_per_second": round(total / statistics.median(took), 1),
                "share_of_raw": round(
                    statistics.median(a / b for a, b in zip(first, took, strict=True)), 3
                ),
            }
            for call, took in seconds.items()
        },
        "torch": torch.__version__,
    }
    runs.write_json(runs.RESULTS / "benchmarks" / "occlusion.json", result)
    for call, row in result["calls"].items():
        print(f"{call:32} {row['windows_per_second']:8.1f} /s  {row['share_of_raw']:.0%} of raw")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
