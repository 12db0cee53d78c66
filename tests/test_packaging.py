"""What is built from the tree: complete, usable away from it, and telling nothing of where it was made."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

import verifier

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ["requirements.txt", "requirements-dev.txt"]
LEFT_OUT = {"__pycache__", "var", "build", "dist", "node_modules"}
FOLDERS = ["verifier", "scanner_client", "tests", "docs", "api_spec", "deploy", ".ci"]


def tree() -> list[Path]:
    """Every file of the project that somebody may read; what hidden tools leave behind is none."""
    above = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    return sorted(path for path in above + below if not LEFT_OUT & set(path.parts))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(line: str) -> str:
    return normal(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0])


# The project says one thing everywhere.


def test_the_version_is_written_once():
    assert verifier.__version__ == PROJECT["version"] == distribution("pack-verifier").version
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("command", ["verifier", "scanner"])
def test_both_commands_are_entry_points_that_load(command):
    (point,) = entry_points(group="console_scripts", name=command)
    assert point.value == PROJECT["scripts"][command]
    assert callable(point.load())


def test_every_dependency_has_its_reason_in_the_documents():
    named = (ROOT / "docs" / "dependencies.md").read_text()
    assert [line for line in PROJECT["dependencies"] if requirement(line) not in named] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_requirement_by_version_and_hash_and_names_no_place(lock):
    written = (ROOT / lock).read_text()
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", written)[1:]
    for block in blocks:
        assert re.match(r"[A-Za-z0-9_.-]+==[^ ]+", block), block
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block
    pinned = {requirement(block) for block in blocks}
    assert {requirement(line) for line in PROJECT["dependencies"]} <= pinned
    assert "://" not in written
    assert "--index-url" not in written.replace("--no-emit-index-url", "")


# put together from pieces, so that this file does not find itself
PLACES = [
    r"/(?:home|Users)/(?!\$)\w+", "/" + r"work/\w+", "/" + "root/", r"[A-Z]:\\+Users",
    "files." + "pythonhosted", "py" + r"pi\.org", "artif" + "actory", "nex" + "us", "dev" + "pi",
]  # fmt: skip


def test_no_file_names_a_place_on_somebodys_machine_or_a_registry():
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tree()
        for match in re.finditer("|".join(PLACES), path.read_text(errors="replace"))
    }
    assert found == set()


def test_no_file_is_left_unfinished():
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3 + ":"))
    found = {path.name for path in tree() if re.search(rf"\b(?:{marks})", path.read_text(errors="replace"))}
    assert found - {"pyproject.toml"} == set()


# The wheel.


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built as `make` and the image build it, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *command], check=True, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def away(unpacked: Path, *arguments: str, **variables: str) -> str:
    """What a command of the unpacked wheel prints, started in a folder that is not the checkout."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("VERIFIER_", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        env=clean | {"PYTHONPATH": str(unpacked)} | variables,
        cwd=unpacked.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_is_named_after_the_project_and_is_for_every_machine(wheel):
    assert wheel.name == f"pack_verifier-{PROJECT['version']}-py3-none-any.whl"


def test_the_wheel_holds_every_file_of_the_two_packages_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {name for name in names if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(ROOT))
        for package in ("verifier", "scanner_client")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == wanted
    assert {
        "verifier/py.typed",
        "scanner_client/py.typed",
        "verifier/storage/migrations/env.py",
        "verifier/storage/migrations/versions/0001_first.py",
    } <= packed
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_says_what_it_needs(unpacked):
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    lines = metadata.read_text().splitlines()
    assert f"Requires-Python: {','.join(sorted(PROJECT['requires-python'].split(',')))}" in lines
    needed = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    assert {requirement(line) for line in needed} == {requirement(line) for line in PROJECT["dependencies"]}


def test_an_installed_wheel_runs_away_from_the_checkout(unpacked, running):
    where = away(unpacked, "-c", "import verifier, scanner_client; print(verifier.__file__)").strip()
    assert where == str(unpacked / "verifier" / "__init__.py")
    assert away(unpacked, "-m", "verifier", "--version").strip().endswith(PROJECT["version"])
    assert '"openapi": "3.1.0"' in away(unpacked, "-m", "verifier", "openapi")
    admin = create_engine(running.database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS from_wheel WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE from_wheel"))
    admin.dispose()
    url = make_url(running.database_url).set(database="from_wheel").render_as_string(hide_password=False)
    away(unpacked, "-m", "verifier", "migrate", VERIFIER_DATABASE_URL=url, VERIFIER_CACHE_MODE="off")
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM packs")).scalar_one() == 0
    engine.dispose()
