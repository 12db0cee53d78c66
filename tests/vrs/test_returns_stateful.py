"""Whatever people do at a session in whatever order, it stands as a plain model of it does."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from returning import SAID, Desk, Network, load_case, new_key, new_sscc, open_session, with_network
from world import Person, World

LOTS = ("A", "B")
TWO = st.integers(0, 1)


@dataclass
class Model:
    """A session in dictionaries: what is counted under (GTIN, serial), and the rest in numbers."""

    expected: dict[Any, int] | None
    by_lot: bool
    counted: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    duplicate: int = 0
    refused_cases: int = 0
    closed: bool = False

    def totals(self) -> dict[str, Any]:
        said = [resale for resale, _ in self.counted.values()]
        totals: dict[str, Any] = dict.fromkeys(("expected", "matched", "extra", "missing"))
        if self.expected is not None:
            came: dict[Any, int] = {}
            for (gtin, serial), (_, lot) in self.counted.items():
                name = (gtin, lot) if self.by_lot else (gtin, serial)
                came[name] = came.get(name, 0) + 1
            matched = sum(min(count, came.get(name, 0)) for name, count in self.expected.items())
            expected = sum(self.expected.values())
            totals |= {
                "expected": expected, "matched": matched, "extra": len(said) - matched,
                "missing": expected - matched,
            }  # fmt: skip
        return totals | {
            "scanned": len(said), "saleable": said.count("yes"), "refused": said.count("no"),
            "pending": said.count("pending"), "overdue": 0, "duplicate": self.duplicate,
            "refused_cases": self.refused_cases,
        }  # fmt: skip


class Sessions(RuleBasedStateMachine):
    """One session and its people."""

    world: ClassVar[World]

    @initialize(kind=st.sampled_from(["none", "packs", "lots"]))
    def begin(self, kind: str) -> None:
        world = self.world
        self.network = Network()
        moved = with_network(world, self.network)
        self.people: list[Person] = [moved(world.wholesaler), moved(world.wholesaler)]
        gtin = world.new_gtin()
        self.gtin = "0" + gtin
        self.own = [world.pack(gtin=gtin, stored=False, lot=LOTS[n % 2]) for n in range(6)]
        world.load(*self.own, profile="us_dscsa")
        self.foreign = [world.pack(stored=False) for _ in range(3)]
        self.cases = {}
        for lots in (("A", "A"), ("A", "B")):
            sscc = new_sscc()
            packs = [world.pack(gtin=gtin, stored=False, lot=lot) for lot in lots]
            load_case(world, packs, sscc)
            self.cases[sscc] = packs
        self.gone: set[str] = set()
        sent: dict[str, Any] = {}
        expected: dict[Any, int] | None = None
        if kind == "packs":
            listed = [*self.own[:3], self.foreign[0]]
            sent = {"expected_packs": [{name: pack[name] for name in ("gtin", "serial")} for pack in listed]}
            expected = {("0" + pack["gtin"], pack["serial"]): 1 for pack in listed}
        if kind == "lots":
            sent = {"expected_lots": [{"gtin": gtin, "lot": lot, "count": 2} for lot in LOTS]}
            expected = {(self.gtin, lot): 2 for lot in LOTS}
        self.model = Model(expected, by_lot=kind == "lots")
        self.desk: Desk = open_session(self.people[0], **sent)
        self.answered: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.summary = b""

    def scan(self, who: int, sent: dict[str, Any]) -> dict[str, Any]:
        keyed = sent | {"idempotency_key": new_key()}
        told = self.desk.as_(self.people[who]).scan(keyed)
        if "outcome" in told:
            self.answered.append((keyed, told))
        return told

    def expect(self, told: dict[str, Any], pack: dict[str, Any], resale: str) -> None:
        """Of one pack: closed, duplicate, or counted with this resale."""
        name = "0" + pack["gtin"], pack["serial"]
        if self.model.closed:
            assert told["code"] == "session_closed"
        elif name in self.model.counted:
            resale, lot = self.model.counted[name]
            same = lot == pack["lot"]
            assert (told["outcome"], told["resale"]) == ("duplicate", "no")
            assert told["code"] == ("duplicate" if same else "mismatch")
            self.model.counted[name] = resale if same else "no", lot
            self.model.duplicate += 1
        else:
            assert (told["outcome"], told["resale"]) == ("counted", resale)
            self.model.counted[name] = resale, pack["lot"]

    def own_resale(self, pack: dict[str, Any]) -> str:
        return "no" if pack["serial"] in self.gone else "yes"

    @rule(who=TWO, number=st.integers(0, 5))
    def own_pack(self, who: int, number: int) -> None:
        pack = self.own[number]
        self.expect(self.scan(who, pack), pack, self.own_resale(pack))

    @rule(who=TWO, number=st.integers(0, 5))
    def mismatch(self, who: int, number: int) -> None:
        pack = self.own[number] | {"lot": "WRONG"}
        self.expect(self.scan(who, pack), pack, "no")

    @rule(who=TWO, number=st.integers(0, 2))
    def unknown_serial(self, who: int, number: int) -> None:
        pack = self.own[0] | {"serial": f"NEVER{number}"}
        self.expect(self.scan(who, pack), pack, "no")

    @rule(who=TWO, number=st.integers(0, 2), said=st.sampled_from(sorted(SAID)))
    def foreign_pack(self, who: int, number: int, said: str) -> None:
        pack = self.foreign[number]
        self.network.says[pack["serial"]] = said
        self.expect(self.scan(who, pack), pack, SAID[said])

    @rule(who=TWO, number=TWO)
    def case(self, who: int, number: int) -> None:
        sscc, packs = list(self.cases.items())[number]
        told = self.scan(who, {"sscc": sscc})
        names = [("0" + pack["gtin"], pack["serial"]) for pack in packs]
        scanned = sum(name in self.model.counted for name in names)
        if self.model.closed:
            assert told["code"] == "session_closed"
        elif len({pack["lot"] for pack in packs}) > 1:
            assert told["code"] == "case_mixed"
            self.model.refused_cases += 1
        elif scanned == len(packs):
            assert told["outcome"] == "duplicate"
            self.model.duplicate += 1
        elif scanned:
            assert told["code"] == "case_partly_scanned"
            self.model.refused_cases += 1
        elif all(pack["serial"] in self.gone for pack in packs):
            assert told["code"] == "case_empty"
            self.model.refused_cases += 1
        elif any(pack["serial"] in self.gone for pack in packs):
            assert told["code"] == "case_opened"
            self.model.refused_cases += 1
        else:
            for name, pack in zip(names, packs, strict=True):
                self.model.counted[name] = self.own_resale(pack), pack["lot"]
            assert {pack["serial"]: pack["resale"] for pack in told["packs"]} == {
                pack["serial"]: self.own_resale(pack) for pack in packs
            }

    @rule(who=TWO, number=TWO)
    def pack_of_a_case(self, who: int, number: int) -> None:
        pack = list(self.cases.values())[number][0]
        self.expect(self.scan(who, pack), pack, self.own_resale(pack))

    @rule(number=st.integers(0, 9))
    def dispense(self, number: int) -> None:
        packs = [*self.own, *(pack for case in self.cases.values() for pack in case)]
        self.world.corner_pharmacy.dispense(packs[number])
        self.gone.add(packs[number]["serial"])

    @rule(who=TWO, said=st.sampled_from(sorted(SAID)))
    def recheck(self, who: int, said: str) -> None:
        for pack in self.foreign:
            self.network.says[pack["serial"]] = said
        answer = self.desk.as_(self.people[who]).recheck()
        if self.model.closed:
            assert answer.json["code"] == "session_closed"
            return
        assert answer.status_code == 200, answer.text
        for name, (resale, lot) in list(self.model.counted.items()):
            if resale == "pending":
                self.model.counted[name] = SAID[said], lot

    @precondition(lambda self: self.answered)
    @rule(number=st.integers(0, 99))
    def again(self, number: int) -> None:
        """A scan sent again by the same client keeps its answer, whatever has happened since."""
        sent, told = self.answered[number % len(self.answered)]
        assert self.desk.scan(sent) == told | {"replayed": True}

    @precondition(lambda self: len(self.model.counted) > 3)
    @rule(who=TWO)
    def close(self, who: int) -> None:
        answer = self.desk.as_(self.people[who]).close()
        if self.model.closed:
            assert answer.json["code"] == "session_closed"
            return
        assert answer.status_code == 200, answer.text
        for name, (resale, lot) in list(self.model.counted.items()):
            if name[1] in self.gone and resale == "yes":
                self.model.counted[name] = "no", lot
        assert answer.json["summary"]["totals"] == self.model.totals()
        self.summary, self.model.closed = answer.data, True

    @invariant()
    def it_stands_as_the_model_does(self) -> None:
        if not hasattr(self, "desk"):
            return
        assert self.desk.look()["totals"] == self.model.totals()
        if self.summary:
            assert self.people[1].get(f"{self.desk.path}/summary").data == self.summary


@pytest.mark.parametrize("world", ["off"], indirect=True, scope="module")
def test_any_story_of_a_session_is_told_as_the_plain_model_tells_it(world: World):
    Sessions.world = world
    run(
        Sessions,
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
