"""Change one operator or constant at a time and see whether a test notices.

    python tests/mutation/mutate.py [FILE…] [--most 12] [--least 85]

Each mutant lives in a forked process that compiles the changed tree in the place of the file; no file is
written. At most `--most` mutants a file are taken, always the same ones for the same source. Prints the
survivors and a table; exits 1 when a part or the whole is under `--least` percent, 2 when the tests fail
without any change.

Left alone is what no test of behaviour can or should hold: sentences for people (a text with a blank in it),
documentation, signatures, types, decorators, `__all__`, and the names that type variables give themselves.
"""

import argparse
import ast
import copy
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path

import hypothesis
import pytest

# fmt: off
SWAPPED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or,
    ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Mod: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}
# fmt: on


@dataclass(frozen=True)
class Mutant:
    path: Path
    line: int
    what: str
    tree: ast.Module


@dataclass(frozen=True)
class Part:
    """What is changed, and which tests are asked, how."""

    name: str
    targets: tuple[str, ...]
    tests: tuple[str, ...]
    arguments: tuple[str, ...] = ()

    def files(self) -> list[Path]:
        """Those of `targets`, patterns, that no part before this one has."""
        found = {path for pattern in self.targets for path in Path("verifier").glob(pattern)}
        before = PARTS[: PARTS.index(self)]
        return sorted(found - {path for part in before for path in part.files()})


# the domain's tests need none of the servers that the conftest of all starts
ALONE = ("--noconftest", "-o", "pythonpath=tests")
# the services' tests run in memory, where one case costs a millisecond, and on a PostgreSQL; here the former
IN_MEMORY = ("--confcutdir=tests/services", "-k", "not postgres")
RETURNS = ("sessions", "known_here", "cases", "close", "network", "together", "summary", "stateful")
QUESTIONS = ("resale", "ask", "directory", "pending")
MESSAGES = ("decisions", "messages", "requestors", "commands")
WORDS = "tests/vrs/test_words_of_the_network.py"
PARTS = (
    Part("services/packs", ("services/packs.py",), ("tests/services",), IN_MEMORY),
    Part(
        "services/commands", ("services/commands.py", "services/standing.py"), ("tests/services",), IN_MEMORY
    ),
    Part(
        "messages",
        ("domain/lms*.py", "services/responder.py"),
        (
            *(f"tests/vrs/test_lms_{name}.py" for name in MESSAGES),
            "tests/vrs/test_vrs_network.py",
            "tests/vrs/test_vrs_noise.py",
            WORDS,
        ),
    ),
    Part(
        "questions",
        (
            "domain/resale.py",
            "domain/wording/resale.py",
            "domain/questions.py",
            "domain/directory.py",
            "services/vrs.py",
        ),
        (*(f"tests/vrs/test_vrs_{name}.py" for name in QUESTIONS), WORDS),
    ),
    Part(
        "returns",
        (
            "domain/returns.py",
            "domain/wording/returns.py",
            "domain/sscc.py",
            "services/returns.py",
            "services/returned.py",
            "services/returned_answers.py",
            "services/hurry.py",
        ),
        (*(f"tests/vrs/test_returns_{name}.py" for name in RETURNS), WORDS),
    ),
    Part("domain", ("domain/**/*.py",), ("tests/domain", "tests/operations/test_retention_rules.py"), ALONE),
)


def mutants(path: Path) -> list[Mutant]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spared = of_types(tree)
    found = []
    for number, node in enumerate(ast.walk(tree)):
        for way in [] if id(node) in spared else range(len(list(changes(node)))):
            changed = copy.deepcopy(tree)
            twin = next(each for at, each in enumerate(ast.walk(changed)) if at == number)
            what = list(changes(twin))[way]()
            found.append(Mutant(path, getattr(node, "lineno", 0), what, ast.fix_missing_locations(changed)))
    words = documentation(tree) | annotations(tree)
    return [each for each in found if each.line not in words]


def of_types(tree: ast.Module) -> set[int]:
    """Nodes that speak of types only: what stands in a subscript, annotations, names of type variables."""
    spared: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=part):
                spared.add(id(part))
            case ast.AnnAssign(annotation=annotation):
                spared |= {id(part) for part in ast.walk(annotation)}
            case ast.Call(func=ast.Name(id="TypeVar"), args=[name, *_]):
                spared.add(id(name))
    return spared


def changes(node: ast.AST):
    """For each change that this node can suffer, a call that does it and says what was done."""
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in SWAPPED:
            yield lambda: replace(node.ops, 0, SWAPPED[type(op)]())
        case ast.BoolOp(op=op) | ast.BinOp(op=op) if type(op) in SWAPPED:
            yield lambda: assign(node, "op", SWAPPED[type(op)]())
        case ast.UnaryOp(op=ast.Not()):
            yield lambda: assign(node, "op", ast.UAdd()) and "not x → bool(x)"
        case ast.Constant(value=bool() as value):
            yield lambda: assign(node, "value", not value)
        case ast.Constant(value=int() as value):
            yield lambda: assign(node, "value", value + 1)
        case ast.Constant(value=str() as value) if value and " " not in value:  # a sentence is for people
            yield lambda: assign(node, "value", value + "~")
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield lambda: assign(node, "value", ast.Constant(None))
        case ast.Tuple(elts=[_, *_], ctx=ast.Load()) | ast.Set(elts=[_, _, *_]):
            yield lambda: f"without {shown(node.elts.pop(0))}"
            yield lambda: f"without {shown(node.elts.pop())}"
        case ast.If() | ast.IfExp():
            yield lambda: assign(node, "test", ast.Constant(value=True))
            yield lambda: assign(node, "test", ast.Constant(value=False))


