"""The `scanner` command: pictures and codes in, one result a pack out.

Results go to stdout, all else to stderr. A terminal gets a panel a pack, a pipe a line, `--json` an object.

Exit codes: 1 usage or configuration; else the first that applies of 2 at least one red, 3 at least one not
checked, 4 at least one amber (something small or of one's own is to be put right); 0 all green.
`decode` ends with 0 when every picture gave a pack code, else with 3.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from scanner_client import config, display
from scanner_client.checker import Ask, CheckResult, Run
from scanner_client.decode import decode_file
from scanner_client.pictures import SUFFIXES
from scanner_client.remote import Remote
from scanner_client.samples import FEWEST, write_samples

USAGE = 1
EXIT_CODES = {"red": 2, "grey": 3, "amber": 4}
"""By signal, the gravest first."""
NOT_CHECKED = EXIT_CODES["grey"]
REASONS = ("destroyed", "exported", "sample", "free_sample", "stolen", "locked", "checked_out")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pack-verifier", prog_name="scanner")
def cli() -> None:
    """Read the codes of medicine packs and ask the service about them.

    Exit code: 0 all green, 2 at least one red, 3 at least one not checked, 4 at least one amber; 1 usage or
    configuration.
    """


def _pack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command that asks the service takes."""
    for decorate in (
        click.argument("sources", nargs=-1, required=True, metavar="IMAGE_OR_CODE..."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a line."),
        click.option("--manual", is_flag=True, help="The codes were typed by hand: slips are forgiven."),
        click.option(
            "--timeout", type=click.FloatRange(0.1, 120), default=10.0, show_default=True, help="Seconds."
        ),
    ):
        command = decorate(command)
    return command


_seal = click.option(
    "--seal", type=click.Choice(["intact", "broken", "not_checked"]), help="The anti-tampering device."
)


@cli.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, one for each picture.")
def decode(images: tuple[Path, ...], *, as_json: bool) -> NoReturn:
    """Read pack codes from pictures, without asking the service."""
    console, code = Console(highlight=False), 0
    for image in images:
        picture = decode_file(image, today=_today())
        if as_json:
            click.echo(display.picture_json(picture))
        elif console.is_terminal:
            display.show_picture(console, picture)
        else:
            for line in display.picture_lines(picture):
                click.echo(line)
        if picture.reason is not None:
            code = NOT_CHECKED
            click.echo(display.clean(f"{picture.file}: {picture.reason}: {picture.detail}"), err=True)
        else:
            for unread in picture.unread:
                click.echo(
                    display.clean(f"{picture.file}: one more code is unreadable: {unread.detail}"), err=True
                )
    sys.exit(code)


@cli.command()
@_pack_options
@_seal
def verify(seal: str | None, **given: Any) -> NoReturn:
    """Ask what each pack is, changing nothing."""
    extra = _fields(seal=seal)
    _run(given, lambda remote: lambda code, mode, _: remote.verify(code, entry_mode=mode, **extra))


@cli.command()
@_pack_options
@_seal
def dispense(seal: str | None, **given: Any) -> NoReturn:
    """Record each pack as supplied to a patient."""
    extra = _fields(seal=seal)
    _run(
        given,
        lambda remote: (
            lambda code, mode, key: remote.dispense(code, idempotency_key=key, entry_mode=mode, **extra)
        ),
    )


@cli.command()
@_pack_options
@click.option(
    "--not-supplied-to-public", is_flag=True, help="Declare that the pack never left for a patient."
)
def reactivate(*, not_supplied_to_public: bool, **given: Any) -> NoReturn:
    """Undo this site's own change of each pack."""
    extra = _fields(not_supplied_to_public=not_supplied_to_public or None)
    _run(
        given,
        lambda remote: (
            lambda code, mode, key: remote.reactivate(code, idempotency_key=key, entry_mode=mode, **extra)
        ),
    )


@cli.command("return")
@_pack_options
@_seal
def returns_check(seal: str | None, **given: Any) -> NoReturn:
    """Ask whether each returned pack may be sold on, changing nothing."""
    extra = _fields(seal=seal)
    _run(given, lambda remote: lambda code, mode, _: remote.returns_check(code, entry_mode=mode, **extra))


@cli.command()
@_pack_options
@click.option("--reason", required=True, type=click.Choice(REASONS))
def decommission(reason: str, **given: Any) -> NoReturn:
    """Take each pack out of the supply chain, for a reason."""
    _run(
        given,
        lambda remote: (
            lambda code, mode, key: remote.decommission(
                code, reason=reason, idempotency_key=key, entry_mode=mode
            )
        ),
    )


@cli.command()
@click.option("--url", prompt="Server address", help="https://host[:port]")
@click.option("--client-id", prompt="Client id")
@click.option(
    "--client-secret",
    prompt="Client secret",
    hide_input=True,
    envvar="SCANNER_CLIENT_SECRET",
    show_envvar=True,
)
@click.option("--insecure", is_flag=True, help="Allow plain http beyond this machine.")
def login(url: str, client_id: str, client_secret: str, *, insecure: bool) -> None:
    """Try server and client, and remember them for the other commands."""
    tried = config.Config(url.strip(), client_id.strip(), client_secret.strip(), insecure)
    refused = _remote(tried, 10.0).log_in()
    if refused is not None:
        click.echo(f"not logged in: {display.clean(refused.detail)}", err=True)
        sys.exit(USAGE if refused.reason in {"unauthorized", "forbidden"} else NOT_CHECKED)
    path = config.config_path(os.environ)
    config.save(tried, path)
    click.echo(f"logged in to {tried.url}; kept in {path}", err=True)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same samples.")
@click.option(
    "--packs", type=click.IntRange(FEWEST), default=48, show_default=True, help="Rows of packs.csv."
)
def samples(folder: Path, seed: int, packs: int) -> None:
    """Write sample packs (CSV) and pictures of their codes."""
    try:
        manifest = write_samples(folder, seed=seed, packs=packs)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror or error}") from error
    for picture in manifest["pictures"]:
        click.echo(folder / picture["file"])


