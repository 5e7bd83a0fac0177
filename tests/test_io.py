import numpy as np
import pandas as pd
import pytest
from conftest import user_error

from deepcovid import io, runs
from imageaudit import errors


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = io.write_text(tmp_path / "sub" / "a.txt", "old")
    with pytest.raises(RuntimeError), io.atomic_write(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_table_is_read_as_it_was_written_and_one_without_its_columns_is_refused(tmp_path):
    table = pd.DataFrame({"image": ["a", "b"], "score": [0.25, 1 / 3]})
    path = io.write_csv(tmp_path / "sub" / "x.csv", table, float_format="%.3g")
    assert path.read_bytes() == b"image,score\na,0.25\nb,0.333\n"
    assert io.read_table(path, ["image", "score"]).score.tolist() == [0.25, 0.333]
    with user_error(f"{path} lacks the columns patient, split"):
        io.read_table(path, ("patient", "image", "split"))
    path.write_bytes("ä".encode("latin-1"))
    with user_error("x.csv cannot be read as a table: 'utf-8' codec"):
        io.read_table(path)


def test_numbers_are_rounded_wherever_they_stand():
    given = {"a": [0.12345678, 3], 1: {"c": np.float32(1) / 3, "d": "x"}, "e": np.ones(1) / 3}
    found = {"a": [0.1235, 3], "1": {"c": 0.3333, "d": "x"}, "e": [0.3333]}
    assert io.rounded(given | {"n": np.int64(2), "m": np.nan}) == found | {"n": 2, "m": None}


def test_digests_tell_apart_what_differs_and_nothing_else(tmp_path):
    assert io.digest({"a": 1, "b": 2}) == io.digest({"b": 2, "a": 1})
    assert io.digest([1]) != io.digest([2])
    paths = [tmp_path / name for name in ("a.py", "b.py", "c.py")]
    for path, source in zip(paths, ("x = 1", "x  =  1  # why", "x = 2"), strict=True):
        path.write_text(source)
    a, b, c = (io.code_digest(type("M", (), {"__file__": str(path)})) for path in paths)
    assert a == b != c


def test_a_file_is_fresh_only_for_what_it_was_made_from(tmp_path):
    path = tmp_path / "x.csv"
    assert not io.is_fresh(path, "recipe")
    path.write_text("1")
    io.write_stamp(path, "recipe")
    assert io.is_fresh(path, "recipe")
    assert not io.is_fresh(path, "another recipe")
    path.unlink()
    assert not io.is_fresh(path, "recipe")


def test_a_near_miss_is_named_and_nothing_else():
    assert errors.did_you_mean("Verfy", ["verify", "publish"]) == " Did you mean verify?"
    assert (
        errors.did_you_mean("xyz", ["verify", "publish"])
        == errors.did_you_mean(3, ["verify"])
        == ""
    )


def test_the_state_of_folders_changes_with_their_files_and_bears_what_is_not_there(tmp_path):
    assert runs.state("", None, tmp_path / "absent") == runs.state()
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_text("1")
    before = runs.state(tmp_path / "a")
    (tmp_path / "a" / "b" / ".hidden").touch()
    assert runs.state(tmp_path / "a") == before
    (tmp_path / "a" / "broken").symlink_to(tmp_path / "absent")
    after = runs.state(tmp_path / "a")
    (tmp_path / "a" / "b" / "x").write_text("22")
    assert len({before, after, runs.state(tmp_path / "a")}) == 3
