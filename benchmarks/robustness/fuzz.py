"""From file to tensor, whatever is in the file: a coverage-guided fuzzer, and every file cut short.

    python -m benchmarks.robustness.fuzz [--inputs 1000000] [--seconds 300]

Wanted: `pip install atheris` (it is no part of the study's environment). It changes files of all
formats, DICOM of each transfer syntax that can be written here, and keeps changes that reach new
code of the readers. A file may be read, into finite numbers of the right shape, or refused by name;
all else is a fault, and lies in runs/fuzz/ afterwards. Runs end at whichever comes first.
"""

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.measure import memory_mb
from benchmarks.robustness import figures
from deepcovid.runs import ROOT, RUNS, UserError, read_json, write_json

ROOM = RUNS / "fuzz"
# pixels a side of the tensor; of one input: 80 million pixels of 16-bit colours take 3.3 GB and 23 s
SIZE, LIMIT_MB, LIMIT_S = 32, 4000, 60
PLAIN = {
    "jpeg": {"format": "JPEG"}, "progressive": {"format": "JPEG", "progressive": True},
    "png": {"format": "PNG"}, "bmp": {"format": "BMP"}, "gif": {"format": "GIF"},
    "webp": {"format": "WEBP"}, "webp-lossless": {"format": "WEBP", "lossless": True},
    "tiff": {"format": "TIFF"}, "tiff-lzw": {"format": "TIFF", "compression": "tiff_lzw"},
    "tiff-deflate": {"format": "TIFF", "compression": "tiff_deflate"},
}  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Small whole files of every format and mode, drawn."""
    from PIL import Image

    from deepcovid.data import phantom

    grey = Image.fromarray(phantom.radiograph("COVID-19", 1, 64).image).crop((0, 0, 48, 40))
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 16)
    found = {}
    for name, how in PLAIN.items():
        for mode in ("L", "RGB", "CMYK", "LA", "RGBA", "P", "1"):
            out = io.BytesIO()
            try:
                grey.convert(mode).save(out, **how)
            except (OSError, ValueError):  # a format does not know each mode
                continue
            found[f"{name}-{mode}"] = out.getvalue()
    for name in ("png", "tiff"):
        out = io.BytesIO()
        deep.save(out, **PLAIN[name])
        found[f"{name}-16"] = out.getvalue()
    return found | dicoms(np.asarray(deep))


def dicoms(stored: np.ndarray) -> dict[str, bytes]:
    """A file of each transfer syntax that pydicom can write here, and those that it cannot encode
    with pixels that are none: they are there to be refused."""
    from pydicom import uid
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    found = {}
    plain = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian,
             uid.DeflatedExplicitVRLittleEndian)  # fmt: skip
    for syntax in (*plain, *uid.AllTransferSyntaxes):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
        data.Rows, data.Columns = stored.shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
        data.PixelData = stored.astype("<u2").tobytes()
        data["PixelData"].VR = "OW"
        if syntax in plain:
            data.file_meta.TransferSyntaxUID = syntax
            if syntax == uid.ExplicitVRBigEndian:
                data.PixelData = stored.astype(">u2").tobytes()
        else:
            try:
                data.compress(syntax, generate_instance_uid=False)
            except Exception:  # no encoder
                data.file_meta.TransferSyntaxUID = syntax
                data.PixelData = encapsulate([bytes(64)])
                data["PixelData"].is_undefined_length = True
        out = io.BytesIO()
        data.save_as(out, enforce_file_format=True,
                     little_endian=syntax != uid.ExplicitVRBigEndian,
                     implicit_vr=syntax == uid.ImplicitVRLittleEndian)  # fmt: skip
        found[f"dicom-{syntax.name}"] = out.getvalue()
    return found


def one(data: bytes, place: Path) -> str:
    """What came of one file: `read`, or the reason that it was refused for, without its numbers.

    AssertionError where what was read is no input of a model; any other error is a fault too.
    """
    import torch

    from deepcovid.data.augmentation import to_input
    from imageaudit import images

    place.write_bytes(data)
    try:
        tensor = to_input(SIZE)(images.open_radiograph(place))
        images.facts(place)
    except UserError as error:
        text = str(error)
        assert text.startswith(f"{place}: ") and text.isprintable(), text
        return re.sub(r"\d[\d.,]*|'[^']*'|b?\"[^\"]*\"", "#", text.removeprefix(f"{place}: "))[:60]
    assert tensor.shape == (3, SIZE, SIZE) and bool(torch.isfinite(tensor).all())
    return "read"


def guided(told: Path, inputs: int, seconds: int) -> None:
    """Be libFuzzer: never returns. What came of the inputs is in `told`, again and again."""
    import atheris

    with atheris.instrument_imports(include=["imageaudit", "PIL", "pydicom"]):
        from imageaudit import images  # noqa: F401
    import torch

    torch.set_num_threads(1)
    found = Counter()
    place = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)) / "x"
    devnull = os.open(os.devnull, os.O_WRONLY)

    def test(data: bytes) -> None:
        found[one(data, place)] += 1
        if found.total() % 500 == 0 or found.total() >= inputs:
            write_json(told, {"found": found, "mb": memory_mb()})

    atheris.Setup([
        "fuzz", str(ROOM / "corpus"), f"-runs={inputs}", f"-max_total_time={seconds}", "-max_len=20000",
        f"-timeout={LIMIT_S}", f"-rss_limit_mb={LIMIT_MB}", f"-artifact_prefix={ROOM}/fault-", "-seed=1",
        "-print_final_stats=1",
    ], test)  # fmt: skip
    os.dup2(devnull, 1)  # decoders talk
    atheris.Fuzz()


def cut(files: dict[str, bytes], places: int = 25) -> Counter:
    """Each file cut at many places: it must be refused, or be the whole picture all the same."""
    from imageaudit import images

    found = Counter()
    with tempfile.TemporaryDirectory() as room:
        place = Path(room) / "x"
        for name, data in files.items():
            place.write_bytes(data)
            if images.refusal(place):
                continue
            whole = np.asarray(images.open_radiograph(place))
            for end in np.linspace(1, len(data) - 1, places).astype(int):
                place.write_bytes(data[:end])
                try:
                    same = np.array_equal(np.asarray(images.open_radiograph(place)), whole)
                except UserError:
                    found["refused"] += 1
                    continue
                found["whole all the same" if same else f"read as another picture: {name}"] += 1
    return found


def run(inputs: int, seconds: int) -> dict:
    """Fuzz in processes of their own, a new one after each fault; the figures."""
    corpus = ROOM / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    files = seeds()
    for name, data in files.items():
        (corpus / f"seed-{re.sub(r'[^A-Za-z0-9-]', '_', name)}").write_bytes(data)
    for old in ROOM.glob("fault-*"):
        old.unlink()
    told, found, mb = ROOM / "told.json", Counter(), 0
    import time

    end = time.monotonic() + seconds
    while (left := inputs - found.total()) > 0 and (time_left := int(end - time.monotonic())) > 0:
        told.unlink(missing_ok=True)
        words = ["--guided", str(told), "--inputs", str(left), "--seconds", str(time_left)]
        with (ROOM / "log").open("ab") as log:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.robustness.fuzz", *words], cwd=ROOT, stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        part = read_json(told) if told.is_file() else {"found": {}, "mb": 0}
        found.update(part["found"])
        mb = max(mb, part["mb"])
        if done.returncode and not part["found"]:
            break
    refused = found.total() - found["read"]
    kinds = Counter({kind: n for kind, n in found.items() if kind != "read"})
    cuts = cut(files)
    return {
        "inputs": found.total(), "read": found["read"], "refused": refused,
        "kinds of refusal": len(kinds), "most frequent": dict(kinds.most_common(8)),
        "faults": sorted(path.name for path in ROOM.glob("fault-*")), "memory_mb": mb,
        "formats": len(files), "cut": {k: n for k, n in sorted(cuts.items())},
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=86_400)
    parser.add_argument("--guided", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.guided:
        guided(args.guided, args.inputs, args.seconds)
    found = run(args.inputs, args.seconds)
    figures.keep("fuzz", found)
    print(json.dumps(found, indent=1))
