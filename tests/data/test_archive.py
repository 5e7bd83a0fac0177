"""originals.py: the released archive comes whole and safe, or not at all."""

import http.server
import threading
import zipfile
from pathlib import Path

import pytest
from releases import release, tree

from deepcovid.__main__ import main
from deepcovid.data import originals
from deepcovid.runs import UserError


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves /archive.zip after as many broken answers as `server.breaks` says; counts requests."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    payload = write_zip(tmp_path / "served.zip", release()).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.requests += 1
            broken = self.server.requests <= self.server.breaks
            if not self.path.startswith("/archive.zip"):
                return self.send_error(404)
            body = self.server.payload
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if broken else body)

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.payload, running.breaks, running.requests = payload, 0, 0
        running.address = f"http://127.0.0.1:{running.server_port}/archive.zip?dl=1"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_download_is_not_repeated(server, tmp_path):
    target = tmp_path / "here" / "release.zip"
    for _ in range(2):
        assert originals.fetch(server.address, target) == target
        assert target.read_bytes() == server.payload
    assert server.requests == 1
    assert [p.name for p in target.parent.iterdir()] == ["release.zip"]


def test_download_is_tried_again(server, tmp_path):
    server.breaks = 2
    assert originals.fetch(server.address, tmp_path / "a.zip").read_bytes() == server.payload
    assert server.requests == 3


@pytest.mark.parametrize("fault", ["interrupted", "not there", "scheme"])
def test_failed_download_leaves_nothing(server, tmp_path, fault):
    address, target = server.address, tmp_path / "to" / "a.zip"
    if fault == "interrupted":
        server.breaks = 99
    elif fault == "not there":
        address = address.replace("archive", "gone")
    else:
        address = "gopher://127.0.0.1/a.zip"
    with pytest.raises((ValueError, OSError)):
        originals.fetch(address, target)
    assert not target.exists() and tree(target.parent) == {}


# --- unpack ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", ["", "data_upload_v3/", "a/b/"])
def test_unpack_finds_the_release(tmp_path, top):
    archive = write_zip(tmp_path / "archive", release(top) | {f"{top}readme.md": b"hello"})
    folder = originals.unpack(archive, tmp_path / "to" / "data set")
    assert tree(folder) == release("") | {"readme.md": b"hello"}
    assert [p.name for p in folder.parent.iterdir()] == ["data set"]
    assert folder.stat().st_mode & 0o055 == 0o055


def refused(archive: Path, folder: Path, reason: str):
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(UserError, match=reason):
        originals.unpack(archive, folder)
    assert sorted(folder.parent.rglob("*")) == before, "something was left behind"


@pytest.mark.parametrize("name", ["../evil.jpg", "data/../../evil.jpg", "/evil.jpg"])
def test_no_path_leaves_the_target(tmp_path, name):
    archive = write_zip(tmp_path / "a", release() | {name: b"evil"})
    (tmp_path / "in").mkdir()
    try:
        originals.unpack(archive, tmp_path / "in" / "data")
    except UserError as error:
        assert "evil" in str(error)
    names = {path.name for path in tmp_path.iterdir()} | {p.name for p in Path("/").iterdir()}
    assert "evil.jpg" not in names | {path.name for path in (tmp_path / "in").iterdir()}


def test_a_link_leads_nowhere_else(tmp_path):
    with zipfile.ZipFile(write_zip(tmp_path / "a.zip", release("")), "a") as file:
        entry = zipfile.ZipInfo("trap")
        entry.external_attr = 0o120777 << 16
        file.writestr(entry, "../../outside")
    folder = originals.unpack(tmp_path / "a.zip", tmp_path / "in" / "data")
    assert not (folder / "trap").is_symlink()


def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    archive = write_zip(tmp_path / "a.zip", release())
    monkeypatch.setattr(originals, "MAX_BYTES", 1000)
    refused(archive, tmp_path / "in" / "data", "too many")


def test_damaged_and_foreign_archives_leave_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    folder = tmp_path / "in" / "data"
    whole = write_zip(tmp_path / "whole.zip", release()).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.zip", folder, r"cut\.zip cannot be unpacked")
    data = bytearray(write_zip(tmp_path / "flip.zip", release()).read_bytes())
    data[200] ^= 255  # within the first picture: its checksum no longer fits
    (tmp_path / "flip.zip").write_bytes(data)
    refused(tmp_path / "flip.zip", folder, "CRC")
    partial = {name: data for name, data in release().items() if "test/non" not in name}
    refused(write_zip(tmp_path / "p.zip", partial), folder, "test/non")
    refused(tmp_path / "gone.zip", folder, r"gone\.zip")


def test_unpack_never_mixes_with_what_is_there(tmp_path):
    archive = write_zip(tmp_path / "a.zip", release())
    folder = tmp_path / "data"
    folder.mkdir()
    originals.unpack(archive, folder)  # empty is as good as absent
    with pytest.raises(UserError, match="there already"):
        originals.unpack(archive, folder)


# --- the command -------------------------------------------------------------------------------


def test_obtain_refuses_what_is_there_before_it_loads_anything(server, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="data is there already"):
        originals.obtain_release(folder, server.address)
    assert server.requests == 0
    (folder / "mine.txt").unlink()
    assert set(tree(originals.obtain_release(folder, server.address))) == set(release(""))


def test_what_is_no_archive_is_said(server, tmp_path):
    server.payload = b"<html>This file is no longer shared.</html>" * 50
    with pytest.raises(UserError, match=r"data\.zip cannot be unpacked"):
        originals.obtain_release(tmp_path / "data", server.address)
    with pytest.raises(UserError, match="gone"):
        originals.obtain_release(tmp_path / "more", server.address.replace("archive", "gone"))
    with pytest.raises(UserError, match=r"gone\.zip"):
        originals.obtain_release(tmp_path / "more", tmp_path / "gone.zip")
    with pytest.raises(UserError, match=r"~nosuch/x\.zip cannot be unpacked"):
        originals.obtain_release(tmp_path / "more", "~nosuch/x.zip")


def test_obtain_unpacks_an_address_or_a_local_archive(server, tmp_path):
    for n, where in enumerate((server.address, str(write_zip(tmp_path / "own.zip", release())))):
        folder = tmp_path / f"obtained {n}"
        assert main(["obtain", "-p", "data", str(folder), where]) == 0
        assert set(tree(folder)) == {name.removeprefix("data/") for name in release()}
