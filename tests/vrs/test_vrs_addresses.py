"""Whom we connect to: every address of a name is checked, and that very address is used."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standin import Responder, network
from vrs_asking import PACK, QUICK, ask, requestor

from verifier.domain.resale import Asked
from verifier.peers import recent
from verifier.peers.addresses import AddressRefusedError, Resolver, allowed

NAME = "verification.example"


def names(*answers):
    """A look-up that gives these addresses, one list each time; the last one for ever."""
    left = list(answers)

    def look_up(_host, port, **_):
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return look_up


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("0.0.0.0", False),  # noqa: S104 - nobody listens there
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d70e", True),
        ("64:ff9b:1::a00:1", False),
        ("64:ff9b:1::5db8:d70e", False),
        ("2002:a00:1::1", False),
        ("2002:5db8:d70e::1", True),
        ("::", False),
        ("::a00:1", False),
        ("::7f00:1", False),
        ("::5db8:d70e", False),
        ("::ffff:0:10.0.0.1", False),
        ("::ffff:93.184.215.14", False),
        ("fec0::1", False),
        ("5f00::1", False),
        ("3fff::1", False),
        ("2001:db8::1", False),
        ("2001::1", False),
        ("2001:4:112::1", False),
        ("2620:4f:8000::1", False),
        ("100::1", False),
        ("100:0:0:1::1", False),
        ("4000::1", False),
        ("ff0e::1", False),
        ("192.88.99.1", False),
        ("192.0.0.8", False),
        ("192.0.0.10", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("203.0.113.1", False),
        ("255.255.255.255", False),
    ],
)
def test_only_public_addresses_are_connected_to(address, public):
    assert allowed(address, loopback=False) is public


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.0.0.2"])
def test_the_machine_itself_is_allowed_where_it_is_said(address):
    assert allowed(address, loopback=True)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "fe80::1", "::ffff:192.168.0.1"])
def test_and_nothing_else_that_is_private(address):
    assert not allowed(address, loopback=True)


def test_one_private_address_among_several_refuses_the_host():
    with pytest.raises(AddressRefusedError, match="address_not_allowed"):
        Resolver(look_up=names(["93.184.215.14", "10.0.0.1"])).checked(NAME, 443, 1.0)


def test_a_name_that_is_not_known_is_told_so():
    with pytest.raises(AddressRefusedError, match="unknown_host"):
        Resolver(look_up=names([])).checked(NAME, 443, 1.0)


def test_names_without_end_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recent, "MOST", 10)
    asked = []

    def look_up(host, port, **more):
        asked.append(host)
        return names(["93.184.215.14"])(host, port, **more)

    resolver = Resolver(look_up=look_up)
    for number in range(30):
        resolver.checked(f"h{number}.example", 443, 10.0)
    resolver.checked("h29.example", 443, 10.0)
    resolver.checked("h0.example", 443, 10.0)
    assert asked == [*(f"h{number}.example" for number in range(30)), "h0.example"]
    assert len(resolver._held) == 10


def test_a_look_up_that_hangs_has_a_deadline():
    hanging = threading.Event()

    def look_up(*_, **__):
        hanging.wait(30)
        return []

    with pytest.raises(AddressRefusedError, match="timeout"):
        Resolver(look_up=look_up).checked(NAME, 443, 0.05)
    hanging.set()


def test_the_address_that_was_checked_is_the_one_that_is_used():
    """This name means nothing to the machine: a look-up of the connection's own would fail."""
    resolver = Resolver(loopback=True, look_up=names(["127.0.0.1"], ["10.0.0.1"]))
    with network(peer := Responder(PACK)), requestor(QUICK, resolver) as peers:
        url = f"http://{NAME}:{peer.port}"
        assert ask(peers, url).asked is Asked.VERIFIED
        assert ask(peers, url).asked is Asked.VERIFIED
    assert peer.requests[0].headers["Host"] == f"{NAME}:{peer.port}"


def test_a_name_that_comes_to_mean_a_private_address_is_refused_then():
    resolver = Resolver(loopback=True, look_up=names(["127.0.0.1"], ["10.0.0.1"]))
    with network(peer := Responder(PACK)):
        resolver.checked(NAME, peer.port, 1.0)
        resolver.forget(NAME, peer.port)
        with requestor(QUICK, resolver) as peers:
            reply = ask(peers, f"http://{NAME}:{peer.port}")
    assert (reply.asked, reply.detail) == (Asked.NO_ANSWER, "address_not_allowed")
    assert peer.requests == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_outside_of_tests_no_such_address_is_connected_to(address):
    with requestor(replace(QUICK, loopback=False)) as peers:
        reply = ask(peers, f"https://{address}:9")
    assert (reply.asked, reply.detail) == (Asked.NO_ANSWER, "address_not_allowed")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate for one name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "asked", "detail"),
    [
        (NAME, True, Asked.VERIFIED, None),
        ("another.example", True, Asked.NO_ANSWER, "tls"),
        ("127.0.0.1", True, Asked.NO_ANSWER, "tls"),
        (NAME, False, Asked.NO_ANSWER, "tls"),
    ],
)
def test_tls_goes_by_the_name_although_the_connection_goes_to_the_address(
    certificate: Path, host: str, trusted: str, asked: Asked, detail: str | None
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    patient = replace(QUICK, seconds=20, try_seconds=20, tries=1)
    secure = replace(patient, ca_file=str(certificate) if trusted else None)
    resolver = Resolver(loopback=True, look_up=names(["127.0.0.1"]))
    with network(peer := Responder(PACK, tls=context)), requestor(secure, resolver) as peers:
        reply = ask(peers, f"https://{host}:{peer.port}")
        if asked is Asked.VERIFIED:
            assert ask(peers, f"https://{host}:{peer.port}").asked is asked
    assert (reply.asked, reply.detail) == (asked, detail)
    assert len(peer.requests) == (2 if asked is Asked.VERIFIED else 0)
