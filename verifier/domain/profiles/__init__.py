"""One file a regulation. A file here that defines PROFILE is found by its name."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from verifier.domain.lifecycle import Profile

DEFAULT = "eu_fmd"


@cache
def names() -> tuple[str, ...]:
    """The codes of all regulations, sorted."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


@cache
def load(code: str) -> Profile:
    """The regulation of that code; KeyError when there is none."""
    if code not in names():
        raise KeyError(code)
    profile: Profile = import_module(f"{__name__}.{code}").PROFILE
    if profile.code != code:
        raise ValueError(f"profiles/{code}.py defines a profile named {profile.code}")
    return profile
