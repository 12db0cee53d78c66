"""Verifier: is this medicine pack genuine, and may I hand it out, take it back, or sell it on?"""

from importlib.metadata import version

__version__ = version("pack-verifier")
