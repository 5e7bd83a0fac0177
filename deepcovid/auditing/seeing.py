"""Each image is opened once: a small grey picture, the file's properties, what DICOM tags say.

Everything else works on these. They are kept in chunks, so that a stopped audit goes on.
"""

import hashlib
import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
from PIL import Image
from tqdm.auto import tqdm

from deepcovid import imports, runs
from deepcovid.data import dicom, images, records
from deepcovid.runs import UserError

SIDE = 128  # pixels of the small picture
CHUNK = 128  # images
PROPERTIES = ("format", "mode", "colour", "width", "height", "aspect ratio",
              "JPEG quantisation", "JPEG subsampling", "embedded data")  # fmt: skip
TAGS = {
    "manufacturer": "Manufacturer", "model": "ManufacturerModelName", "site": "InstitutionName",
    "station": "StationName", "software": "SoftwareVersions", "modality": "Modality",
    "view": "ViewPosition", "body part": "BodyPartExamined", "window centre": "WindowCenter",
    "window width": "WindowWidth", "bits stored": "BitsStored", "pixel spacing": "PixelSpacing",
    "detector spacing": "ImagerPixelSpacing", "burned-in annotation": "BurnedInAnnotation",
    "tube voltage": "KVP", "sex": "PatientSex", "age": "PatientAge",
    "series": "SeriesDescription", "study": "StudyDescription",
}  # fmt: skip
YEAR = ("AcquisitionDate", "StudyDate", "SeriesDate", "ContentDate")
NAMING = (
    "PatientName", "OtherPatientNames", "OtherPatientIDs", "PatientBirthDate", "PatientBirthName",
    "PatientMotherBirthName", "PatientAddress", "PatientTelephoneNumbers", "AccessionNumber",
    "ReferringPhysicianName", "PerformingPhysicianName", "RequestingPhysician", "OperatorsName",
    "NameOfPhysiciansReadingStudy", "ResponsiblePerson",
)  # fmt: skip
EMPTIED = re.compile(r"anon|remov|deident|de-ident|unknown|none|^[\W_0x]*$", re.IGNORECASE)


def seen(paths: list[Path], keep: Path | None) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """What is seen of each image: its facts, a row each; pictures (n, SIDE, SIDE) uint8; refusals.

    Images that cannot be read have no row and no picture, and stand in the refusals; the index of
    the facts is the position in `paths`. With `keep` a folder, chunks are kept there.
    """
    facts, pictures, refused = [], [], []
    code = runs.digest([[p.name, runs.file_digest(p)] for p in imports.files("auditing.seeing")])
    with ThreadPoolExecutor() as pool, tqdm(total=len(paths), desc="images", unit="image") as bar:
        for first in range(0, len(paths), CHUNK):
            part = paths[first : first + CHUNK]
            for at, (told, small) in enumerate(chunk(part, keep, code, pool), first):
                if "refused" in told:
                    refused.append(told["refused"])
                else:
                    facts.append(told | {"at": at})
                    pictures.append(small)
            bar.update(len(part))
    table = pd.DataFrame(facts, columns=None if facts else ["at"]).set_index("at")
    return table, np.array(pictures, np.uint8).reshape(-1, SIDE, SIDE), refused


def chunk(paths: list[Path], keep: Path | None, code: str, pool) -> list[tuple[dict, np.ndarray]]:
    name = runs.digest([code, [[str(p), *state(p)] for p in paths]])
    file = keep and keep / f"{name}.npy"
    if file and file.is_file() and file.with_suffix(".json").is_file():
        return list(zip(runs.read_json(file.with_suffix(".json")), np.load(file), strict=True))
    found = list(pool.map(look_at, paths))
    if file:
        with runs.replacing(file) as partial, partial.open("wb") as out:
            np.save(out, np.array([small for _, small in found]))
        runs.write_json(file.with_suffix(".json"), [told for told, _ in found])
    return found


def state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def look_at(path: Path) -> tuple[dict, np.ndarray]:
    """Facts and the small picture of one image; `refused` says why there are none."""
    try:
        with images.opened(path) as file:
            return facts_of(file.read())
    except UserError as error:
        return {"refused": str(error)}, np.zeros((SIDE, SIDE), np.uint8)


def facts_of(data: bytes) -> tuple[dict, np.ndarray]:
    file = io.BytesIO(data)
    if dicom.is_dicom(file):
        header = images.dicom_header(file)
        told, picture = told_by(header), dicom.picture(file)
    else:
        with images.open_picture(file) as opened:
            told = told_of(opened)
        file.seek(0)
        picture = images.read_picture(file)
    grey = picture.convert("L")
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    tint = np.asarray(picture.resize((32, 32), Image.Resampling.BOX), dtype=int)
    told |= {
        "colour": "coloured" if np.ptp(tint, axis=2).mean() > 2 else "grey",
        "aspect ratio": round(told["width"] / told["height"], 3),
        "bytes per pixel": len(data) / (told["width"] * told["height"]),
        "sha1": hashlib.sha1(data).hexdigest(),
        "empty": bool(small.std() < 1),
    }
    return told, small


def told_of(opened: Image.Image) -> dict:
    """Properties of a picture file that is opened and not decoded."""
    tables = getattr(opened, "quantization", None)
    layers = getattr(opened, "layer", None) or []
    inside = [
        word for word in ("exif", "icc_profile", "comment", "Software") if opened.info.get(word)
    ]
    return {
        "format": opened.format, "mode": opened.mode, "width": opened.width, "height": opened.height,
        "JPEG quantisation": round(float(np.mean(tables[0])), 1) if tables else "",
        "JPEG subsampling": " ".join(f"{layer[1]}x{layer[2]}" for layer in layers),
        "embedded data": ", ".join(inside) or "none",
    }  # fmt: skip


def told_by(header: pydicom.Dataset) -> dict:
    """Properties of a DICOM picture, its tags that may tell the classes, and those that name people.

    Of the latter the names alone are kept, of the patient's number a digest.
    """
    date = next((str(v) for tag in YEAR if (v := header.get(tag))), "")
    named = [t for t in NAMING if not EMPTIED.search(str(header.get(t) or "").strip())]
    tags = {name: word_of(header.get(tag)) for name, tag in TAGS.items()}
    return {
        "format": "DICOM", "mode": str(header.PhotometricInterpretation),
        "width": int(header.Columns), "height": int(header.Rows), "JPEG quantisation": "",
        "JPEG subsampling": "", "embedded data": "none",
        "tags": tags | {"acquisition year": date[:4],
                        "transfer syntax": header.file_meta.TransferSyntaxUID.name},
        "naming": named, "patient": records.pseudonym(header),
    }  # fmt: skip


def word_of(value) -> str:
    """A tag's value as text, the first of several."""
    if value is None:
        return ""
    if isinstance(value, pydicom.multival.MultiValue):
        value = value[0] if len(value) else ""
    text = str(value).strip()
    return str(int(text[:3])) if re.fullmatch(r"\d{3}Y", text) else text
