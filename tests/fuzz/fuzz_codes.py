"""Fuzz the reader of pack codes with atheris, which is in no lock file of ours: see docs/testing.md.

    PYTHONPATH=.:tests python tests/fuzz/fuzz_codes.py CORPUS_FOLDER [-max_total_time=1800 …]

The first folder is where new inputs are kept; the seeds are written into it. A text that breaks something
becomes a file `crash-…`, to be made a row of tests/domain/test_codes_found.py.
"""

import re
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["verifier.domain"]):
    from fuzz.code_invariants import SEEDS, check

    from verifier.domain.gs1 import check_digit

LONGEST = 0.5  # seconds of this thread's own time; the instruments make all about six times slower
_GTIN = re.compile(rb"01([0-9]{13})[0-9]")
# fmt: off
_WORDS = (
    "01", "02", "10", "11", "17", "21", "22", "240", "710", "3103", "9N", "8P", "1T", "S", "D", "16D",
    "\x1d", "\x1e", "\x04", "]d2", "]d1", "]Q1", "]Q3", "]C1", "]e0", "]J1", "[)>\x1e06\x1d", "[)>\x1e05\x1d",
    "https://", "/01/", "/10/", "/21/", "/22/", "?17=", "&10=", "%2F", "%", "(01)", "(21)", "(17)", "(10)",
    "\\(", "05012345678900", "04150123456782", "111234567842", "271231", "271200", "2027-12-31",
)
# fmt: on


def one_input(data: bytes) -> None:
    started = time.thread_time()
    check(data.decode("latin-1"))
    spent = time.thread_time() - started
    assert spent < LONGEST, f"{spent:.3f} s"


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """The usual mutation, now and then with the check digits of all GTINs put right again."""
    changed: bytes = atheris.Mutate(data, most)
    if seed % 2:
        return changed
    return _GTIN.sub(lambda found: b"01" + found[1] + check_digit(found[1].decode()).encode(), changed)


def main() -> None:
    corpus = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), "var/fuzz"))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed.encode("latin-1"))
    words = corpus.with_suffix(".dict")
    words.write_text(
        "".join('"' + "".join(f"\\x{ord(char):02x}" for char in word) + '"\n' for word in _WORDS)
    )
    arguments = [sys.argv[0], str(corpus), f"-dict={words}", f"-artifact_prefix={corpus.parent}/"]
    given = [word for word in sys.argv[1:] if word.startswith("-")]
    atheris.Setup([*arguments, *given], one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
