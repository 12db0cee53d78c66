"""A real PostgreSQL and a real Redis for a laptop, an evaluation or a test: nothing to install, no port.

Several processes may use one home at the same time; the first starts the servers, the last that leaves stops
them, and after any kill -9 the next user finds everything that was committed.
"""

from verifier.embedded.errors import EmbeddedError
from verifier.embedded.session import Servers, running, servers

__all__ = ["EmbeddedError", "Servers", "running", "servers"]
