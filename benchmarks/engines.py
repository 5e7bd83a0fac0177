"""Frozen forward passes in ONNX Runtime and OpenVINO against torch as the study uses it.

In an environment of its own beside the project's, with their folders on PYTHONPATH:
`pip install --no-deps --target ENGINES onnx onnxruntime openvino openvino-telemetry ml_dtypes protobuf flatbuffers`,
then `PYTHONPATH=.:ENGINES python -m benchmarks.engines --weights FOLDER`. No part of a run needs them.
"""

import argparse
import io
import os
import time
import warnings
from pathlib import Path

import torch

from benchmarks.measure import RESULTS, Asked, Kept, ratio, spread
from deepcovid import profiles
from deepcovid.models import features, networks

SIZE, BATCH, ROUNDS = 224, 8, 5


def engines(backbone: torch.nn.Module, x: torch.Tensor, threads: int) -> dict:
    """A call for each engine that gives the features of `x`, float32."""
    import onnxruntime
    import openvino

    written, one = io.BytesIO(), {0: "n"}
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            backbone, (x[:1],), written, input_names=["x"], output_names=["y"], dynamo=False,
            dynamic_axes={"x": one, "y": one}, opset_version=17,
        )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # threads that wait take no core from the others that are measured
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(written.getvalue(), options, ["CPUExecutionProvider"])
    core = openvino.Core()
    how = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
    request = core.compile_model(core.read_model(written.getvalue()), "CPU", how)
    request = request.create_infer_request()
    folded = features.to_device(networks.fuse_batch_norm(backbone), torch.device("cpu"))
    last, plain = x.to(memory_format=torch.channels_last), x.numpy()
    return {
        "torch, as here": lambda: folded(last),
        "ONNX Runtime": lambda: torch.from_numpy(session.run(None, {"x": plain})[0]),
        "OpenVINO": lambda: torch.from_numpy(request.infer({"x": plain})[0]),
    }


@torch.inference_mode()
def row(name: str, given: str, threads: int) -> dict:
    torch.set_num_threads(threads)
    model, origin = networks.build(name, given)
    x = torch.randn(BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    calls = engines(model.backbone.eval().requires_grad_(False), x, threads)
    found = {engine: call() for engine, call in calls.items()}
    ours = found["torch, as here"]
    wall, processor = {e: [] for e in calls}, {e: [] for e in calls}
    for _ in range(ROUNDS):
        for engine, call in calls.items():
            before, start = time.process_time(), time.perf_counter()
            call()
            wall[engine].append(time.perf_counter() - start)
            processor[engine].append(time.process_time() - before)
    others = [engine for engine in calls if engine != "torch, as here"]
    return {
        "batch": BATCH, "rounds": ROUNDS, "weights": origin["file"] or origin["kind"],
        "images_per_second": {e: spread([BATCH / s for s in v]) for e, v in wall.items()},
        "images_per_processor_second": {e: spread([BATCH / s for s in v]) for e, v in processor.items()},
        "times_faster": {e: ratio(wall["torch, as here"], wall[e]) for e in others},
        "times_less_processor_time": {e: ratio(processor["torch, as here"], processor[e]) for e in others},
        "largest_difference": {e: float((found[e] - ours).abs().max()) for e in others},
        "largest_value": float(ours.abs().max()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--weights", default="random")
    args = parser.parse_args()
    given = os.path.abspath(args.weights) if args.weights != "random" else "random"  # noqa: PTH100
    kept = Kept(Asked(RESULTS, given, profiles.MODELS, 0, ROUNDS, folder=RESULTS), "onnx")
    for threads in (1, 2):
        for name in profiles.MODELS:
            of = given if any(Path(given).glob(f"{networks.TORCHVISION[name]}*.pth")) else "random"
            kept.add(f"{name}, {threads} threads", lambda n=name, o=of, t=threads: row(n, o, t))


if __name__ == "__main__":
    main()
