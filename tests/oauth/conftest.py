import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from oauth_world import CORNER, ISSUER, OTHER, World
from outside import JwksServer
from sqlalchemy import Engine

from verifier.domain.pack import Site, SiteType
from verifier.oauth.authority import Authority
from verifier.oauth.keys import SigningKey
from verifier.oauth.server import blueprint
from verifier.storage.access import Access


@pytest.fixture(scope="module")
def access(engine: Engine) -> Access:
    return Access(engine)


@pytest.fixture(scope="module")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load_or_create(tmp_path_factory.mktemp("key") / "signing.pem")


@pytest.fixture
def world(access: Access, signing_key: SigningKey) -> World:
    corner = access.add_site(Site(CORNER, "Corner pharmacy", SiteType.PHARMACY, "DE"))
    other = access.add_site(Site(OTHER, "Other pharmacy", SiteType.PHARMACY, "FR", "Chain", "Europe/Paris"))
    authority = Authority(access, signing_key, issuer=ISSUER)
    app = Flask("oauth-test")
    app.register_blueprint(blueprint(authority))
    return World(access, authority, app.test_client(), corner, other)


@pytest.fixture
def server() -> Iterator[JwksServer]:
    server = JwksServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
