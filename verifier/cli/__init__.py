"""The command `verifier`: one module a group of commands."""

from verifier.cli.main import main

__all__ = ["main"]
