"""The returns desk asks the network: about packs that are not ours, and no longer than a person waits."""

from collections.abc import Iterable
from datetime import timedelta

from verifier.domain.lifecycle import Action, decide
from verifier.domain.pack import Actor
from verifier.domain.questions import Heard
from verifier.domain.resale import CODES, Asked
from verifier.domain.returns import NOT_ASKED, Session
from verifier.domain.scan import Scan
from verifier.services import packs
from verifier.services.ports import Ports

CONTEXT = "dscsaSaleableReturn"
FOREIGN = frozenset({"unknown_product", "unknown_batch"})
"""Of these packs our own repository knows nothing: the network is asked."""
PATIENCE = timedelta(seconds=10)
"""So long one request asks the network; what is left stays pending and is asked with the next recheck."""
NOTHING_HEARD = Heard(NOT_ASKED, CODES["not_asked"])


class Hurry:
    """Asks the network, for all the scans of one request together no longer than `PATIENCE`."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._until = ports.clock() + PATIENCE
        known = ports.vrs.contexts
        self._context = CONTEXT if CONTEXT in known else known[0]

    @property
    def may_ask(self) -> bool:
        """Is there anybody to ask, and time?"""
        return self._ports.ask is not None and self._ports.clock() < self._until

    def ask(self, actor: Actor, scan: Scan, *, associated: bool | None) -> Heard:
        """What the network says; nothing, when there is nobody to ask or no time left."""
        if self._ports.ask is None or not self.may_ask:
            return NOTHING_HEARD
        heard = self._ports.ask(self._ports, actor, scan, context=self._context, associated=associated)
        if heard.resale.resale == "yes" and heard.asking.asked is not Asked.VERIFIED:
            return Heard(heard.asking, CODES["no_answer"], heard.alert)
        return heard

    def ask_all(self, actor: Actor, session: Session, scans: Iterable[Scan]) -> dict[tuple[str, str], Heard]:
        """About those of these packs that are not ours, by GTIN and serial; nothing where time ran out."""
        associated = session.transaction_data.associated
        heard = {}
        for scan in scans:
            found = self._ports.reader.find(scan.code)
            attempt = packs.attempt_of(self._ports, actor, Action.LOOK, scan)
            if decide(packs.profile_of(found), attempt, found).code in FOREIGN:
                heard[scan.code.gtin, scan.code.serial] = self.ask(actor, scan, associated=associated)
        return heard
