"""The commit that results tell is that of the program, or none."""

import shutil
import subprocess
from pathlib import Path

import pytest
from mpi4py import MPI

from app.output.commit import commit

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not there"),
    pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="needs one rank"),
]

WHO = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")


def test_it_is_what_git_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever git's variables say of another repository; changed files are told. A folder without a
    repository of its own has none."""
    own = tmp_path / "own"
    own.mkdir()
    file = own / "file"
    file.write_text("a")
    for words in (("init", "-q"), ("add", "file"), (*WHO, "commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", str(own), *words], check=True)
    words = ["git", "-C", str(own), "rev-parse", "HEAD"]
    head = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    commit.cache_clear()
    assert commit(own) == head[:12]
    file.write_text("b")
    commit.cache_clear()
    assert commit(own) == f"{head[:12]}-dirty"
    within = own / "within"
    within.mkdir()
    assert commit(within) is None
    (within / ".git").write_text("nothing")
    commit.cache_clear()
    assert commit(within) is None
