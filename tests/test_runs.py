import pytest

from deepcovid import runs


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = runs.write_text(tmp_path / "sub" / "a.txt", "old")
    with pytest.raises(RuntimeError), runs.replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_digests_tell_apart_what_differs_and_nothing_else(tmp_path):
    assert runs.digest({"a": 1, "b": 2}) == runs.digest({"b": 2, "a": 1})
    assert runs.digest([1]) != runs.digest([2])
    paths = [tmp_path / name for name in ("a.py", "b.py", "c.py")]
    for path, source in zip(paths, ("x = 1", "x  =  1  # why", "x = 2"), strict=True):
        path.write_text(source)
    a, b, c = (runs.code_digest(type("M", (), {"__file__": str(path)})) for path in paths)
    assert a == b != c


def test_done_holds_only_for_what_it_was_made_from(tmp_path):
    path = tmp_path / "x.csv"
    assert not runs.done(path, "recipe")
    path.write_text("1")
    runs.mark_done(path, "recipe")
    assert runs.done(path, "recipe")
    assert not runs.done(path, "another recipe")
    path.unlink()
    assert not runs.done(path, "recipe")


def test_a_near_miss_is_named_and_nothing_else():
    assert runs.near_miss("Verfy", ["verify", "publish"]) == " Did you mean verify?"
    assert runs.near_miss("xyz", ["verify", "publish"]) == runs.near_miss(3, ["verify"]) == ""


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
