"""An authority on a real database, its routes behind a test client, and two pharmacies."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from flask.testing import FlaskClient

from verifier.domain.pack import Site
from verifier.oauth.authority import Authority
from verifier.oauth.clients import Credentials, register
from verifier.oauth.protector import Protector
from verifier.storage.access import Access

ISSUER = "https://verifier.example"
CORNER = "4012345000016"
OTHER = "4012345000023"


@dataclass(frozen=True)
class World:
    access: Access
    authority: Authority
    http: FlaskClient
    corner_pharmacy: Site
    other_pharmacy: Site

    def client(self, *scopes: str, site: Site | None = None) -> Credentials:
        gln = (site or self.corner_pharmacy).gln
        return register(self.access, "counter 1", gln, frozenset(scopes), datetime.now(UTC))

    def ask(self, credentials: Credentials, **form: str):
        data = {"grant_type": "client_credentials", **form}
        basic = (credentials.client_id, credentials.client_secret)
        return self.http.post("/oauth/token", data=data, auth=basic)

    def token(self, credentials: Credentials, **form: str) -> str:
        return self.ask(credentials, **form).json["access_token"]

    def protector(
        self, *foreign, generation: Callable[[], int | None] = lambda: None, **options
    ) -> Protector:
        return Protector(self.authority, foreign, generation=generation, **options)
