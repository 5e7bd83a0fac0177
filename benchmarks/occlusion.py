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

SIZE, WINDOW, STRIDE, BATCH = 224, 32, 16, 32
WINDOWS = len(maps.starts(SIZE, WINDOW, STRIDE)) ** 2  # of an image


@torch.inference_mode()
def raw(model, inputs) -> None:
    """As many images as there are windows, in batches, through the model."""
    batch = inputs.repeat(BATCH, 1, 1, 1).contiguous(memory_format=torch.channels_last)
    for start in range(0, WINDOWS, BATCH):
        model(batch[: min(BATCH, WINDOWS - start)]).softmax(1)[:, 1].cpu()


@torch.no_grad()
def captums(model, inputs, per_call: int) -> None:
    method = Occlusion(lambda x: model(x).softmax(1)[:, 1])
    paint = maps.grey(maps.FILL).to(inputs.device).expand_as(inputs)
    sides = (3, WINDOW, WINDOW), (3, STRIDE, STRIDE)
    method.attribute(inputs, *sides, baselines=paint, perturbations_per_eval=per_call)


def measure(calls: dict, rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, a number a round; one round more, to warm up, does not count."""
    seconds = {call: [] for call in calls}
    for _ in range(rounds + 1):
        for call, function in calls.items():
            start = time.perf_counter()
            function()
            seconds[call].append(time.perf_counter() - start)
    return {call: took[1:] for call, took in seconds.items()}


def main(name: str = "squeezenet", rounds: int = 5) -> None:
    device = networks.device_of("auto")
    model = to_device(networks.build(name)[0].eval().requires_grad_(False), device)
    inputs = torch.randn(1, 3, SIZE, SIZE, device=device)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    calls = {
        "raw forward": lambda: raw(model, inputs),
        "deepcovid": lambda: maps.occlusion(model, inputs, WINDOW, STRIDE, batch_size=BATCH),
        "captum, default": lambda: captums(model, inputs, 1),
        "captum, perturbations_per_eval": lambda: captums(model, inputs, BATCH),
    }
    seconds = measure(calls, rounds)
    result = {
        "model": name,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "malloc_tuned": "GLIBC_TUNABLES" in os.environ,
        "image_size": SIZE,
        "window": WINDOW,
        "stride": STRIDE,
        "batch_size": BATCH,
        "images": 1,
        "windows_per_image": WINDOWS,
        "rounds": rounds,
        "calls": {
            call: {
                "windows_per_second": round(WINDOWS / statistics.median(took), 1),
                "share_of_raw": round(
                    statistics.median(
                        a / b for a, b in zip(seconds["raw forward"], took, strict=True)
                    ),
                    3,
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
