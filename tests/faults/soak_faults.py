"""What may happen during a soak, as a table: each fault is begun, lasts for a while, and is undone."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from own_redis import OwnRedis
from running import kill
from stage import Instance, Stage, of_kind

from verifier.embedded.home import Home

COMMANDS = ("look", "lease", "fence", "settle", "fill", "info")
DEEDS = ("drop", "lose", "cut", "cut after", "half", "late", "repeat", "hold")
PLACES = (
    "before the fence", "between fence and commit", "between commit and settling",
    "between settling and answer", "between lease and fill", "between append and answer",
    "between copy and commit", "after the cache was emptied", "before the switch goes on",
    "between recall and wait",
)  # fmt: skip
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'verifier'"
TERMINATE = f"SELECT pg_terminate_backend(pid) FROM ({BACKENDS}) AS backends"  # noqa: S608
AWAY = (psycopg.OperationalError, psycopg.InterfaceError)


class Scene:
    """What faults act on."""

    def __init__(self, stage: Stage, home: Path, seed: int) -> None:
        self.stage = stage
        self.home = home
        self.random = Random(seed)  # noqa: S311

    def wait(self, least: float, most: float) -> None:
        time.sleep(self.random.uniform(least, most))

    def redis(self, *command: Any) -> Any:
        with self.stage.redis.client() as client:
            return client.execute_command(*command)

    def either(self) -> Instance:
        return self.random.choice(self.stage.both)

    def postmaster(self) -> int:
        data = Home(self.home).data()
        assert data is not None
        return int((data / "postmaster.pid").read_text().split()[0])


Fault = Callable[[Scene], None]


# Redis.


def redis_frozen(scene: Scene) -> None:
    scene.stage.redis.freeze()
    scene.wait(0.02, 2.5)
    scene.stage.redis.thaw()


def redis_restarted_empty(scene: Scene) -> None:
    scene.stage.redis.kill()
    (scene.stage.folder / "dump.rdb").unlink(missing_ok=True)
    scene.wait(0, 1.5)
    scene.stage.redis.start()


def redis_restarted_with_old_dump(scene: Scene) -> None:
    scene.redis("SAVE")
    scene.wait(0.1, 1)
    scene.stage.redis.kill()
    scene.wait(0, 0.3)
    scene.stage.redis.start()


def redis_failover_to_old_copy(scene: Scene) -> None:
    scene.redis("SAVE")
    with OwnRedis.started() as copy:
        copy.kill()
        shutil.copy(scene.stage.folder / "dump.rdb", copy.folder)
        scene.wait(0.1, 0.6)
        copy.start()
        for instance in scene.stage.both:
            instance.redis_proxy.retarget(copy.socket)
            scene.wait(0, 0.3)
        scene.wait(0.2, 3)
        for instance in scene.stage.both:
            instance.redis_proxy.retarget(scene.stage.redis.socket)


def redis_two_masters(scene: Scene) -> None:
    """One instance sees another server than the other one does, and both go on."""
    scene.redis("SAVE")
    with OwnRedis.started() as copy:
        copy.kill()
        shutil.copy(scene.stage.folder / "dump.rdb", copy.folder)
        copy.start()
        torn = scene.either()
        torn.redis_proxy.retarget(copy.socket)
        scene.wait(0.2, 3)
        torn.redis_proxy.retarget(scene.stage.redis.socket)


def redis_demoted(scene: Scene) -> None:
    scene.redis("REPLICAOF", "127.0.0.1", "1")
    scene.wait(0.05, 1)
    scene.redis("REPLICAOF", "NO", "ONE")


def redis_flushed(scene: Scene) -> None:
    scene.redis("FLUSHALL")


def redis_scripts_flushed(scene: Scene) -> None:
    scene.redis("SCRIPT", "FLUSH")


def redis_connections_killed(scene: Scene) -> None:
    scene.redis("CLIENT", "KILL", "TYPE", "normal")


def redis_paused(scene: Scene) -> None:
    scene.redis("CLIENT", "PAUSE", scene.random.randint(20, 300))


def redis_evicts_some(scene: Scene) -> None:
    with scene.stage.redis.client() as client:
        keys = [key for key in client.scan_iter(count=1000) if scene.random.random() < 0.5]
        if keys:
            client.delete(*keys)


def redis_evicts_all_the_time(scene: Scene) -> None:
    scene.redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    scene.redis("CONFIG", "SET", "maxmemory", 1)
    scene.wait(0.1, 1.5)
    scene.redis("CONFIG", "SET", "maxmemory", 0)


def redis_out_of_memory(scene: Scene) -> None:
    scene.stage.redis.fill()
    scene.wait(0.1, 1.5)
    scene.stage.redis.unfill()


# An instance's way to its servers.


def instance_cut_off_from_redis(scene: Scene) -> None:
    proxy = scene.either().redis_proxy
    proxy.cut() if scene.random.random() < 0.5 else proxy.swallow()
    scene.wait(0.02, 2)
    proxy.mend()


def instance_slow_to_redis(scene: Scene) -> None:
    proxy = scene.either().redis_proxy
    proxy.delay(scene.random.choice((0.005, 0.03, 0.045, 0.06, 0.1)))
    scene.wait(0.1, 1.5)
    proxy.mend()


def one_command_goes_wrong(scene: Scene) -> None:
    proxy = scene.either().redis_proxy
    kind, deed = scene.random.choice(COMMANDS), scene.random.choice(DEEDS)
    proxy.rule(
        deed, of_kind(kind), times=scene.random.randint(1, 8), seconds=scene.random.choice((0.02, 0.08, 0.5))
    )
    scene.wait(0.1, 1.2)
    proxy.mend()


def instance_cut_off_from_database(scene: Scene) -> None:
    proxy = scene.either().database_proxy
    proxy.cut() if scene.random.random() < 0.7 else proxy.swallow()
    scene.wait(0.02, 2)
    proxy.mend()


def instance_slow_to_database(scene: Scene) -> None:
    proxy = scene.either().database_proxy
    proxy.delay(scene.random.choice((0.002, 0.02, 0.3)))
    scene.wait(0.1, 1.5)
    proxy.mend()


# Processes of the service.


def worker_killed(scene: Scene) -> None:
    workers = scene.either().workers()
    if workers:
        kill(scene.random.choice(workers))


def worker_stands_still(scene: Scene) -> None:
    workers = scene.either().workers()
    if workers:
        pid = scene.random.choice(workers)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            scene.wait(0.1, 2.5)
            os.kill(pid, signal.SIGCONT)


def worker_dies_at_a_place(scene: Scene) -> None:
    instance = scene.either()
    instance.haunt(scene.random.choice(PLACES), "die")
    scene.wait(0.5, 1.2)
    (instance.haunted / "note").unlink(missing_ok=True)


def worker_waits_at_a_place(scene: Scene) -> None:
    instance = scene.either()
    instance.haunt(scene.random.choice(PLACES), "wait")
    scene.wait(0.2, 2)
    (instance.haunted / "note").unlink(missing_ok=True)
    instance.go()


def instance_killed(scene: Scene) -> None:
    instance = scene.either()
    instance.kill_everything()
    scene.wait(0, 0.5)
    instance.start()


def clock_jumps(scene: Scene) -> None:
    instance = scene.either()
    instance.move_clock(scene.random.uniform(-5, 5))
    scene.wait(0.1, 2)
    instance.move_clock(0)


# PostgreSQL.


def database_connections_terminated(scene: Scene) -> None:
    with suppress(*AWAY):
        scene.stage.rows(TERMINATE)


def database_killed(scene: Scene) -> None:
    kill(scene.postmaster())
    database_back(scene)


def database_restarted(scene: Scene) -> None:
    os.kill(scene.postmaster(), signal.SIGINT)
    time.sleep(0.5)
    database_back(scene)


def database_back(scene: Scene) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(*AWAY):
            scene.stage.rows("SELECT 1")
            return
        time.sleep(0.1)
    raise AssertionError("PostgreSQL does not come back")


def database_process_stands_still(scene: Scene) -> None:
    with suppress(*AWAY):
        for (pid,) in scene.stage.rows(f"{BACKENDS} ORDER BY random() LIMIT 1"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                scene.wait(0.1, 2)
                os.kill(pid, signal.SIGCONT)


def database_rows_locked(scene: Scene) -> None:
    with suppress(*AWAY), scene.stage.connection() as holder, holder.transaction():
        holder.execute("SET LOCAL lock_timeout = '200ms'")
        with suppress(psycopg.errors.LockNotAvailable):
            holder.execute(
                "SELECT 1 FROM packs WHERE serial IN (SELECT serial FROM events WHERE version IS NOT NULL"
                " ORDER BY received_at DESC LIMIT 5) FOR UPDATE"
            )
            scene.wait(0.1, 2)


def cache_turned_off(scene: Scene) -> None:
    with suppress(*AWAY):
        scene.stage.turn_off()


# fmt: off
FAULTS: tuple[tuple[Fault, int, str], ...] = (
    # fault                            how often  what must not be touched by two at once
    (redis_frozen,                      4, "redis"),
    (redis_restarted_empty,             3, "redis"),
    (redis_restarted_with_old_dump,     4, "redis"),
    (redis_failover_to_old_copy,        4, "redis"),
    (redis_two_masters,                 3, "redis"),
    (redis_demoted,                     2, "redis"),
    (redis_flushed,                     3, "redis"),
    (redis_scripts_flushed,             2, "redis"),
    (redis_connections_killed,          3, "redis"),
    (redis_paused,                      3, "redis"),
    (redis_evicts_some,                 6, "redis"),
    (redis_evicts_all_the_time,         3, "redis"),
    (redis_out_of_memory,               3, "redis"),
    (instance_cut_off_from_redis,       8, "way to redis"),
    (instance_slow_to_redis,            6, "way to redis"),
    (one_command_goes_wrong,           16, "way to redis"),
    (instance_cut_off_from_database,    3, "way to database"),
    (instance_slow_to_database,         3, "way to database"),
    (worker_killed,                     4, "process"),
    (worker_stands_still,               4, "process"),
    (worker_dies_at_a_place,            6, "process"),
    (worker_waits_at_a_place,           8, "process"),
    (instance_killed,                   1, "process"),
    (clock_jumps,                       2, "clock"),
    (database_connections_terminated,   2, "database"),
    (database_killed,                   1, "database"),
    (database_restarted,                1, "database"),
    (database_process_stands_still,     2, "database"),
    (database_rows_locked,              2, "database"),
    (cache_turned_off,                  3, "switch"),
)
# fmt: on
