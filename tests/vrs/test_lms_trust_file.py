"""Whom to trust for credentials is said in full, or the service does not start."""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey
from lms_wallet import ISSUER, file, issuer_key, public

from verifier.oauth.faults import MisconfiguredError
from verifier.oauth.vrs_file import load_vrs

# fmt: off
WRONG_FILES = [
    file(issuers=[]), file(header="X Y"), file(header=""), file(types=[]), file(revoked=[1]), file(more=1),
    file(issuers=[{"did": ISSUER, "keys": []}]),
    file(issuers=[{"did": "issuer.example", "keys": [public(issuer_key)]}]),
    file(issuers=[{"did": ISSUER, "keys": [public(issuer_key)]}] * 2),
    file(issuers=[{"did": ISSUER, "keys": [public(ECKey.generate_key("P-256"))]}]),
    file(issuers=[{"did": ISSUER, "keys": [issuer_key.as_dict(private=True)]}]),
    file(issuers=[{"did": ISSUER, "keys": [OctKey.generate_key(256).as_dict(private=True)]}]),
    file(issuers=[{"did": ISSUER, "keys": ["x"]}]),
    file(holders={}), [], None, "x",
]
# fmt: on


@pytest.mark.parametrize("content", WRONG_FILES)
def test_a_wrong_file_stops_the_start(tmp_path: Path, content: Any):
    path = tmp_path / "vrs.json"
    path.write_text(json.dumps({"credentials": content}))
    with pytest.raises(MisconfiguredError, match=r"^vrs_file_unusable: "):
        load_vrs(path, auth="token", credentials="require")
