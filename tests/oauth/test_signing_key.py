import threading
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey

from verifier.oauth.faults import MisconfiguredError
from verifier.oauth.keys import SigningKey


def test_a_new_key_is_private_to_its_owner_and_the_same_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "signing.pem"
    made = SigningKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert SigningKey.load_or_create(path).kid == made.kid
    assert list(path.parent.iterdir()) == [path]


def test_of_many_that_start_at_once_all_use_one_key(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    gate = threading.Barrier(12)
    kids: list[str] = []

    def start() -> None:
        gate.wait()
        kids.append(SigningKey.load_or_create(path).kid)

    threads = [threading.Thread(target=start) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kids) == 12
    assert set(kids) == {SigningKey.load_or_create(path).kid}
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_public_half_is_published_under_its_thumbprint(tmp_path: Path) -> None:
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    (published,) = key.public_jwks()["keys"]
    assert published.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (published["kty"], published["crv"], published["alg"]) == ("EC", "P-256", "ES256")
    assert published["kid"] == key.kid == key.signer.thumbprint()


def test_a_retired_key_behind_its_successor_stays_published(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    retired = SigningKey.load_or_create(path)
    successor = ECKey.generate_key("P-256").as_pem(private=True)
    path.write_bytes(successor + retired.signer.as_pem(private=False))
    rotated = SigningKey.load_or_create(path)
    assert rotated.kid != retired.kid
    assert [key["kid"] for key in rotated.public_jwks()["keys"]] == [rotated.kid, retired.kid]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o666])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "signing.pem"
    SigningKey.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(MisconfiguredError, match="signing_key_exposed"):
        SigningKey.load_or_create(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a key",
        b"\xff\xfe",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ECKey.generate_key("P-384").as_pem(private=True),
        ECKey.generate_key("P-256").as_pem(private=False),
        RSAKey.generate_key(2048).as_pem(private=True),
    ],
    ids=["empty", "text", "bytes", "broken", "P-384", "public", "RSA"],
)
def test_anything_but_a_private_p256_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "signing.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(MisconfiguredError, match="signing_key_unusable") as refused:
        SigningKey.load_or_create(path)
    assert refused.value.code == "signing_key_unusable"
    assert path.read_bytes() == content
