"""Who is asking, as a TLS proxy in front of us says: a client certificate instead of a token.

The subject of the certificate is bound to a client of ours as a name at an outside issuer is:
`verifier client add … --issuer tls-proxy --subject "CN=…"`.
"""

from collections.abc import Callable
from ipaddress import ip_address

from verifier.domain.pack import Actor
from verifier.oauth.protector import AccessRefused, Protector
from verifier.oauth.vrs_file import Proxy

ISSUER = "tls-proxy"
_LONGEST = 255


class ProxyIdentity:
    """Takes the actor from the headers of a trusted proxy, and of nobody else."""

    def __init__(self, proxy: Proxy, protector: Protector) -> None:
        self._proxy = proxy
        self._protector = protector

    def authenticate(self, peer: str | None, header: Callable[[str], str | None]) -> Actor:
        """The actor behind a request.

        Args:
            peer: the address at the other end of the connection, never one that a header names.
            header: gives the value of one of the request.

        Raises:
            AccessRefused: 401, when the connection is not the proxy's, the certificate was not verified, or
                its subject is bound to no client.
        """
        proof, value = self._proxy.proof
        subject = header(self._proxy.header) or ""
        if not self._trusts(peer) or header(proof) != value:
            raise AccessRefused(401, None, "A verified client certificate is needed")
        if not 0 < len(subject) <= _LONGEST or not subject.isprintable():
            raise AccessRefused(401, None, "A verified client certificate is needed")
        return self._protector.known(ISSUER, subject)

    def _trusts(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        return any(address.version == each.version and address in each for each in self._proxy.networks)
