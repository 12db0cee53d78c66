"""Signing keys change while the service runs, and nobody is locked out."""

import base64
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from joserfc.jwk import ECKey
from world import Clock, Person, World

from verifier.app import build
from verifier.cli.main import main
from verifier.oauth import key_file
from verifier.oauth.key_file import KeyFile, RetireRefused, retire, rotate
from verifier.oauth.keys import SigningKey
from verifier.settings import Settings

LATER = key_file.OVERLAP_SECONDS + 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "keys" / "signing.pem"
    SigningKey.load_or_create(made)
    return made


def wait_out(path: Path) -> None:
    """As if the last rotation were long ago."""
    before = path.stat().st_mtime - LATER
    os.utime(path, (before, before))


# The file.


def test_after_a_rotation_a_new_key_signs_and_the_old_one_is_accepted(path: Path):
    first = SigningKey.load(path)
    second = rotate(path)
    third = rotate(path)
    assert third.kids == (third.kid, second.kid, first.kid)
    assert SigningKey.load(path).kids == third.kids
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_of_a_key_that_signs_no_more_only_the_public_half_is_kept(path: Path):
    rotate(path)
    signer, old = SigningKey.load(path).keys
    assert signer.is_private
    assert not old.is_private
    assert path.read_text().count("PRIVATE KEY") == 2, "begin and end of one"


def test_a_rotation_without_a_file_makes_the_first_key(tmp_path: Path):
    made = rotate(tmp_path / "new" / "signing.pem")
    assert made.kids == SigningKey.load(tmp_path / "new" / "signing.pem").kids
    assert len(made.kids) == 1


def test_of_a_link_the_target_is_replaced(path: Path, tmp_path: Path):
    link = tmp_path / "link.pem"
    link.symlink_to(path)
    rotated = rotate(link)
    assert link.is_symlink()
    assert SigningKey.load(path).kids == rotated.kids


def test_rotations_at_the_same_time_lose_no_key(path: Path):
    gate = threading.Barrier(6)

    def turn() -> None:
        gate.wait()
        rotate(path)

    threads = [threading.Thread(target=turn) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(SigningKey.load(path).kids)) == 7


def test_a_reader_never_sees_half_a_file(path: Path):
    ended = threading.Event()

    def turn() -> None:
        for _ in range(60):
            rotate(path)
        ended.set()

    thread = threading.Thread(target=turn)
    thread.start()
    seen = 0
    while not ended.is_set():
        seen = max(seen, len(SigningKey.load(path).kids))
    thread.join()
    assert seen > 1


def test_a_key_is_retired_once_its_last_token_has_expired(path: Path):
    old = SigningKey.load(path).kid
    signer = rotate(path).kid
    with pytest.raises(RetireRefused, match="may be valid for another"):
        retire(path, old)
    wait_out(path)
    assert retire(path, old).kids == (signer,)
    assert SigningKey.load(path).kids == (signer,)


def test_after_a_theft_a_key_is_retired_at_once(path: Path):
    stolen = SigningKey.load(path).kid
    rotate(path)
    assert stolen not in retire(path, stolen, at_once=True).kids


@pytest.mark.parametrize("which", ["signer", "unknown"])
def test_the_key_that_signs_and_one_that_is_not_there_cannot_be_retired(path: Path, which: str):
    kid = rotate(path).kid if which == "signer" else "nobody"
    before = path.read_bytes()
    with pytest.raises(RetireRefused):
        retire(path, kid, at_once=True)
    assert path.read_bytes() == before


# A process that watches it.


class Now:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_a_process_notices_a_rotation_within_two_seconds_and_at_once_when_it_must(path: Path):
    now = Now()
    watched = KeyFile(path, clock=now)
    before = watched.current()
    rotated = rotate(path)
    assert watched.current() is before
    now.time += key_file.LOOK_SECONDS
    assert watched.current().kids == rotated.kids
    again = rotate(path)
    assert watched.fresh().kids == again.kids


