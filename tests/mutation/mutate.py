"""Change one operator or constant at a time and see whether a test notices.

    python tests/mutation/mutate.py verifier/domain [--most 40] [--tests tests/domain] [-k EXPRESSION]

Each mutant lives in a forked process that compiles the changed tree in the place of the file; no file is
written. At most `--most` mutants a file are taken, always the same ones for the same source. Prints the
survivors and a table; exits 1 under `--least` percent.
"""

import argparse
import ast
import copy
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path

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


def mutants(path: Path) -> list[Mutant]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    types = {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    named = [node.annotation for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
    types |= {id(part) for annotation in named for part in ast.walk(annotation)}
    found = []
    for number, node in enumerate(ast.walk(tree)):
        for way in [] if id(node) in types else range(len(list(changes(node)))):
            changed = copy.deepcopy(tree)
            twin = next(each for at, each in enumerate(ast.walk(changed)) if at == number)
            what = list(changes(twin))[way]()
            found.append(Mutant(path, getattr(node, "lineno", 0), what, ast.fix_missing_locations(changed)))
    words = documentation(tree) | annotations(tree)
    return [each for each in found if each.line not in words]


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


def survives(mutant: Mutant, arguments: list[str], seconds: int) -> bool:
    """Whether all tests pass; one that runs longer than `seconds` has been noticed too."""
    child = os.fork()
    if child == 0:
        os.setsid()
        signal.alarm(seconds)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        in_place_of(mutant)
        with suppress(BaseException):
            os._exit(int(pytest.main(arguments)))
        os._exit(9)
    status = os.waitpid(child, 0)[1]
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # servers of a child that was cut off
    return status == 0


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


def unnoticed(mutant: Mutant, tests: list[str], more: list[str], seconds: int) -> bool:
    """By the tests named like the file, which mostly end it, and by all."""
    own = [
        str(each) for folder in tests for each in sorted(Path(folder).glob(f"test_{mutant.path.stem}*.py"))
    ]
    arguments = ["-x", "-q", "-p", "no:cacheprovider", *more]
    return all(survives(mutant, [*arguments, *named], seconds) for named in (own, tests) if named)


def files(targets: list[str]) -> Iterator[Path]:
    for target in map(Path, targets):
        yield from sorted(target.rglob("*.py")) if target.is_dir() else [target]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--least", type=float, default=85)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--tests", nargs="+", default=["tests/domain"])
    parser.add_argument("-k", default="")
    asked = parser.parse_args()
    warm_up()
    sums = [0, 0]
    say(f"{'file':44} {'possible':>8} {'taken':>6} {'noticed':>8}")
    for path in files(asked.targets):
        taken, possible = chosen(path, asked.most)
        if not taken:
            continue
        missed = [each for each in taken if unnoticed(each, asked.tests, ["-k", asked.k], asked.seconds)]
        for each in missed:
            say(f"  {path}:{each.line}  {each.what}")
        noticed = len(taken) - len(missed)
        sums = [sums[0] + len(taken), sums[1] + noticed]
        say(f"{path!s:44} {possible:8} {len(taken):6} {100 * noticed / len(taken):7.0f}%")
    share = 100 * sums[1] / max(1, sums[0])
    say(f"{'all':44} {'':8} {sums[0]:6} {share:7.1f}%")
    return 0 if share >= asked.least else 1


if __name__ == "__main__":
    sys.exit(main())
