"""Stand-ins for the release: small pictures, archives' members, a list of its own."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from deepcovid.data import originals


def picture(value: int, size=(24, 20)) -> bytes:
    """A JPEG whose bytes depend on `value`."""
    out = io.BytesIO()
    noise = np.random.default_rng(value).integers(0, 256, size[::-1], np.uint8)
    Image.fromarray(noise).save(out, "JPEG")
    return out.getvalue()


def release(top="data/", names=("train", "test", "covid", "non")) -> dict[str, bytes]:
    train, test, covid, non = names
    return {
        f"{top}{split}/{label}/Bild {i} ä.jpg": picture(10 * n + i)
        for n, (split, label) in enumerate([(s, c) for s in (train, test) for c in (covid, non)])
        for i in range(2)
    }


def tree(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def ship(monkeypatch, tmp_path, rows) -> None:
    """Let `rows` (split, label, name, source, bytes) be the list that the package ships."""
    table = pd.DataFrame(
        [
            {"split": s, "label": c, "name": n, "source": source,
             "git_blob_sha1": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
             "bytes": len(data), "format": "JPEG", "mode": "L", "width": 24, "height": 20}
            for s, c, n, source, data in rows
        ]
    )  # fmt: skip
    table.to_csv(tmp_path / "list.csv", index=False)
    path = "covid-xray-5k/" + table.split + "/" + table.label + "/" + table["name"]
    ours = pd.DataFrame({"path": path.str.removesuffix(".jpg") + ".jpg", "git_blob_sha1": "0" * 40,
                         "origin": "release", "file": ""})  # fmt: skip
    ours.to_csv(tmp_path / "packed.csv", index=False)
    monkeypatch.setattr(originals, "LIST", tmp_path / "list.csv")
    monkeypatch.setattr(originals, "PACKED", tmp_path / "packed.csv")
