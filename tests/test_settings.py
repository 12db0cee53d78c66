"""Settings are read once, and whatever is wrong with them stops the start with a code and a sentence."""

from dataclasses import fields
from pathlib import Path

import pytest

from verifier.settings import BadSettings, Settings, check_bind, from_env


def test_without_any_variable_the_embedded_default_is_in_force():
    settings = from_env({"PATH": "/bin", "HOME": "/nowhere", "VERIFIERS_HOME": "x"})
    assert settings == Settings()
    assert settings.embedded
    assert settings.home == Path("var")
    assert (settings.cache_mode, settings.audience, settings.log_level) == ("fast", "verifier", "info")
    assert settings.signing_key == Path("var/signing-key.pem")


def test_every_setting_can_be_given(tmp_path):
    issuers, key = tmp_path / "issuers.json", tmp_path / "key.pem"
    vrs, requestor = tmp_path / "vrs.json", tmp_path / "requestor.json"
    for file in (issuers, key, vrs, requestor):
        file.touch()
    given = {
        "VERIFIER_HOME": "/data",
        "VERIFIER_DATABASE_URL": "postgresql://v:secret@db/packs",
        "VERIFIER_REDIS_URL": "rediss://:secret@cache:6380/1",
        "VERIFIER_CACHE_MODE": "fast",
        "VERIFIER_ISSUER": "https://packs.example",
        "VERIFIER_AUDIENCE": "packs",
        "VERIFIER_OAUTH_ISSUERS_FILE": str(issuers),
        "VERIFIER_SIGNING_KEY_FILE": str(key),
        "VERIFIER_RESPONDER_GLN": "4012345000016",
        "VERIFIER_VRS_AUTH": "proxy",
        "VERIFIER_VRS_CREDENTIALS": "require",
        "VERIFIER_VRS_FILE": str(vrs),
        "VERIFIER_VRS_MISSES_PER_HOUR": "50",
        "VERIFIER_REQUESTOR_FILE": str(requestor),
        "VERIFIER_OPEN_ROUTES": "1",
        "VERIFIER_INSECURE": "0",
        "VERIFIER_LOG_LEVEL": "debug",
    }
    settings = from_env(given)
    assert len(given) == len(fields(Settings))
    assert not settings.embedded
    assert (settings.open_routes, settings.insecure, settings.signing_key) == (True, False, key)
    assert settings.environment() == given
    assert from_env(settings.environment()) == settings


def test_the_default_survives_the_way_to_a_process_of_our_own():
    assert from_env(Settings().environment()) == Settings()


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_is_as_good_as_none(value):
    assert from_env({"VERIFIER_DATABASE_URL": value, "VERIFIER_LOG_LEVEL": value}) == Settings()


@pytest.mark.parametrize("name", ["VERIFIER_DATBASE_URL", "VERIFIER_DEBUG", "VERIFIER_", "VERIFIER_EMBEDDED"])
def test_an_unknown_variable_is_refused_by_name(name):
    with pytest.raises(BadSettings, match=f"E001: {name} is no setting") as refused:
        from_env({name: "x"})
    assert refused.value.code == "E001"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CACHE_MODE", "slow"),
        ("CACHE_MODE", "FAST"),
        ("VRS_AUTH", "none"),
        ("VRS_CREDENTIALS", "on"),
        ("VRS_FILE", "/nowhere/vrs.json"),
        ("VRS_MISSES_PER_HOUR", "0"),
        ("VRS_MISSES_PER_HOUR", "many"),
        ("VRS_MISSES_PER_HOUR", "1000001"),
        ("LOG_LEVEL", "verbose"),
        ("LOG_LEVEL", "INFO"),
        ("DATABASE_URL", "sqlite:///packs.db"),
        ("DATABASE_URL", "mysql://db/packs"),
        ("DATABASE_URL", "postgresql+asyncpg://db/packs"),
        ("DATABASE_URL", "postgresql"),
        ("DATABASE_URL", "host=db dbname=packs"),
        ("REDIS_URL", "http://cache"),
        ("REDIS_URL", "cache:6379"),
        ("REDIS_URL", "redis://[cache"),
        ("REDIS_URL", "redis+sentinel://one:26379,two:26379"),
        ("REDIS_URL", "redis+sentinel://one:26379,two:26379/"),
        ("REDIS_URL", "redis+sentinel:///cache"),
        ("REDIS_URL", "redis+sentinel://one,,two/cache"),
        ("REDIS_URL", "redis+sentinel://one/cache/zero"),
        ("REDIS_URL", "redis+cluster://one:6379/cache"),
        ("REDIS_URL", "redis+cluster://"),
        ("REDIS_URL", "redis+ring://one:6379"),
        ("ISSUER", "packs.example"),
        ("ISSUER", "ftp://packs.example"),
        ("ISSUER", "https://"),
        ("ISSUER", "https://[packs"),
        ("ISSUER", "https://packs.example?tenant=1"),
        ("ISSUER", "https://packs.example#1"),
        ("RESPONDER_GLN", "4012345"),
        ("RESPONDER_GLN", "4012345000017"),
        ("RESPONDER_GLN", "٤٠١٢٣٤٥٠٠٠٠١٦"),
        ("OPEN_ROUTES", "maybe"),
        ("INSECURE", "2"),
        ("OAUTH_ISSUERS_FILE", "/does/not/exist.json"),
        ("SIGNING_KEY_FILE", "/"),
    ],
)
def test_a_bad_value_is_refused_with_its_code(name, value):
    with pytest.raises(BadSettings, match=r"^E002: ") as refused:
        from_env({f"VERIFIER_{name}": value})
    assert "secret" not in str(refused.value)
    assert str(refused.value).endswith((".", "'"))


