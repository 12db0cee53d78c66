"""GS1 messages: the files of both sides, and whether peers give us their tokens."""

from collections.abc import Iterator

from verifier.cli.checks.finding import Finding, ok, warning, wrong
from verifier.oauth.faults import MisconfiguredError
from verifier.oauth.vrs_file import load_vrs
from verifier.peers.addresses import Resolver
from verifier.peers.client import Client, NoAnswerError
from verifier.peers.config import MisconfiguredRequestorError, Requestor, load_requestor
from verifier.peers.tokens import Grant, Tokens
from verifier.settings import Settings


def responder(settings: Settings) -> Iterator[Finding]:
    """Can its file be used? Nothing is said where there is none."""
    if settings.vrs_file is None:
        return
    try:
        load_vrs(settings.vrs_file, auth=settings.vrs_auth, credentials=settings.vrs_credentials)
    except MisconfiguredError as error:
        yield wrong("D031", f"{error}.", "Correct the file; docs/responder.md shows one.")
    else:
        yield ok("D031", f"{settings.vrs_file} can be used.")


def speaker(settings: Settings, nameless: int | None) -> Iterator[Finding]:
    """Does every message that we answer name a GLN? Nothing is said where all do."""
    if settings.responder_gln is None and nameless:
        found = f"{nameless:,} products name no manufacturer: messages about them are answered by 404."
        remedy = "Set VERIFIER_RESPONDER_GLN, or give them a manufacturer_gln (PUT /v1/products/{gtin})."
        yield warning("D034", found, remedy)


def requestor(settings: Settings) -> Iterator[Finding]:
    """Can its file be used, and does each peer that gives tokens give us one?"""
    if settings.requestor_file is None:
        return
    try:
        used = load_requestor(settings.requestor_file)
    except MisconfiguredRequestorError as error:
        yield wrong("D032", f"{error}.", "Correct the file; docs/requestor.md shows one.")
        return
    yield ok("D032", f"{settings.requestor_file} can be used.")
    yield from _tokens(used)


def _tokens(used: Requestor) -> Iterator[Finding]:
    client = Client(Resolver(loopback=used.loopback), ca_file=used.ca_file)
    tokens = Tokens(client)
    for prefix, grant in used.credentials.items():
        if not isinstance(grant, Grant):
            continue
        try:
            tokens.authorization(grant, seconds=used.seconds)
        except NoAnswerError as error:
            remedy = (
                f"Check client_id and client_secret with that party, and that {grant.token_url} is reached."
            )
            yield wrong("D033", f"{prefix} gives no token: {error.code}.", remedy)
        else:
            yield ok("D033", f"{prefix} gives a token.")
    client.close()
