"""The proxy goes wrong as it is told, and only so."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import redis
from own_redis import OwnRedis
from proxy import Loop, Proxy
from redis.backoff import NoBackoff
from redis.retry import Retry
from running import until
from wires import Postgres, Resp, kind_of

TIMEOUT_S = 0.3


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server() -> Iterator[OwnRedis]:
    with OwnRedis.started() as started:
        yield started


@pytest.fixture
def proxy(loop: Loop, server: OwnRedis) -> Iterator[Proxy]:
    made = Proxy(loop, ("127.0.0.1", 0), server.socket)
    with server.client() as direct:
        direct.flushall()
    yield made
    made.close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[Any]:
    options = {"socket_timeout": TIMEOUT_S, "retry": Retry(NoBackoff(), 0), "protocol": 2}
    with redis.Redis("127.0.0.1", proxy.address[1], **options) as made:
        made.ping()
        yield made


def is_set(words: tuple[bytes, ...]) -> bool:
    return words[0] == b"SET"


def is_incr(words: tuple[bytes, ...]) -> bool:
    return words[0] == b"INCRBY"


def test_without_rules_everything_comes_through(client: Any):
    big = b"x" * 300_000
    assert client.set("big", big)
    assert client.get("big") == big
    with client.pipeline(transaction=False) as many:
        for number in range(500):
            many.set(f"k{number}", number)
        assert many.execute() == [True] * 500


def test_a_dropped_question_never_arrives_and_a_lost_answer_was_given(
    proxy: Proxy, client: Any, server: OwnRedis
):
    for what, arrived in (("drop", None), ("lose", b"1")):
        rule = proxy.rule(what, is_set)
        with pytest.raises(redis.TimeoutError):
            client.set(what, 1)
        assert rule.met.is_set()
        with server.client() as direct:
            assert direct.get(what) == arrived
        assert client.set(what, 2), "once only"


def test_a_held_question_arrives_after_its_client_has_gone(proxy: Proxy, client: Any, server: OwnRedis):
    rule = proxy.rule("hold", is_set)
    with pytest.raises(redis.TimeoutError):
        client.set("held", 1)
    client.connection_pool.disconnect()
    with server.client() as direct:
        assert direct.get("held") is None
        rule.release()
        until(lambda: direct.get("held") == b"1", "the held question there")


def test_a_repeated_question_arrives_twice(proxy: Proxy, client: Any):
    proxy.rule("repeat", is_incr, seconds=0.05)
    assert client.incr("number") == 1
    until(lambda: client.get("number") == b"2", "the repeated question there")
    assert client.incr("number") == 3


def test_a_late_answer_is_late_and_another_one_is_another(proxy: Proxy, client: Any):
    client.set("here", "there")
    proxy.rule("late", lambda words: words[0] == b"GET", seconds=TIMEOUT_S * 2)
    with pytest.raises(redis.TimeoutError):
        client.get("here")
    proxy.rule("instead", lambda words: words[0] == b"GET", instead=lambda _true: b"$4\r\nelse\r\n")
    assert client.get("here") == b"else"
    assert client.get("here") == b"there"


@pytest.mark.parametrize(("what", "happened"), [("cut", None), ("cut after", b"1"), ("half", b"1")])
def test_a_connection_that_is_cut(proxy: Proxy, client: Any, server: OwnRedis, what: str, happened: bytes):
    proxy.rule(what, is_incr)
    with pytest.raises(redis.ConnectionError):
        client.incr(what)
    with server.client() as direct:
        assert direct.get(what) == happened
    assert client.ping()


def test_cut_off_silent_slow_and_mended(proxy: Proxy, client: Any):
    proxy.cut()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    proxy.mend()
    assert client.ping()
    proxy.swallow()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    proxy.mend()
    proxy.delay(TIMEOUT_S * 2)
    with pytest.raises(redis.TimeoutError):
        client.ping()
    proxy.mend()
    assert client.ping()


def test_after_a_half_close_nothing_comes_and_what_is_sent_still_arrives(proxy: Proxy, server: OwnRedis):
    with socket.create_connection(proxy.address) as plain:
        plain.settimeout(TIMEOUT_S * 10)
        plain.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert plain.recv(100) == b"+PONG\r\n"
        proxy.half_close()
        plain.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$1\r\n1\r\n")
        assert plain.recv(100) == b""
    with server.client() as direct:
        until(lambda: direct.get("half") == b"1", "what was sent there")


def test_another_server_at_the_same_address(proxy: Proxy, client: Any):
    client.set("which", "first")
    with OwnRedis.started() as second:
        proxy.retarget(second.socket)
        assert client.get("which") is None


@pytest.fixture
def database(loop: Loop, new_database: Callable[[], str]) -> Iterator[tuple[Proxy, str]]:
    parts = urlsplit(new_database())
    target = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    made = Proxy(loop, ("127.0.0.1", 0), target, Postgres, attentive=True)
    yield (
        made,
        f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{made.address[1]}{parts.path}?sslmode=disable",
    )
    made.close()


def test_a_commit_that_never_arrives_and_one_whose_answer_never_does(database: tuple[Proxy, str]):
    proxy, url = database
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (n int)")
    for what, kept in (("cut", 0), ("cut after", 1)):
        proxy.rule(what, lambda words: words[0] == b"COMMIT")
        connection = psycopg.connect(url)
        connection.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (kept,)


def test_a_prepared_statement_is_known_by_its_text_and_rows_are_copied(database: tuple[Proxy, str]):
    proxy, url = database
    with psycopg.connect(url, prepare_threshold=1) as connection:
        connection.execute("CREATE TEMPORARY TABLE t (n int)")
        with connection.cursor().copy("COPY t FROM STDIN") as copy:
            for number in range(20_000):
                copy.write_row((number,))
        for _ in range(3):
            assert connection.execute("SELECT count(*) AS special FROM t WHERE n >= %s", (0,)).fetchone() == (
                20_000,
            )
        rule = proxy.rule("late", lambda words: b"special" in words[0], seconds=0.01)
        connection.execute("SELECT count(*) AS special FROM t WHERE n >= %s", (0,))
        assert rule.met.is_set()


def test_only_what_is_about_it_meets_a_rule_while_many_ask(proxy: Proxy):
    proxy.rule("late", lambda words: words[-1] == b"slow", times=20, seconds=0.01)
    wrong = []

    def ask(number: int) -> None:
        options = {"protocol": 2, "socket_timeout": 5}
        with redis.Redis("127.0.0.1", proxy.address[1], **options) as own:
            for turn in range(50):
                name = f"{number}-{turn}" if turn % 5 else "slow"
                if own.echo(name) != name.encode():
                    wrong.append(name)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_bytes_that_come_one_by_one_are_put_together():
    wire = Resp()
    asked = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n"
    answered = b"+OK\r\n*2\r\n$1\r\n0\r\n*1\r\n$-1\r\n:5\r\n"
    questions = [piece for byte in asked for piece in wire.questions(bytes([byte]))]
    answers = [piece.data for byte in answered for piece in wire.answers(bytes([byte]))]
    assert [piece.words for piece in questions] == [(b"SET", b"k", b"a\r\nb"), (b"PING",)]
    assert answers == [b"+OK\r\n", b"*2\r\n$1\r\n0\r\n*1\r\n$-1\r\n", b":5\r\n"]
    assert wire.between


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ((b"GET", b"k"), "look"),
        ((b"SET", b"k", b"L:1", b"NX", b"PX", b"9"), "lease"),
        ((b"SET", b"k", b"F:1", b"PX", b"9"), "fence"),
        ((b"EVAL", b"script", b"1", b"k", b"L:1", b"V:0:[]", b"9"), "fill"),
        ((b"EVALSHA", b"0a", b"1", b"k", b"12"), "settle"),
        ((b"EVALSHA", b"0a", b"1", b"k", b"L:1"), "give back"),
        ((b"INFO", b"server"), "info"),
    ],
)
def test_what_a_command_is_for(words: tuple[bytes, ...], kind: str):
    assert kind_of(words) == kind
