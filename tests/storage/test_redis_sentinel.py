"""A master with a replica, named in the URL or found by Sentinels: whoever it is now, no answer is stale."""

from collections.abc import Callable, Iterator

import pytest
from cut_off import is_settle
from instances import Doing, Gate, Processes, behind, new_pack, until
from own_redis import OwnRedis
from redis_fleet import SERVICE, Server, Watched
from traffic import Traffic, admitted_anew, in_use, passed, running, was_right

from verifier.domain.pack import State
from verifier.storage.condition import redis_facts
from verifier.storage.control import PERMISSION_S
from verifier.storage.redis_connection import ALONE, REPLICA, REPLICATED
from verifier.storage.redis_link import CacheUnavailable, RedisLink
from verifier.storage.redis_links import link_to
from verifier.storage.redis_sentinel import SentinelLink

OLD, NEW = (State.ACTIVE, 0), (State.DISPENSED, 1)


@pytest.fixture(scope="module")
def pair() -> Iterator[Watched]:
    """Left as a master and its replica by every test that takes it."""
    with Watched.started(watch=False) as started:
        yield started


@pytest.fixture
def watched() -> Iterator[Watched]:
    with Watched.started() as started:
        yield started


# Who answers.


def test_a_server_that_is_alone_is_asked_once_and_a_replicated_one_with_every_question(
    pair: Watched, own_redis: OwnRedis
):
    asked: dict[str, int] = {}
    for server, kind in ((own_redis, ALONE), (pair.master, REPLICATED)):
        link = RedisLink(server.url)
        identity = link.probe()
        assert (identity or "").startswith(kind)
        with server.client() as client:
            client.config_resetstat()
            for _ in range(7):
                link.ask(identity, "GET", "verifier:x")
            asked[kind] = client.info("commandstats").get("cmdstat_info", {"calls": 0})["calls"]
        link.close()
    assert asked[ALONE] == 0
    assert asked[REPLICATED] >= 7, "the Sentinel asks too"


def test_how_many_replicas_there_are_is_no_part_of_the_identity(pair: Watched):
    link = RedisLink(pair.master.url)
    identity = link.probe()
    pair.replica.kill()
    until(lambda: pair.master.info("replication")["connected_slaves"] == 0, "no replica")
    assert link.probe() == identity
    assert link.ask(identity, "GET", "verifier:x") is None
    fresh = RedisLink(pair.master.url)
    assert fresh.probe() == identity
    pair.replica.again()
    pair.replica.follow(pair.master)
    assert link.probe() == identity
    for each in (link, fresh):
        each.close()


def test_a_master_that_is_demoted_under_a_living_connection_answers_nothing_any_more(pair: Watched):
    link = RedisLink(pair.master.url)
    identity = link.probe()
    link.ask(identity, "SET", "verifier:x", "stale")
    pair.master.tell("REPLICAOF", "127.0.0.1", pair.replica.port)
    for _ in range(2):  # on the connection of before, and on a new one
        with pytest.raises(CacheUnavailable, match="AnotherServer"):
            link.ask_all(identity, ("GET", "verifier:x"), ("GET", "verifier:y"))
    assert (link.probe() or "").startswith(REPLICA)
    pair.master.tell("REPLICAOF", "NO", "ONE")
    with pytest.raises(CacheUnavailable, match="AnotherServer"):
        link.ask(identity, "GET", "verifier:x")
    assert link.probe() not in (None, identity), "a second term is another one"
    pair.master.tell("DEL", "verifier:x")
    pair.replica.follow(pair.master)
    link.close()


def test_a_master_that_came_back_as_one_answers_nothing_on_a_connection_from_before(pair: Watched):
    """Between two questions it was a replica, and took over what the other one had."""
    link = RedisLink(pair.master.url)
    identity = link.probe()
    assert link.ask(identity, "GET", "verifier:x") is None
    pair.master.tell("REPLICAOF", "127.0.0.1", pair.replica.port)
    pair.master.tell("REPLICAOF", "NO", "ONE")
    with pytest.raises(CacheUnavailable, match="AnotherServer"):
        link.ask(identity, "GET", "verifier:x")
    pair.replica.follow(pair.master)
    link.close()


def test_a_fill_to_a_server_that_was_demoted_comes_to_nothing(pair: Watched):
    link = RedisLink(pair.master.url)
    identity = link.probe()
    pair.master.tell("REPLICAOF", "127.0.0.1", pair.replica.port)
    link.tell(identity, "SET", "verifier:late", "x")
    assert (link.probe() or "").startswith(REPLICA)
    assert pair.replica.tell("GET", "verifier:late") is None
    pair.master.tell("REPLICAOF", "NO", "ONE")
    assert pair.master.tell("GET", "verifier:late") is None
    pair.replica.follow(pair.master)
    link.close()


def test_a_replica_is_never_admitted(processes: Processes, pair: Watched, caplog: pytest.LogCaptureFixture):
    process = processes(pair.replica.url)
    for _ in range(3):
        process.tick()
        processes.sleep(PERMISSION_S)
    assert not process.control.refresh().cache_on
    assert "this Redis is a replica" in caplog.text


def test_a_server_that_was_alone_and_is_given_a_replica_is_admitted_anew(
    processes: Processes, own_redis: OwnRedis
):
    process = processes(own_redis.url)
    processes.admit()
    epoch = process.control.refresh().epoch
    own_redis.listen()
    with Server.at_a_port() as replica:
        replica.tell("REPLICAOF", "127.0.0.1", own_redis.port)
        own_redis.wait_for_replica()
        process.tick()
        assert not process.control.refresh().cache_on
        processes.admit()
        assert process.control.refresh().epoch == epoch + 2
        pack = new_pack(process)
        process.warm(pack)
        assert process.dispense(pack) == "ok"
        process.warm(pack)


