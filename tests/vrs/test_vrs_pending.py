"""What has no answer stays pending with a clock, until it is asked again."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from mischief import Troublemaker
from standin import Responder, network
from vrs_world import alerts, ask, asking_world, enter, foreign, known, pending
from world import World


@pytest.fixture(scope="module")
def world(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = asking_world(tmp_path_factory.mktemp("home"), new_database())
    yield made
    made.service.close()


class TestPending:
    @pytest.mark.parametrize(
        ("mischief", "code"),
        [("never answers", "no_answer"), ("malformed JSON", "no_answer"), ("403", "refused")],
    )
    def test_no_answer_waits_with_a_clock_and_raises_nothing(self, world: World, mischief: str, code: str):
        pack = foreign(world)
        now = datetime(2026, 11, 21, 9, tzinfo=UTC)
        with network(peer := Troublemaker(mischief)):
            enter(world, pack["gtin"], peer.url)
            world.wholesaler.token  # noqa: B018 - before the clock stands still
            with world.clock.at(now):
                told = ask(world.wholesaler, pack)
            assert (told["resale"], told["code"], told["asked"]) == ("pending", code, code)
            with world.clock.at(now + timedelta(hours=5)):
                ask(world.wholesaler, pack)
        with world.clock.at(now + timedelta(hours=6)):
            waiting = pending(world.wholesaler, pack)
        assert waiting == waiting | {
            "gtin": pack["gtin"],
            "lot": pack["lot"],
            "expiry": pack["expiry"],
            "code": code,
            "times": 2,
            "first_asked_at": "2026-11-21T09:00:00Z",
            "last_asked_at": "2026-11-21T14:00:00Z",
            "due_at": "2026-11-22T09:00:00Z",
            "age_seconds": 6 * 3600,
            "overdue": False,
        }
        with world.clock.at(now + timedelta(hours=24)):
            assert pending(world.wholesaler, pack)["overdue"] is True
        assert alerts(world.wholesaler, pack) == []

    @pytest.mark.parametrize("lot", ["as it is", "OTHER"])
    def test_asking_again_answers_it(self, world: World, lot: str):
        pack = foreign(world)
        with network(peer := Troublemaker("503")):
            enter(world, pack["gtin"], peer.url)
            ask(world.wholesaler, pack)
        assert pending(world.wholesaler, pack) is not None
        held = known(pack) if lot == "as it is" else known(pack) | {"lot": lot}
        with network(peer := Responder(held)):
            enter(world, pack["gtin"], peer.url)
            assert ask(world.wholesaler, pack)["resale"] == ("yes" if lot == "as it is" else "no")
        assert pending(world.wholesaler, pack) is None

    def test_an_answer_about_another_lot_does_not_end_the_wait_of_the_pack_itself(self, world: World):
        pack = foreign(world)
        with network(peer := Troublemaker("503")):
            enter(world, pack["gtin"], peer.url)
            ask(world.wholesaler, pack)
        waiting = pending(world.wholesaler, pack)
        with network(peer := Responder(known(pack))):
            enter(world, pack["gtin"], peer.url)
            assert ask(world.wholesaler, pack | {"lot": "OTHER"})["code"] == "mismatch"
            assert pending(world.wholesaler, pack) | {"age_seconds": 0} == waiting | {"age_seconds": 0}
            assert ask(world.wholesaler, pack)["code"] == "ok"
        assert pending(world.wholesaler, pack) is None

    def test_a_question_that_cannot_leave_us_begins_no_clock(self, world: World):
        pack = foreign(world)
        enter(world, pack["gtin"], "https://nobody.invalid")
        told = ask(world.wholesaler, pack)
        assert (told["asked"], told["detail"], told["corrUUID"]) == ("no_answer", "unknown_host", None)
        assert pending(world.wholesaler, pack)["due_at"] is None

    def test_nobody_was_asked_about_a_gtin_that_is_not_listed_so_nothing_is_due(self, world: World):
        pack = foreign(world)
        told = ask(world.wholesaler, pack)
        assert (told["asked"], told["resale"], told["corrUUID"]) == ("unknown_gtin", "pending", None)
        waiting = pending(world.wholesaler, pack)
        assert (waiting["code"], waiting["due_at"], waiting["overdue"]) == ("unknown_gtin", None, False)

    def test_the_clock_begins_with_the_first_question_that_was_sent(self, world: World):
        pack = foreign(world)
        first = datetime(2026, 11, 21, 9, tzinfo=UTC)
        world.wholesaler.token  # noqa: B018 - before the clock stands still
        with world.clock.at(first):
            ask(world.wholesaler, pack)
        with network(peer := Troublemaker("503")), world.clock.at(first + timedelta(hours=3)):
            enter(world, pack["gtin"], peer.url)
            ask(world.wholesaler, pack)
            waiting = pending(world.wholesaler, pack)
        assert (waiting["first_asked_at"], waiting["due_at"]) == (
            "2026-11-21T09:00:00Z",
            "2026-11-22T12:00:00Z",
        )

    @pytest.mark.parametrize("then", ["404", "nobody is listed"])
    def test_the_clock_runs_on_whatever_comes_of_later_questions(self, world: World, then: str):
        pack, first = foreign(world), datetime(2026, 11, 21, 9, tzinfo=UTC)
        world.wholesaler.token  # noqa: B018 - before the clock stands still
        with network(peer := Troublemaker("404")), world.clock.at(first):
            enter(world, pack["gtin"], peer.url)
            assert ask(world.wholesaler, pack)["asked"] == "unknown_gtin"
            if then == "nobody is listed":
                enter(world, pack["gtin"], peer.url, removed=True)
            with world.clock.at(first + timedelta(hours=2)):
                ask(world.wholesaler, pack)
        with world.clock.at(first + timedelta(hours=30)):
            waiting = pending(world.wholesaler, pack)
        assert (waiting["times"], waiting["due_at"], waiting["overdue"]) == (2, "2026-11-22T09:00:00Z", True)

    def test_a_site_sees_its_own_only(self, world: World):
        pack = foreign(world)
        ask(world.wholesaler, pack)
        assert pending(world.other_wholesaler, pack) is None

    def test_pages_have_each_of_them_once(self, world: World, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("verifier.api.vrs.PAGE", 2)
        who = world.person("4012345000177", world.wholesaler.site.type)
        asked = [foreign(world)["serial"] for _ in range(5)]
        for serial in asked:
            ask(who, foreign(world, serial=serial))
        seen, path = [], "/v1/vrs/pending"
        while path:
            answer = who.http.get(path, headers=who.headers())
            seen += [item["serial"] for item in answer.json["pending"]]
            path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
        assert seen == asked
