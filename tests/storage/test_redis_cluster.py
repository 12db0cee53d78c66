"""A Redis Cluster as the status cache: failover, resharding and redirections, and no answer is stale."""

import threading
from collections.abc import Callable, Iterator

import pytest
from cut_off import is_settle
from instances import Doing, Gate, Processes, behind, new_pack, until
from redis.crc import key_slot
from redis_fleet import Cluster, Server
from traffic import Traffic, admitted_anew, in_use, passed, running, was_right

from verifier.domain.codes import PackCode
from verifier.domain.pack import State
from verifier.storage.condition import redis_facts
from verifier.storage.redis_cluster import ClusterLink
from verifier.storage.redis_connection import NODE
from verifier.storage.redis_link import UNSETTLED, CacheUnavailable, Link, RedisLink
from verifier.storage.redis_links import link_to

OLD, NEW = (State.ACTIVE, 0), (State.DISPENSED, 1)
KEYS = [f"verifier:{{{number}}}" for number in range(30)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Left with the same masters, slots and no keys by every test that takes it."""
    with Cluster.started() as started:
        yield started


@pytest.fixture
def mortal() -> Iterator[Cluster]:
    with Cluster.started() as started:
        yield started


@pytest.fixture
def link(cluster: Cluster) -> Iterator[Link]:
    made = link_to(cluster.url)
    settled(made)
    yield made
    assert made.empty(settled(made), "verifier:")
    made.close()


def settled(link: Link) -> str:
    """Its identity, when the masters agree."""
    until(lambda: (link.probe() or UNSETTLED)[: len(UNSETTLED)] != UNSETTLED, "masters that agree")
    return link.probe() or ""


def slot_of(pack: PackCode) -> int:
    slot: int = key_slot(f"{pack.gtin}:{pack.serial}".encode())
    return slot


def elsewhere(cluster: Cluster, slot: int) -> tuple[Server, Server]:
    """The master of a slot, and another one."""
    source = cluster.owner(slot)
    return source, next(node for node in cluster.masters if node is not source)


# Its masters.


def test_every_process_gives_a_cluster_the_same_identity(cluster: Cluster, link: Link):
    other = link_to(cluster.url.replace(cluster.masters[1].address, cluster.masters[2].address))
    identity = settled(link)
    assert {link.probe() for _ in range(5)} | {other.probe()} == {identity}
    facts = redis_facts(cluster.url)
    version = cluster.masters[0].info("server")["redis_version"]
    assert (facts.identity, facts.version, facts.maxmemory) == (identity, version, 0)
    assert (facts.policy, facts.appends, facts.saves, facts.stray) == ("noeviction", False, False, False)
    other.close()


def test_each_key_is_at_its_node_and_a_question_may_have_keys_of_several(cluster: Cluster, link: Link):
    identity = settled(link)
    for number, key in enumerate(KEYS):
        assert link.ask(identity, "SET", key, number) == b"OK"
    script = "return redis.call('GET', KEYS[1])"
    assert [link.ask(identity, "EVAL", script, 1, key) for key in KEYS] == [b"%d" % n for n in range(30)]
    assert link.ask_all(identity, *(("GET", key) for key in KEYS)) == [b"%d" % n for n in range(30)]
    assert all(node.tell("DBSIZE") for node in cluster.masters)
    drawn = {link.ask(identity, "RANDOMKEY") for _ in range(300)}
    assert len(drawn) > 20


def test_another_cluster_than_the_one_that_is_meant_is_not_asked(link: Link):
    settled(link)
    for identity in (None, "cluster:another"):
        with pytest.raises(CacheUnavailable):
            link.ask(identity, "GET", KEYS[0])
        with pytest.raises(CacheUnavailable):
            link.tell(identity, "SET", KEYS[0], "x")


def test_the_first_question_of_a_process_needs_no_probe_before_it(cluster: Cluster, link: Link):
    identity = settled(link)
    late = link_to(cluster.url)
    assert late.ask(identity, "GET", KEYS[0]) is None
    late.close()


def test_all_masters_are_emptied_or_where_another_program_has_a_key_none(cluster: Cluster, link: Link):
    identity = settled(link)
    for key in KEYS:
        link.ask(identity, "SET", key, "x")
    stranger = next(
        f"cart:{n}" for n in range(99) if cluster.owner(key_slot(b"cart:%d" % n)) is cluster.masters[2]
    )
    cluster.masters[2].tell("SET", stranger, "theirs")
    assert not link.empty(identity, "verifier:")
    assert sum(node.tell("DBSIZE") for node in cluster.masters) == len(KEYS) + 1
    cluster.masters[2].tell("DEL", stranger)
    assert link.empty(identity, "verifier:")
    assert [node.tell("DBSIZE") for node in cluster.masters] == [0] * 3


def test_a_single_node_of_a_cluster_is_not_admitted(cluster: Cluster):
    single = RedisLink(cluster.masters[0].url)
    assert (single.probe() or "").startswith(NODE)
    single.close()


def test_a_master_that_comes_back_before_it_was_missed_makes_another_cluster(cluster: Cluster, link: Link):
    identity = settled(link)
    cluster.masters[2].kill()
    assert link.probe() is None
    assert link.broken
    cluster.masters[2].again()
    cluster.wait_until_whole()
    assert settled(link) != identity
    assert not link.broken


def test_a_cluster_of_which_nobody_answers_is_nobody():
    link = link_to("redis+cluster://127.0.0.1:1,127.0.0.1:2")
    assert not link.broken
    with pytest.raises(CacheUnavailable):
        link.ask("cluster:x", "GET", "verifier:x")
    assert link.probe() is None
    assert link.broken
    link.close()


# Redirections.


def test_a_question_for_a_key_that_is_on_its_way_or_has_gone_has_no_answer(cluster: Cluster, link: Link):
    identity = settled(link)
    key = KEYS[0]
    slot = key_slot(key.encode())
    source, target = elsewhere(cluster, slot)
    link.ask(identity, "SET", key, "x")
    cluster.begin_move(slot, source, target)
    assert link.ask(identity, "GET", key) == b"x", "still there"
    assert (link.probe() or "").startswith(UNSETTLED)
    cluster.move_keys(slot, source, target)
    with pytest.raises(CacheUnavailable, match="AskError"):
        link.ask(identity, "GET", key)
    cluster.end_move(slot, target)
    with pytest.raises(CacheUnavailable, match="MovedError"):
        link.ask(identity, "SET", key, "y")
    link.tell(identity, "SET", key, "y")
    with pytest.raises(CacheUnavailable, match="MovedError"):
        link.ask(
            identity,
            "GET",
            next(other for other in KEYS[1:] if cluster.owner(key_slot(other.encode())) is source),
        )
    assert settled(link) != identity
    cluster.move(slot, target, source)
    assert settled(link) != identity, "a slot that went and came back makes another cluster"


def test_a_slot_without_a_master_takes_the_cluster_down(cluster: Cluster, link: Link):
    identity = settled(link)
    key = next(key for key in KEYS if cluster.owner(key_slot(key.encode())) is cluster.masters[2])
    slot = key_slot(key.encode())
    cluster.masters[2].tell("CLUSTER", "DELSLOTS", slot)
    with pytest.raises(CacheUnavailable, match="ClusterDownError"):
        link.ask(identity, "GET", key)
    assert (link.probe() or "").startswith(UNSETTLED)
    cluster.masters[2].tell("CLUSTER", "ADDSLOTS", slot)
    cluster.wait_until_whole()


# The protocol, over whatever happens to the cluster.


def operator(cluster: Cluster) -> None:
    cluster.fail_over()


def death(cluster: Cluster) -> None:
    cluster.masters[0].kill()


@pytest.mark.parametrize("fault", [operator, death], ids=lambda fault: fault.__name__)
def test_another_master_in_the_middle_of_traffic_over_a_cluster(
    new_database: Callable[[], str], mortal: Cluster, fault: Callable[[Cluster], None]
):
    with running(new_database(), mortal.url) as live:
        in_use(*live)
        with Traffic(live, packs=6) as traffic:
            passed(traffic, 20)
            epoch = live[0].control.refresh().epoch
            fault(mortal)
            admitted_anew(traffic, live, epoch)
    was_right(traffic)


def test_slots_that_move_in_the_middle_of_traffic(new_database: Callable[[], str], cluster: Cluster):
    with running(new_database(), cluster.url) as live:
        in_use(*live)
        with Traffic(live, packs=3) as traffic:
            passed(traffic, 20)
            epoch = live[0].control.refresh().epoch
            moves = [(slot_of(pack), *elsewhere(cluster, slot_of(pack))) for pack in traffic.packs]
            for slot, source, target in moves:
                cluster.begin_move(slot, source, target)
                passed(traffic, 2)
                cluster.move_keys(slot, source, target)
                passed(traffic, 2)
                cluster.end_move(slot, target)
            admitted_anew(traffic, live, epoch)
            for slot, source, target in moves:
                cluster.move(slot, target, source)
            passed(traffic, 10)
    was_right(traffic)


@pytest.mark.parametrize("until_when", ["half-way", "gone"])
def test_a_slot_that_moves_between_fence_and_settling(
    processes: Processes, cluster: Cluster, until_when: str
):
    writer, reader = processes(cluster.url), processes(cluster.url)
    settled(writer.link)
    processes.admit()
    pack = new_pack(writer)
    reader.warm(pack)
    slot = slot_of(pack)
    source, target = elsewhere(cluster, slot)
    gate = Gate()
    with behind(gate, writer.link, "ask", before=True, only=is_settle):
        dispensing = Doing(writer.dispense, pack)
        gate.wait()
        cluster.begin_move(slot, source, target)
        cluster.move_keys(slot, source, target)
        if until_when == "gone":
            cluster.end_move(slot, target)
        gate.open()
        assert dispensing.result() == "ok"
    assert not reader.control.refresh().cache_on, "the settling was not confirmed"
    assert reader.find(pack) == NEW
    cluster.end_move(slot, target)
    settled(reader.link)
    processes.admit()
    assert [process.find(pack) for process in (writer, reader)] == [NEW] * 2
    cluster.move(slot, target, source)
    settled(reader.link)


def test_while_a_slot_is_on_its_way_the_switch_goes_off_and_stays_off(
    processes: Processes, cluster: Cluster, caplog: pytest.LogCaptureFixture
):
    process = processes(cluster.url)
    settled(process.link)
    processes.admit()
    source, target = elsewhere(cluster, 7)
    cluster.begin_move(7, source, target)
    for _ in range(4):
        process.tick()
        assert not process.control.refresh().cache_on
        processes.sleep(1.0)
    assert "a slot has no master or is being moved" in caplog.text
    cluster.give_up(7)
    settled(process.link)
    processes.admit()


def test_a_lagging_replica_that_takes_its_masters_place_shows_nothing_of_what_it_missed(
    processes: Processes, mortal: Cluster
):
    writer, reader = processes(mortal.url), processes(mortal.url)
    settled(writer.link)
    processes.admit()
    first = mortal.masters[0]
    pack = next(pack for pack in iter(lambda: new_pack(writer), None) if mortal.owner(slot_of(pack)) is first)
    reader.warm(pack)
    key = writer.key(pack)
    until(lambda: key.encode() in mortal.replica.tell("KEYS", "*"), "the value at the replica")
    mortal.replica.tell("CONFIG", "SET", "masterauth", "wrong")
    mortal.replica.tell("CLIENT", "KILL", "TYPE", "master")
    assert writer.dispense(pack) == "ok"
    first.kill()
    mortal.replica.tell("CLUSTER", "FAILOVER", "TAKEOVER")
    until(lambda: mortal.owner(slot_of(pack)) is mortal.replica, "the replica in its master's place")
    assert mortal.replica.tell("GET", key).startswith(b"V:0:"), "the stale value is there to be read"
    assert [process.find(pack) for process in (writer, reader)] == [NEW] * 2
    settled(reader.link)
    reader.tick()
    assert not writer.control.refresh().cache_on
    processes.admit()
    assert reader.find(pack) == NEW
    assert mortal.replica.tell("GET", key) is None, "what was not ours is gone"


def test_threads_of_one_process_ask_all_nodes_at_once(link: Link):
    identity = settled(link)
    assert isinstance(link, ClusterLink)
    wrong: list[object] = []

    def ask(number: int) -> None:
        for turn in range(60):
            key = f"verifier:{{{number}-{turn}}}"
            link.ask(identity, "SET", key, key)
            got = link.ask_all(identity, ("GET", key), ("SET", key, "L", "NX"))
            if got != [key.encode(), None]:
                wrong.append(got)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