@pytest.mark.parametrize("content", [b"", b"no key", ECKey.generate_key("P-384").as_pem(private=True), None])
def test_a_file_that_was_spoilt_changes_nothing(path: Path, content: bytes | None):
    watched = KeyFile(path)
    before = watched.current()
    whole = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert watched.fresh() is before
    path.write_bytes(whole)
    path.chmod(0o600)
    assert watched.fresh() is before, "the same keys again are no change"


def test_a_file_that_others_may_read_is_not_taken_over(path: Path):
    watched = KeyFile(path)
    before = watched.current()
    rotate(path)
    path.chmod(0o644)
    assert watched.fresh() is before


# Two running workers and the command line.


@pytest.fixture
def two(new_database: Callable[[], str], tmp_path: Path) -> Iterator[tuple[World, World]]:
    """Two processes' worth of the service on one database and one key file, each noticing in its own time."""
    settings = Settings(
        home=tmp_path,
        database_url=new_database(),
        cache_mode="off",
        issuer="http://localhost",
        open_routes=True,
    )
    services = [build(settings, threads=2) for _ in range(2)]
    yield tuple(World(service, Clock()) for service in services)
    for service in services:
        service.close()


def keys(home: Path, *arguments: str) -> Result:
    clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("VERIFIER_")}
    return CliRunner().invoke(main, ["keys", *arguments], env=clean | {"VERIFIER_HOME": str(home)})


def listed(home: Path, *arguments: str) -> dict[str, str]:
    done = keys(home, *arguments)
    assert done.exit_code == 0, done.output
    return {entry["kid"]: entry["status"] for entry in json.loads(done.stdout)["keys"]}


def at(world: World, person: Person) -> Any:
    """What the pack of nobody is to this person's token at this worker."""
    pack = {"gtin": "05012345678900", "serial": "S", "lot": "L", "expiry": "2030-01-01"}
    return world.http.post("/v1/verify", json=pack, headers=person.headers()).status_code


def key_of(token: str) -> str:
    head = token.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def test_old_and_new_tokens_work_at_every_worker_through_a_rotation_until_the_old_key_is_retired(
    two: tuple[World, World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here, there = two
    before = here.person("4012345000016", here.corner_pharmacy.site.type)
    assert (at(here, before), at(there, before)) == (200, 200)
    (old,) = listed(tmp_path, "list")

    after_rotation = listed(tmp_path, "rotate")
    (new,) = after_rotation.keys() - {old}
    assert after_rotation == {new: "signs", old: "accepted"}
    with monkeypatch.context() as soon:
        soon.setattr(key_file, "LOOK_SECONDS", 0.0)  # only here has noticed
        after = here.person("4012345000016", here.corner_pharmacy.site.type)
        assert key_of(after.token) == new
    published = here.http.get("/oauth/jwks.json").json["keys"]
    assert [key["kid"] for key in published] == [new, old]
    assert (at(here, after), at(there, after)) == (200, 200), "the other worker looks before it refuses"
    assert (at(here, before), at(there, before)) == (200, 200)

    refused = keys(tmp_path, "retire", old)
    assert (refused.exit_code, "may be valid for another" in refused.stderr) == (2, True)
    wait_out(tmp_path / "signing-key.pem")
    assert listed(tmp_path, "retire", old) == {new: "signs"}
    monkeypatch.setattr(key_file, "LOOK_SECONDS", 0.0)
    assert (at(here, before), at(there, before)) == (401, 401), "also where it was remembered"
    assert (at(here, after), at(there, after)) == (200, 200)
    assert [key["kid"] for key in there.http.get("/oauth/jwks.json").json["keys"]] == [new]


def test_the_commands_refuse_with_a_sentence(tmp_path: Path):
    missing = keys(tmp_path, "list")
    assert (missing.exit_code, "signing_key_missing" in missing.stderr) == (1, True)
    assert not (tmp_path / "signing-key.pem").exists()
    (only,) = listed(tmp_path, "rotate")
    signer = keys(tmp_path, "retire", only, "--at-once")
    assert (signer.exit_code, "rotate first" in signer.stderr) == (2, True)