def assign(node: ast.AST, name: str, value: object) -> str:
    before = shown(getattr(node, name))
    setattr(node, name, value)
    return f"{before} → {shown(value)}"


def replace(items: list, place: int, value: ast.AST) -> str:
    before, items[place] = shown(items[place]), value
    return f"{before} → {shown(value)}"


def shown(value: object) -> str:
    text = ast.unparse(value) if isinstance(value, ast.expr) else type(value).__name__
    return repr(value) if not isinstance(value, ast.AST) else text


def documentation(tree: ast.Module) -> set[int]:
    """The lines of strings that stand alone: docstrings."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def annotations(tree: ast.Module) -> set[int]:
    """Lines of signatures, decorators and `__all__`."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            lines |= {each.lineno for each in node.decorator_list}
        if isinstance(node, ast.FunctionDef):
            lines |= set(range(node.lineno, node.body[0].lineno))
    return lines


def warm_up() -> None:
    """Import what the tests import of others, once for all children; nothing of ours."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    program = "import sys; sys.path.insert(0, 'tests'); import world; print(*sys.modules)"
    listed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for name in ["hypothesis.stateful", *listed.stdout.split()]:
        if name.partition(".")[0] not in ("verifier", "scanner_client", "world", "__main__"):
            with suppress(Exception):
                import_module(name)
    hypothesis.settings.load_profile("ci")  # the same examples every time, and none fails for being slow


def passes(mutant: Mutant | None, arguments: list[str], seconds: int) -> bool:
    """Whether no test fails, in a process of its own; one that runs longer than `seconds` has failed."""
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.alarm(seconds)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        if mutant:
            in_place_of(mutant)
        with suppress(BaseException):
            os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *arguments])))
        os._exit(9)
    status = os.waitpid(child, 0)[1]
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # servers of a child that was cut off
    # a file whose tests are all deselected notices nothing
    return os.waitstatus_to_exitcode(status) in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def in_place_of(mutant: Mutant) -> None:
    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> object:
        if Path(self.path) == mutant.path.resolve():
            return compile(mutant.tree, self.path, "exec")
        return original(self, name)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]


def chosen(path: Path, most: int) -> tuple[list[Mutant], int]:
    every = mutants(path)
    return random.Random(path.name).sample(every, min(most, len(every))), len(every)  # noqa: S311


def unnoticed(mutant: Mutant, part: Part, seconds: int) -> bool:
    """By the tests named like the file, which mostly end it, and by all."""
    own = [
        str(each)
        for folder in part.tests
        for each in sorted(Path(folder).glob(f"test_{mutant.path.stem}*.py"))
    ]
    arguments = [[*part.arguments, *named] for named in (own, part.tests) if named]
    return all(passes(mutant, each, seconds) for each in arguments)


@dataclass
class Count:
    """Mutants taken and noticed."""

    taken: int = 0
    noticed: int = 0

    @property
    def share(self) -> float:
        return 100 * self.noticed / max(1, self.taken)

    def add(self, other: "Count") -> None:
        self.taken += other.taken
        self.noticed += other.noticed

    def say(self, name: str, possible: object = "") -> None:
        say(f"{name:44} {possible:>8} {self.taken:6} {self.share:7.1f}%")


def examined(path: Path, part: Part, asked: argparse.Namespace) -> Count:
    taken, possible = chosen(path, asked.most)
    count = Count()
    for each in taken:
        survived = unnoticed(each, part, asked.seconds)
        count.add(Count(1, 0 if survived else 1))
        if survived:
            say(f"  {path}:{each.line}  {each.what}")
    if taken:
        count.say(str(path), possible)
    return count


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, help="only these, of the parts in PARTS")
    parser.add_argument("--most", type=int, default=12, help="mutants a file")
    parser.add_argument("--least", type=float, default=85, help="percent that must be noticed")
    parser.add_argument("--seconds", type=int, default=120, help="for the tests of one mutant")
    asked = parser.parse_args()
    warm_up()
    counts: dict[str, Count] = {}
    say(f"{'file':44} {'possible':>8} {'taken':>6} {'noticed':>8}")
    for part in PARTS:
        wanted = [path for path in part.files() if not asked.files or path in asked.files]
        if wanted and not passes(None, [*part.arguments, *part.tests], asked.seconds):
            say(f"{part.name}: its tests fail without any change")
            return 2
        for path in wanted:
            counts.setdefault(part.name, Count()).add(examined(path, part, asked))
    whole = Count()
    for each in counts.values():
        whole.add(each)
    for name, each in [*counts.items(), ("all", whole)]:
        each.say(f"= {name}")
    return 0 if counts and min(each.share for each in [*counts.values(), whole]) >= asked.least else 1


if __name__ == "__main__":
    sys.exit(main())
