"""A process full of people: `python soak_people.py ORDERS`. Prints its counts every second, as JSON.

Each lane is somebody with a kept-open connection to each instance, who looks at packs, dispenses, undoes and
destroys them as fast as answers come. Every answer goes into its pack's history, which is examined
whenever nobody is at the pack, so that memory stays bounded. It ends when its standard input does.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec
from linear import NEVER, Kind, Operation, PackHistory
from soak_lane import Answer, Lane, Login

EXAMINED_EVERY, LIFE = 24, 240
"""Operations on a pack between two examinations, and in all."""
IN_BULK = 0.3
"""So many looks are at all packs at once, in one request: most of what is checked, at little cost."""
LOT_SIZE, AFTER_RECALL = 4, 0.5
RECALL_EVERY_S = 4.0
PATIENCE_S = 45.0
# what people do, by what was last seen of the pack: mostly green looks, as at a counter
WEIGHTS = {
    "active": {Kind.LOOK: 2000, Kind.DISPENSE: 100, Kind.UNDO: 4, Kind.DESTROY: 1},
    "dispensed": {Kind.LOOK: 30, Kind.DISPENSE: 5, Kind.UNDO: 40, Kind.DESTROY: 1},
    "destroyed": {Kind.LOOK: 10, Kind.DISPENSE: 1, Kind.UNDO: 1, Kind.DESTROY: 1},
}
PATHS = {
    Kind.LOOK: ("/v1/verify", b"{%s}"),
    Kind.DISPENSE: ("/v1/dispense", b"{%s}"),
    Kind.UNDO: ("/v1/reactivate", b'{%s,"not_supplied_to_public":true}'),
    Kind.DESTROY: ("/v1/decommission", b'{%s,"reason":"destroyed"}'),
}
COMMANDS = {"recall": "recalled", "hold": "on_hold"}


@dataclass
class Lot:
    """What was commanded about it, when, and when that was acknowledged."""

    name: str
    code: str = ""
    asked: float = NEVER
    told: float = NEVER


@dataclass
class Pack:
    serial: str
    body: bytes
    lot: Lot
    history: PackHistory = field(default_factory=PackHistory)
    seen: str = "active"
    at_it: int = 0
    done: int = 0

    @property
    def resting(self) -> bool:
        """Nobody new may come until it was examined."""
        return len(self.history.waiting) + self.at_it >= EXAMINED_EVERY


class People:
    """All lanes of this process, and the packs that they share."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.orders = orders
        self.counts: Counter[str] = Counter()
        self.examples: list[str] = []
        self.random = Random(orders["seed"])  # noqa: S311
        self.ending = False
        self._numbers = itertools.count()
        self._keys = itertools.count()
        self._lots: dict[int, Lot] = {}
        self._packs: list[Pack] = []
        self._login = Login(orders["client_id"], orders["client_secret"])

    async def run(self) -> None:
        lanes = self.orders["lanes"]
        self._packs = [self._pack() for _ in range(max(8, lanes * 4))]
        works = [self._work(Lane(self.orders["ports"], self._login)) for _ in range(lanes)]
        works.append(self._recall(Lane(self.orders["ports"], Login(*self.orders["operator"]))))
        telling = asyncio.ensure_future(self._tell())
        asyncio.ensure_future(self._listen())  # noqa: RUF006 - ends with the process
        await asyncio.gather(*works)
        telling.cancel()
        for pack in self._packs:
            self._examine(pack)
        self._say(done=True)

    def _pack(self) -> Pack:
        number = next(self._numbers)
        serial = f"{self.orders['prefix']}{number:07d}"
        lot = self._lots.setdefault(number // LOT_SIZE, Lot(f"{self.orders['prefix']}{number // LOT_SIZE}"))
        self._lots.pop(number // LOT_SIZE - 4, None)
        self.counts["packs"] = number + 1
        elements = {"gtin": self.orders["gtin"], "serial": serial, "lot": lot.name, "expiry": "2099-12-31"}
        return Pack(serial, msgspec.json.encode(elements)[1:-1], lot)

    # One lane.

    async def _work(self, lane: Lane) -> None:
        while not self.ending:
            pack = self.random.choice(self._packs)
            if pack.resting:
                await asyncio.sleep(0)
                continue
            weights = WEIGHTS[pack.seen]
            (kind,) = self.random.choices(list(weights), list(weights.values()))
            at_all = kind is Kind.LOOK and self.random.random() < IN_BULK
            packs = [one for one in self._packs if not one.resting] if at_all else [pack]
            for one in packs:
                one.at_it += 1
            try:
                if at_all:
                    await self._look_at_all(lane, packs)
                elif kind is Kind.LOOK:
                    await self._look(lane, pack)
                else:
                    await self._change(lane, pack, kind)
            finally:
                for one in packs:
                    one.at_it -= 1
                    one.done += 1
            for one in packs:
                self._leave(one)
        await lane.close()

    def _leave(self, pack: Pack) -> None:
        """Whoever goes last from a pack at which enough was done examines it; another may take its place."""
        if pack.at_it == 0 and pack.resting:
            self._examine(pack)
            recalled = time.monotonic() > pack.lot.told + AFTER_RECALL
            if recalled or pack.seen == "destroyed" or pack.done >= LIFE:
                self._packs[self._packs.index(pack)] = self._pack()

    async def _look_at_all(self, lane: Lane, packs: list[Pack]) -> None:
        called = time.monotonic()
        answers = await lane.look_at_all(self.random.randrange(2), [pack.body for pack in packs])
        if not answers:
            self._unanswered(None)
        for pack, answer in zip(packs, answers, strict=bool(answers)):
            self._saw(pack, called, answer)

    async def _look(self, lane: Lane, pack: Pack) -> None:
        where = self.random.randrange(2)
        called = time.monotonic()
        self._saw(pack, called, await lane.ask(where, *self._request(Kind.LOOK, pack)))

    def _saw(self, pack: Pack, called: float, answer: Answer | None) -> None:
        if answer is None or answer.state is None:
            self._unanswered(answer)
            return
        self.counts["looks"] += 1
        pack.seen = answer.state
        pack.history.add(Operation(Kind.LOOK, called, time.monotonic(), None, answer.status_of_pack()))
        self._compare_with_lot(pack.lot, called, answer)

    async def _change(self, lane: Lane, pack: Pack, kind: Kind) -> None:
        """Asked for again with its key, at either instance, until its outcome is known."""
        key = f"{self.orders['prefix']}{next(self._keys)}"
        called = time.monotonic()
        while time.monotonic() < called + PATIENCE_S:
            answer = await lane.ask(self.random.randrange(2), *self._request(kind, pack), key)
            if answer is not None and answer.state is not None:
                self.counts["changes"] += 1
                self.counts["accepted"] += bool(answer.accepted)
                shown, pack.seen = answer.status_of_pack(), answer.state
                pack.history.add(Operation(kind, called, time.monotonic(), answer.accepted, shown))
                return
            self._unanswered(answer)
            await asyncio.sleep(0.05)
        self.counts["unknown"] += 1
        pack.history.add(Operation(kind, called, NEVER))

    def _request(self, kind: Kind, pack: Pack) -> tuple[str, bytes]:
        path, form = PATHS[kind]
        return path, form % pack.body

    def _unanswered(self, answer: Answer | None) -> None:
        self.counts["unanswered"] += 1
        if answer is not None and answer.status not in (401, 409, 503):
            self._wrong("unexpected", f"{answer.status} {answer.code}")

    # Recalls.

    async def _recall(self, lane: Lane) -> None:
        while not self.ending:
            await asyncio.sleep(RECALL_EVERY_S * self.random.uniform(0.5, 1.5))
            lot = self.random.choice(self._packs).lot
            if lot.asked < NEVER:
                continue
            command = self.random.choice(list(COMMANDS))
            body = msgspec.json.encode({"gtin": self.orders["gtin"], "lot": lot.name, "reason": "soak"})
            lot.code, lot.asked = COMMANDS[command], time.monotonic()
            key = f"{self.orders['prefix']}{next(self._keys)}"
            answer = None
            while answer is None or answer.status != 200:
                answer = await lane.ask(self.random.randrange(2), f"/v1/batches/{command}", body, key)
                if answer is None or answer.status != 200:
                    self._unanswered(answer)
                    if self.ending:
                        return
                    await asyncio.sleep(0.05)
            lot.told = time.monotonic()
            self.counts["recalls"] += 1

    def _compare_with_lot(self, lot: Lot, called: float, answer: Answer) -> None:
        shown = answer.code == lot.code
        if called > lot.told and not shown:
            self._wrong("stale", f"lot {lot.name} was {lot.code}, a look showed {answer.code}")
        if answer.code in COMMANDS.values() and (not shown or time.monotonic() < lot.asked):
            self._wrong("stale", f"lot {lot.name} was {answer.code} before anybody had asked for it")

    # What is wrong.

    def _examine(self, pack: Pack) -> None:
        self.counts["operations"] += len(pack.history.waiting)
        operations = list(pack.history.waiting)
        found = pack.history.examine()
        self.counts["disordered"] += found.disordered
        for one in found.stale:
            self._wrong("stale", f"{pack.serial}: {one}")
        if found.impossible:
            self._wrong("impossible", f"{pack.serial}: {operations}")
            pack.history = PackHistory()
            pack.done = LIFE

    def _wrong(self, what: str, example: str) -> None:
        self.counts[what] += 1
        if len(self.examples) < 20:
            self.examples.append(f"{what}: {example}")

    # Talking with whoever has started this.

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._say()

    async def _listen(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        self.ending = True

    def _say(self, *, done: bool = False) -> None:
        told = {"counts": self.counts, "examples": self.examples, "done": done}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(People(json.loads(sys.argv[1])).run())
