"""What an occlusion map costs, beside the model's raw forward pass and Captum's own call.

    ./run_benchmarks.sh occlusion

The cost is images x windows forward passes.
"""

import torch
from captum.attr import Occlusion

from benchmarks.measure import Asked, each_network, ratio, spread, turns
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


def section(asked: Asked) -> None:
    """Occlusion maps against the raw forward pass, and against Captum's own call."""
    each_network(asked, "occlusion", row)


def row(asked: Asked, name: str) -> dict:
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
    seconds = turns(calls, asked.rounds)
    forward = seconds["raw forward"]
    return {
        "device": str(device), "image_size": SIZE, "window": WINDOW, "stride": STRIDE,
        "batch_size": BATCH, "images": 1, "windows_per_image": WINDOWS, "rounds": asked.rounds,
        "windows_per_second": {k: spread([WINDOWS / s for s in v]) for k, v in seconds.items()},
        "share_of_raw": {k: ratio(forward, v) for k, v in seconds.items()},
    }  # fmt: skip
