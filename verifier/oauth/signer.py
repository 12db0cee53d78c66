"""Documents that we sign, beside access tokens: JWS in compact form (RFC 7515) by the same published key."""

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jws

from verifier.oauth.authority import Keys
from verifier.oauth.keys import ALGORITHM


class Signer:
    """Signs with the key in use; whoever has the published key set can check it."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def sign(self, kind: str, payload: Mapping[str, Any]) -> str:
        """The payload as JSON, signed; `kind` becomes `typ`, so that it cannot pass as another document.

        Raises:
            ValueError: it would be an access token.
        """
        if "at+jwt" in kind.lower():
            raise ValueError("access tokens are made elsewhere")
        keys = self._keys.current()
        header = {"alg": ALGORITHM, "kid": keys.kid, "typ": kind}
        text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
        return jws.serialize_compact(header, text.encode(), keys.signer)