# The Sentinels.


def test_a_link_leads_to_the_master_of_the_moment_and_the_one_of_before_is_another(watched: Watched):
    link = link_to(watched.url)
    first = link.probe()
    assert (first or "").startswith(REPLICATED)
    assert link.ask(first, "SET", "verifier:x", 1) == b"OK"
    assert redis_facts(watched.url).identity == first
    watched.fail_over()
    watched.wait_for(watched.replica)
    second = link.probe()
    assert second not in (None, first)
    with pytest.raises(CacheUnavailable):
        link.ask(first, "GET", "verifier:x")
    assert link.ask(second, "SET", "verifier:x", 2) == b"OK"
    assert watched.replica.tell("GET", "verifier:x") == b"2"
    link.close()


def test_without_sentinels_the_master_of_before_goes_on_and_at_the_start_there_is_none(watched: Watched):
    link, late = link_to(watched.url), link_to(watched.url)
    identity = link.probe()
    watched.sentinel.kill()
    assert link.probe() == identity
    assert link.ask(identity, "GET", "verifier:x") is None
    assert late.probe() is None
    assert late.broken
    with pytest.raises(CacheUnavailable):
        late.ask(identity, "GET", "verifier:x")
    with pytest.raises(CacheUnavailable, match="no Sentinel"):
        redis_facts(watched.url)
    for each in (link, late):
        each.close()


def test_a_service_that_the_sentinels_do_not_know_is_nowhere(pair: Watched):
    url = pair.url.replace(SERVICE, "unknown")
    link = link_to(url)
    assert isinstance(link, SentinelLink)
    assert link.probe() is None
    link.close()


# The protocol, over a failover.


def operator(watched: Watched) -> None:
    """The old master does not hear of it at once: for some seconds there are two."""
    watched.fail_over()
    watched.wait_for(watched.replica)


def death(watched: Watched) -> None:
    watched.master.kill()
    watched.wait_for(watched.replica)


def two_masters(watched: Watched) -> None:
    """The other one was promoted by Sentinels that do not reach the first."""
    watched.replica.tell("REPLICAOF", "NO", "ONE")
    watched.watch(watched.replica)
    assert watched.master.is_master


def demotion(watched: Watched) -> None:
    """The first one is a replica at once, under connections that live."""
    two_masters(watched)
    watched.master.tell("REPLICAOF", "127.0.0.1", watched.replica.port)


@pytest.mark.parametrize("fault", [operator, death, two_masters, demotion], ids=lambda fault: fault.__name__)
def test_another_master_in_the_middle_of_traffic(
    new_database: Callable[[], str], watched: Watched, fault: Callable[[Watched], None]
):
    with running(new_database(), watched.url) as live:
        in_use(*live)
        with Traffic(live) as traffic:
            passed(traffic, 20)
            epoch, before = live[0].control.refresh().epoch, live[0].control.refresh().identity
            fault(watched)
            admitted_anew(traffic, live, epoch)
            assert live[0].control.refresh().identity != before
    was_right(traffic)


def test_processes_that_hear_of_different_masters_never_show_different_packs(
    new_database: Callable[[], str], watched: Watched
):
    """One is told of the first master, one of the second, as by Sentinels that do not reach each other."""
    with running(new_database(), watched.url) as live:
        in_use(*live)
        near, far = live
        with Traffic(live) as traffic:
            passed(traffic, 10)
            watched.replica.tell("REPLICAOF", "NO", "ONE")
            other = ("127.0.0.1", watched.replica.port)
            far.link._sentinels.master = lambda: other  # type: ignore[attr-defined]
            epoch = near.control.refresh().epoch
            until(lambda: near.control.refresh().epoch > epoch + 3, "each admits its own")
            del far.link._sentinels.master  # type: ignore[attr-defined]
            in_use(near, far)
            passed(traffic, 10)
    was_right(traffic)


def test_a_lagging_replica_that_is_promoted_shows_nothing_of_what_it_missed(
    processes: Processes, watched: Watched
):
    writer, reader = processes(watched.url), processes(watched.url)
    processes.admit()
    pack = new_pack(writer)
    reader.warm(pack)
    until(lambda: watched.replica.tell("GET", writer.key(pack)) is not None, "the value at the replica")
    watched.replica.tell("REPLICAOF", "127.0.0.1", 1)
    assert writer.dispense(pack) == "ok"
    key = writer.key(pack)
    watched.master.kill()
    watched.replica.tell("REPLICAOF", "NO", "ONE")
    watched.watch(watched.replica)
    assert watched.replica.tell("GET", key).startswith(b"V:0:"), "the stale value is there to be read"
    assert [process.find(pack) for process in (writer, reader)] == [NEW] * 2
    reader.tick()
    assert not writer.control.refresh().cache_on
    processes.admit()
    assert reader.find(pack) == NEW
    assert watched.replica.tell("GET", key) is None, "what was not ours is gone"


def test_a_master_that_is_demoted_between_fence_and_settling(processes: Processes, watched: Watched):
    """The replica knows the value from before the fence: what it shows later is not believed."""
    writer, reader = processes(watched.url), processes(watched.url)
    processes.admit()
    pack = new_pack(writer)
    reader.warm(pack)
    gate = Gate()
    with behind(gate, writer.link, "ask", before=True, only=is_settle):
        dispensing = Doing(writer.dispense, pack)
        gate.wait()
        demotion(watched)
        gate.open()
        assert dispensing.result() == "ok"
    assert not reader.control.refresh().cache_on, "the settling was not confirmed"
    assert reader.find(pack) == NEW
    processes.admit()
    assert [process.find(pack) for process in (writer, reader)] == [NEW] * 2