def test_a_redis_that_is_not_to_be_used_is_a_contradiction():
    with pytest.raises(BadSettings, match=r"^E003: .*VERIFIER_CACHE_MODE=off"):
        from_env({"VERIFIER_REDIS_URL": "redis://cache", "VERIFIER_CACHE_MODE": "off"})


@pytest.mark.parametrize(
    ("word", "value"), [("1", True), ("true", True), ("YES", True), ("0", False), ("no", False)]
)
def test_yes_and_no_have_a_few_words(word, value):
    assert from_env({"VERIFIER_OPEN_ROUTES": word}).open_routes is value


# The bind.


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_loopback_is_served_without_tls(host):
    check_bind(Settings(), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "packs.example", "127.0.0.1.example"])  # noqa: S104
@pytest.mark.parametrize("issuer", [None, "http://packs.example"])
def test_a_bind_that_can_be_reached_from_outside_needs_an_https_issuer(host, issuer):
    with pytest.raises(BadSettings, match="VERIFIER_INSECURE=1") as refused:
        check_bind(Settings(issuer=issuer), host)
    assert refused.value.code == "E004"


def test_it_is_allowed_with_tls_in_front_or_when_somebody_says_so():
    check_bind(Settings(issuer="https://packs.example"), "0.0.0.0")  # noqa: S104
    check_bind(Settings(insecure=True), "0.0.0.0")  # noqa: S104


# What is shown.


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://v:secret@db:5432/packs", "postgresql://v:***@db:5432/packs"),
        ("postgresql://v:se%40cret@db/packs", "postgresql://v:***@db/packs"),
        ("postgresql://v:s:e@secret@db/packs", "postgresql://v:***@db/packs"),
        ("postgresql+psycopg://v:secret@/packs?host=/run", "postgresql+psycopg://v:***@/packs?host=/run"),
        ("postgresql://db/packs?user=v&password=secret&x=1", "postgresql://db/packs?user=v&password=***&x=1"),
        ("postgresql://db/packs?sslpassword=secret", "postgresql://db/packs?sslpassword=***"),
        ("postgresql://v:secret@[db/packs", "***"),
        ("postgresql://v@db/packs", "postgresql://v@db/packs"),
    ],
)
def test_a_password_is_never_shown_wherever_it_stands_in_the_address(url, shown):
    masked = from_env({"VERIFIER_DATABASE_URL": url}).masked()
    assert masked["VERIFIER_DATABASE_URL"] == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("unix:///run/redis.sock?db=0", "unix:///run/redis.sock?db=0"),
        ("redis+sentinel://a:1,b:2/cache/0", "redis+sentinel://a:1,b:2/cache/0"),
        (
            "rediss+sentinel://u:secret@a,b/cache?sentinel_password=secret",
            "rediss+sentinel://u:***@a,b/cache?sentinel_password=***",
        ),
        ("redis+cluster://:secret@a:1,b:2", "redis+cluster://:***@a:1,b:2"),
        ("rediss+cluster://a:1/", "rediss+cluster://a:1/"),
        ("redis+cluster://:secret@[::1]:1,[::2]:2", "redis+cluster://:***@[::1]:1,[::2]:2"),
    ],
)
def test_a_redis_may_be_one_server_sentinels_or_a_cluster(url: str, shown: str):
    settings = from_env({"VERIFIER_REDIS_URL": url})
    assert settings.redis_url == url
    masked = settings.masked()["VERIFIER_REDIS_URL"]
    assert masked in (shown, "***"), "some Pythons take no list of bracketed hosts apart"


def test_the_password_of_redis_is_masked_and_everything_else_is_shown_by_its_variable():
    given = {"VERIFIER_REDIS_URL": "redis://:secret@cache/0", "VERIFIER_DATABASE_URL": "postgresql://db/x"}
    masked = from_env(given).masked()
    assert masked["VERIFIER_REDIS_URL"] == "redis://:***@cache/0"
    assert set(masked) == {f"VERIFIER_{item.name.upper()}" for item in fields(Settings)}
    assert masked["VERIFIER_INSECURE"] is False
    assert masked["VERIFIER_ISSUER"] is None
