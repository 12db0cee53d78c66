"""Homes to start servers in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded_users import kill_all, write_rows

from verifier.embedded import servers


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """A home yet to be made, whose servers are ended and whose folders elsewhere are removed afterwards."""
    path = tmp_path / "var"
    yield path
    kill_all(path)
    for link in (path / "private", path / "run"):
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was used before: a table with one row is in it."""
    path = tmp_path_factory.mktemp("made") / "var"
    with servers(path, redis=False) as running:
        write_rows(running)
    return path


@pytest.fixture
def home(fresh: Path, made: Path) -> Path:
    """A copy of that home."""
    shutil.copytree(made, fresh)
    return fresh
