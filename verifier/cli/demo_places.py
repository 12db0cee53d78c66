"""Where the demo runs: services as a user would start them, their commands, their API."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import urllib3

START_S = 60
_http: Any = urllib3.PoolManager()


class DemoFailed(Exception):
    """Something did not come out as it must."""


class Place:
    """A service with a home of its own; `more` are settings without their prefix."""

    def __init__(self, folder: Path, **more: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.log = folder / "service.log"
        self.address = ""
        self._more = {f"VERIFIER_{name}": value for name, value in more.items()}
        self._requests = 0

    @property
    def environment(self) -> dict[str, str]:
        """The environment without anybody's settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VERIFIER_")}
        return kept | {"VERIFIER_HOME": str(self.folder / "home")} | self._more

    @contextmanager
    def serving(self, *options: str) -> Iterator[None]:
        """`verifier serve` on a free port.

        Raises:
            DemoFailed: it does not start.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "verifier", "serve", "--port", str(port), *options]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                command, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
            try:
                self.address = _address(process)
                yield
            except DemoFailed:
                click.echo(self.log.read_text(errors="replace")[-4000:], err=True)
                raise
            finally:
                process.terminate()
                process.wait(timeout=START_S)

    def command(self, *arguments: str) -> Any:
        """A `verifier` command and its JSON result.

        Raises:
            DemoFailed: it says that something is wrong.
        """
        done = subprocess.run(
            [sys.executable, "-m", "verifier", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_S,
        )
        if done.returncode != 0:
            raise DemoFailed(f"verifier {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def client(self, name: str, gln: str, kind: str, country: str, scopes: str) -> tuple[str, str]:
        """A site and a client that speaks for it: the client's id and secret."""
        self.command("site", "add", "--gln", gln, "--name", name, "--type", kind, "--country", country)
        made = self.command("client", "add", f"{name} desk", "--gln", gln, "--scope", scopes)
        return made["client_id"], made["client_secret"]

    def api(self, client: tuple[str, str], path: str, body: Any = None) -> dict[str, Any]:
        """A call of the API that the scanner has no command for; with a body a POST."""
        asked = {"grant_type": "client_credentials"}
        basic = urllib3.make_headers(basic_auth=":".join(client))
        token_url = f"{self.address}/oauth/token"
        grant = _http.request("POST", token_url, fields=asked, headers=basic, encode_multipart=False).json()
        self._requests += 1
        headers = {
            "Authorization": f"Bearer {grant['access_token']}",
            "Idempotency-Key": f"demo-{self._requests}",
        }
        method = "GET" if body is None else "POST"
        answer = _http.request(method, f"{self.address}{path}", json=body, headers=headers)
        return dict(answer.json())

    def keys(self) -> dict[str, Any]:
        """The published keys."""
        return dict(_http.request("GET", f"{self.address}/oauth/jwks.json").json())


def _address(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith("ready on "):
        raise DemoFailed("the service did not start")
    return line.removeprefix("ready on ").strip()
