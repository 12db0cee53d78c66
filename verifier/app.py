"""Settings → adapters → ports → blueprints: the one place where the service is put together."""

import platform
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import Engine

from verifier import __version__, each_request, metrics
from verifier.api import archive, bulk, commands, lms, openapi, packs, problems, returns, system, vrs
from verifier.api.raw_target import RawTarget
from verifier.oauth.authority import Authority
from verifier.oauth.credentials import Credentials
from verifier.oauth.issuers import load_issuers
from verifier.oauth.key_file import KeyFile
from verifier.oauth.protector import Protector
from verifier.oauth.proxy import ProxyIdentity
from verifier.oauth.server import blueprint as oauth_blueprint
from verifier.oauth.signer import Signer
from verifier.oauth.vrs_file import load_vrs
from verifier.peers.config import load_requestor
from verifier.peers.network import PeerNetwork
from verifier.services.ports import Ports
from verifier.services.ports_vrs import Vrs
from verifier.services.responder import Responder
from verifier.services.vrs import ask
from verifier.settings import Settings
from verifier.storage.access import Access
from verifier.storage.archive import Archive
from verifier.storage.cache_sampler import OUTCOMES, CacheSampler
from verifier.storage.control import Control
from verifier.storage.database import connect
from verifier.storage.deadline import Deadline
from verifier.storage.directory import Directory
from verifier.storage.errors import count_errors
from verifier.storage.questions import Questions
from verifier.storage.redis_link import Link, NoRedis
from verifier.storage.redis_links import link_to
from verifier.storage.responder import Responder as ResponderDesk
from verifier.storage.spool import Scans, Spool
from verifier.storage.status_cache import StatusCache
from verifier.storage.store import Store

MAX_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Service:
    """What runs behind the application. `sample` sets its gauges; `close` ends threads and connections."""

    settings: Settings
    ports: Ports
    protector: Protector
    authority: Authority
    control: Control
    engine: Engine
    spool: Spool
    lms: lms.Setup
    sample: Callable[[], None]
    closers: tuple[Callable[[], None], ...]

    def close(self) -> None:
        """End it; for tests and for a clean stop of a worker."""
        for closer in self.closers:
            closer()


def build(settings: Settings, *, threads: int = 8, clock: Callable[[], datetime] | None = None) -> Service:
    """The adapters and the ports, with their upkeep running.

    Args:
        settings: with a database URL; the embedded server's when it is embedded.
        threads: how many requests one process serves at once.
        clock: another clock than the machine's, for tests.
    """
    if settings.database_url is None:
        raise ValueError("a database URL is needed; the embedded servers give one")
    engine = connect(settings.database_url, pool=threads + 2)
    reads = connect(settings.database_url, pool=threads + 2, autocommit=True)
    deadline = Deadline(engine, reads)
    for each in (engine, reads):
        count_errors(each, lambda kind: metrics.DATABASE_ERRORS.labels(kind).inc())
    control = Control(reads)
    link = _link(settings, threads)
    cache = StatusCache(
        reads, control, link, count=lambda outcome: metrics.of(metrics.LOOKUPS, outcome).inc()
    )
    control.start(cache.upkeep)
    samples = {outcome: metrics.SAMPLES.labels(outcome) for outcome in OUTCOMES}  # from nothing on
    compared = CacheSampler(reads, control, link, cache, count=lambda outcome: samples[outcome].inc())
    compared.start()
    access = Access(engine)
    authority = Authority(access, KeyFile(settings.signing_key), settings.issuer, settings.audience)
    foreign = load_issuers(settings.oauth_issuers_file) if settings.oauth_issuers_file else ()
    protector = Protector(authority, foreign, generation=control.access_generation)
    requestor = load_requestor(settings.requestor_file)
    network = PeerNetwork(requestor, at_once=max(threads // 2, 1))
    store = Store(engine, cache)
    spool = Spool(engine, settings.home / "spool")
    sample = partial(_sample, control, link, engine, spool)
    sampler = metrics.Sampler(sample)
    metrics.BUILD.labels(__version__, platform.python_version()).set(1)
    return Service(
        settings=settings,
        ports=Ports(
            reader=cache,
            store=store,
            scans=Scans(spool, store),
            archive=Archive(engine),
            clock=clock or _now,
            new_id=uuid.uuid4,
            local_date=_local_date,
            vrs=Vrs(
                directory=Directory(engine, reads),
                network=network,
                questions=Questions(engine),
                contexts=requestor.contexts,
                window_days=requestor.window_days,
            ),
            sign=Signer(authority.keys).sign,
            ask=ask,
            window_days=requestor.window_days,
        ),
        protector=protector,
        authority=authority,
        control=control,
        engine=engine,
        spool=spool,
        lms=_lms(settings, protector, ResponderDesk(reads, control)),
        sample=sample,
        closers=(
            sampler.stop,
            compared.stop,
            spool.close,
            control.stop,
            deadline.stop,
            link.close,
            network.close,
            engine.dispose,
            reads.dispose,
        ),
    )


def create_app(service: Service) -> Flask:
    """The WSGI application over a built service."""
    app = Flask("verifier", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["verifier"] = service
    problems.register(app)
    _routes(app)
    app.register_blueprint(oauth_blueprint(service.authority))
    app.register_blueprint(system.blueprint)
    each_request.watch(app)
    app.wsgi_app = RawTarget(app.wsgi_app)  # type: ignore[method-assign]
    return app


def document() -> dict[str, Any]:
    """The OpenAPI document as it is served at /openapi.json, without a running service."""
    app = Flask("verifier", static_folder=None)
    api = _routes(app)
    with app.app_context():
        return api.spec.to_dict()  # type: ignore[no-any-return]


def _routes(app: Flask) -> openapi.ProblemApi:
    api = openapi.configure(app, "Verifier", __version__)
    for module in (packs, bulk, commands, archive, returns, lms, vrs):
        api.register_blueprint(module.blueprint)
    openapi.finish(api)
    return api


def _lms(settings: Settings, protector: Protector, desk: ResponderDesk) -> lms.Setup:
    file = load_vrs(settings.vrs_file, auth=settings.vrs_auth, credentials=settings.vrs_credentials)
    checked = settings.vrs_credentials != "off" and file.trust is not None
    return lms.Setup(
        responder=Responder(desk, settings.vrs_misses_per_hour, settings.responder_gln),
        rules=file.rules,
        version=file.version,
        proxy=ProxyIdentity(file.proxy, protector) if settings.vrs_auth == "proxy" and file.proxy else None,
        credentials=Credentials(file.trust, desk.present) if checked and file.trust else None,
        required=settings.vrs_credentials == "require",
    )


def _link(settings: Settings, threads: int) -> Link:
    if settings.cache_mode == "off" or settings.redis_url is None:
        return NoRedis()
    return link_to(settings.redis_url, connections=threads + 2)


def _sample(control: Control, link: Link, engine: Engine, spool: Spool) -> None:
    """The gauges of this process as things stand now."""
    state = control.current()
    metrics.SWITCH_ON.set(state is not None and state.cache_on)
    metrics.BREAKER_OPEN.set(not isinstance(link, NoRedis) and link.broken)
    metrics.POOL_IN_USE.set(engine.pool.checkedout())  # type: ignore[attr-defined]
    metrics.SPOOL_WAITING.set(spool.waiting)


def _now() -> datetime:
    return datetime.now(UTC)


def _local_date(instant: datetime, timezone: str) -> date:
    return instant.date() if timezone == "UTC" else instant.astimezone(ZoneInfo(timezone)).date()
