import os
from pathlib import Path

from verifier.cli.serve import prepare
from verifier.settings import Settings


def test_figures_of_a_killed_process_with_our_number_are_not_ours(tmp_path: Path):
    """In a container the service has the same number after each start."""
    killed, lives, gone = (tmp_path / f"metrics-{pid}" for pid in (os.getpid(), os.getppid(), 2**22 + 1))
    for folder in (killed, lives, gone):
        folder.mkdir()
        (folder / "gauge_livesum_32.db").touch()
    settings = Settings(home=tmp_path, database_url="postgresql://nobody@127.0.0.1/none")
    assert prepare(settings, settings) == killed
    assert list(killed.iterdir()) == []
    assert list(lives.iterdir())
    assert not gone.exists()
