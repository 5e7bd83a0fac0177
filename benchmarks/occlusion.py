"""What an occlusion map costs, beside the model's raw forward pass.

    ./run_benchmarks.sh occlusion

The cost is images x windows forward passes.
"""

import torch

from benchmarks.measure import Asked, each_network, ratio, spread, turns
from deepcovid.heatmaps import maps
from deepcovid.models import networks
from deepcovid.models.features import to_device

SIZE, WINDOW, STRIDE, BATCH = 224, 32, 16, 32
WINDOWS = ((SIZE - WINDOW) // STRIDE + 1) ** 2  # of an image


@torch.inference_mode()
def raw(model, inputs) -> None:
    """As many images as there are windows, in batches, through the model."""
    batch = inputs.repeat(BATCH, 1, 1, 1).contiguous(memory_format=torch.channels_last)
    for start in range(0, WINDOWS, BATCH):
        model(batch[: min(BATCH, WINDOWS - start)]).softmax(1)[:, 1].cpu()


def section(asked: Asked) -> None:
    """Occlusion maps against the raw forward pass."""
    each_network(asked, "occlusion", row)


def row(asked: Asked, name: str) -> dict:
    device = networks.device_of("auto")
    model = to_device(networks.build(name)[0].eval().requires_grad_(False), device)
    inputs = torch.randn(1, 3, SIZE, SIZE, device=device)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    calls = {
        "raw forward": lambda: raw(model, inputs),
        "deepcovid": lambda: maps.occlusion(model, inputs, WINDOW, STRIDE, batch_size=BATCH),
    }
    seconds = turns(calls, asked.rounds)
    forward = seconds["raw forward"]
    return {
        "device": str(device), "image_size": SIZE, "window": WINDOW, "stride": STRIDE,
        "batch_size": BATCH, "images": 1, "windows_per_image": WINDOWS, "rounds": asked.rounds,
        "windows_per_second": {k: spread([WINDOWS / s for s in v]) for k, v in seconds.items()},
        "share_of_raw": {k: ratio(forward, v) for k, v in seconds.items()},
    }  # fmt: skip