def _run(given: dict[str, Any], bind: Callable[[Remote], Ask]) -> NoReturn:
    """Check every source, print each result as it comes, end with the exit code."""
    sources = [_source(each) for each in given["sources"]]
    remote = _remote(config.load(os.environ), given["timeout"])
    run = Run(bind(remote), _today())
    results = _results(run, sources, "manual" if given["manual"] else "scanned")
    sys.exit(_exit_code(_print(results, as_json=given["as_json"])))


def _results(run: Run, sources: Iterable[Path | str], entry_mode: str) -> Iterator[CheckResult]:
    for source in sources:
        if isinstance(source, Path):
            yield from run.picture(source)
        else:
            yield run.text(source, entry_mode)


def _print(results: Iterable[CheckResult], *, as_json: bool) -> set[str]:
    """Print; give back the signals that were shown."""
    console, signals = Console(highlight=False), set()
    for result in results:
        signals.add(result.signal)
        if as_json:
            click.echo(display.result_json(result))
        elif console.is_terminal:
            display.show_result(console, result)
        else:
            click.echo(display.result_line(result))
    return signals


def _exit_code(signals: set[str]) -> int:
    """The first that applies: something red, something not checked, something amber."""
    return next((code for signal, code in EXIT_CODES.items() if signal in signals), 0)


def _source(text: str) -> Path | str:
    """A picture where the text names a file or ends like one; else a code."""
    path = Path(text)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # too long, or with a null: no name of a file
        is_file = False
    if is_file:
        return path
    if path.suffix.lower() in SUFFIXES:
        raise click.BadParameter(f"there is no picture {display.clean(text)}")
    return text


def _remote(settings: config.Config, timeout: float) -> Remote:
    try:
        return Remote(
            settings.url,
            settings.client_id,
            settings.client_secret,
            timeout=timeout,
            insecure=settings.insecure,
        )
    except ValueError as error:
        raise config.ConfigError(str(error)) from error


def _fields(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _today() -> date:
    return datetime.now(UTC).date()


def main(arguments: list[str] | None = None) -> NoReturn:
    """The entry point: no stack trace reaches the counter, and usage faults end with 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a product's name must not end a run where letters are missing
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(cli.main(arguments, prog_name="scanner", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except config.ConfigError as error:
        click.echo(f"scanner: {error}", err=True)
        sys.exit(USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(NOT_CHECKED)
    except BrokenPipeError:
        # Whoever read the results has gone; Python's own flush at the end would fail loudly too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(NOT_CHECKED)
    except Exception as error:  # noqa: BLE001 - the last line: say it in one line, and never as checked
        click.echo(f"scanner: internal fault ({type(error).__name__}): not checked", err=True)
        sys.exit(NOT_CHECKED)
