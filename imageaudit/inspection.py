"""Each image is opened once: a small grey picture, the file's properties, what DICOM tags say.

Everything else works on these. They are kept in chunks, so that a stopped audit goes on.
"""

import hashlib
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from imageaudit import images, matching, patients
from imageaudit import io as files
from imageaudit.errors import UserError

SIDE = matching.SIDE  # pixels of the small picture
CHUNK = 128  # images
PROPERTIES = ("format", "mode", "colour", "width", "height", "aspect ratio",
              "JPEG quantisation", "JPEG subsampling", "embedded data")  # fmt: skip
# DICOM tags: those that may tell the classes, by the names they are shown with; those that name people
TAGS = {row["name"]: row["tag"] for row in files.listed("tags.csv") if row["name"]}
NAMING = [row["tag"] for row in files.listed("tags.csv") if not row["name"]]
YEAR = ("AcquisitionDate", "StudyDate", "SeriesDate", "ContentDate")


def inspect(paths: list[Path], cache: Path | None) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Facts of each image, a row each; grey pictures (n, SIDE, SIDE) uint8; refusals.

    Images that cannot be read have no row and no picture, and stand in the refusals; the index of
    the facts is the position in `paths`. With `cache` a folder, chunks are kept there.
    """
    facts, refused = [], []
    pictures = np.empty((len(paths), SIDE, SIDE), np.uint8)
    code = sorted(path for path in Path(__file__).parent.iterdir() if path.is_file())
    code = files.digest([[path.name, files.file_digest(path)] for path in code])
    with ThreadPoolExecutor() as pool, tqdm(total=len(paths), desc="images", unit="image") as bar:
        for first in range(0, len(paths), CHUNK):
            part = paths[first : first + CHUNK]
            for at, (fact, picture) in enumerate(chunk(part, cache, code, pool), first):
                if "refused" in fact:
                    refused.append(fact["refused"])
                else:
                    pictures[len(facts)] = picture
                    facts.append(fact | {"at": at})
            bar.update(len(part))
    table = pd.DataFrame(facts, columns=None if facts else ["at"]).set_index("at")
    return table, pictures[: len(facts)], refused


def chunk(paths: list[Path], cache: Path | None, code: str, pool) -> list[tuple[dict, np.ndarray]]:
    states = [p.stat() if p.exists() else None for p in paths]
    states = [s and (s.st_size, s.st_mtime_ns) for s in states]
    name = files.digest([code, list(map(str, paths)), states])
    file = cache and cache / f"{name}.npz"
    if file and file.is_file():
        with np.load(file) as kept:
            return list(zip(json.loads(str(kept["facts"])), kept["pictures"], strict=True))
    found = list(pool.map(inspect_image, paths))
    if file:
        facts, pictures = zip(*found, strict=True)
        with files.atomic_write(file) as partial:
            np.savez(partial, facts=json.dumps(facts), pictures=np.array(pictures))
    return found


def inspect_image(path: Path) -> tuple[dict, np.ndarray]:
    """Facts and the small picture of one image; `refused` says why there are none."""
    try:
        with images.opened(path) as file:
            return facts_of(file.read())
    except UserError as error:
        return {"refused": str(error)}, np.zeros((SIDE, SIDE), np.uint8)


def facts_of(data: bytes) -> tuple[dict, np.ndarray]:
    file = io.BytesIO(data)
    if images.is_dicom(file):
        facts = dicom_facts(images.dicom_header(file))
    else:
        with images.open_picture(file) as opened:
            facts = file_facts(opened)
    picture = images.read(file)
    grey = picture.convert("L")
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    tint = np.asarray(picture.resize((32, 32), Image.Resampling.BOX), dtype=int)
    facts |= {
        "colour": "coloured" if np.ptp(tint, axis=2).mean() > 2 else "grey",
        "aspect ratio": round(facts["width"] / facts["height"], 3),
        "bytes per pixel": len(data) / (facts["width"] * facts["height"]),
        "sha1": hashlib.sha1(data).hexdigest(),
        "empty": bool(small.std() < 1),
    }
    return facts, small


def file_facts(opened: Image.Image) -> dict:
    """Properties of a picture file that is opened and not decoded."""
    tables = getattr(opened, "quantization", None)
    layers = getattr(opened, "layer", None) or []
    inside = [w for w in ("exif", "icc_profile", "comment", "Software") if opened.info.get(w)]
    return {
        "format": opened.format, "mode": opened.mode, "width": opened.width, "height": opened.height,
        "JPEG quantisation": round(float(np.mean(tables[0])), 1) if tables else "",
        "JPEG subsampling": " ".join(f"{layer[1]}x{layer[2]}" for layer in layers),
        "embedded data": ", ".join(inside) or "none",
    }  # fmt: skip


def dicom_facts(header) -> dict:
    """Properties of a DICOM picture, its tags that may tell the classes, and those that name people.

    Of the latter the names alone are kept, of the patient's number a digest.
    """
    from imageaudit import dicom

    date = next((str(v) for tag in YEAR if (v := header.get(tag))), "")
    named = [t for t in NAMING if not patients.is_emptied(header.get(t))]
    tags = {name: tag_text(header.get(tag)) for name, tag in TAGS.items()}
    return {
        "format": "DICOM", "mode": str(header.PhotometricInterpretation),
        "width": int(header.Columns), "height": int(header.Rows), "JPEG quantisation": "",
        "JPEG subsampling": "", "embedded data": "none",
        "tags": tags | {"acquisition year": date[:4],
                        "transfer syntax": header.file_meta.TransferSyntaxUID.name,
                        "shown by": dicom.shown_by(header)},
        "naming": named, "patient": patients.pseudonym(header),
    }  # fmt: skip


def tag_text(value) -> str:
    """A tag's value as text, the first of several."""
    if not isinstance(value, str | bytes) and hasattr(value, "__getitem__"):  # several values
        value = value[0] if len(value) else ""
    text = "" if value is None else str(value).strip()
    return str(int(text[:3])) if re.fullmatch(r"\d{3}Y", text) else text
