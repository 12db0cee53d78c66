"""In which language a verdict speaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_bulk import item
from world import World

from verifier.api.languages import best
from verifier.domain.reasons import LANGUAGES, REASONS, WORDS

HEADERS = [
    # one range
    ("", "en"),
    ("en", "en"),
    ("de", "de"),
    ("fr", "fr"),
    ("DE", "de"),
    ("Fr-fr", "fr"),
    # lookup: the range gives way from its end
    ("de-AT", "de"),
    ("de-CH-1996", "de"),
    ("fr-x-private", "fr"),
    ("de-AT, en;q=0.5", "de"),
    ("fr-CA, fr;q=0.8, en;q=0.5", "fr"),
    # not ours
    ("it", "en"),
    ("it, de;q=0.1", "de"),
    ("deu", "en"),
    ("d", "en"),
    # weights, then the order of the header
    ("de;q=0.3, fr;q=0.8", "fr"),
    ("de;q=0.8,fr;q=0.8", "de"),
    ("fr ; q=0.8 ,\tde", "de"),
    ("de;q=0.001, en;q=0.002", "en"),
    ("fr;Q=0.9, de;q=0.8", "fr"),
    ("de;q=1.000, fr", "de"),
    ("de;q=1., fr", "de"),
    ("fr;q=0., de;q=0.1", "de"),
    # any other
    ("*", "en"),
    ("*, de;q=0.5", "en"),
    ("de, *;q=0.5", "de"),
    ("it, *;q=0.5", "en"),
    ("en;q=0.1, *", "de"),
    ("de-AT;q=0.2, en;q=0.1, *;q=0.9", "fr"),
    ("en;q=0.2, de;q=0.3, fr;q=0.1, *", "de"),
    # excluded
    ("en;q=0", "de"),
    ("en;q=0, *", "de"),
    ("en;q=0.000, de;q=0, *;q=0.1", "fr"),
    ("de;q=0, de-AT", "en"),
    ("de-AT;q=0, de", "de"),
    ("de, *;q=0", "de"),
    ("*;q=0", "en"),
    ("en;q=0, de;q=0, fr;q=0", "en"),
    # not well-formed: skipped, the rest counts
    (";;;,,,", "en"),
    ("q=1", "en"),
    ("de;q=2", "en"),
    ("de;q=-1", "en"),
    ("de;q=0.1234", "en"),
    ("de;q=nan, fr;q=0.1", "fr"),
    ("de;level=1", "en"),
    ("de_AT", "en"),
    ("de-", "en"),
    ("*-AT", "en"),
    ("dé", "en"),
    ("de;q=½, fr", "fr"),
    ("\x00, fr", "fr"),
    (", , fr", "fr"),
    ("de" * 4000, "en"),
    ("it," * 2000 + "fr", "fr"),
]


@pytest.mark.parametrize(("header", "language"), HEADERS, ids=[repr(header[:40]) for header, _ in HEADERS])
def test_the_best_of_our_languages_is_found(header: str, language: str):
    assert best(header, LANGUAGES) == language


@given(st.text() | st.text(alphabet="defrn*;q=01., -", max_size=40))
def test_whatever_is_sent_it_is_one_of_ours(header: str):
    assert best(header, LANGUAGES) in LANGUAGES


@given(st.permutations(LANGUAGES), st.lists(st.integers(1, 1000), min_size=3, max_size=3, unique=True))
def test_the_heaviest_wins_wherever_it_stands(order: list[str], weights: list[int]):
    header = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in zip(order, weights, strict=True))
    assert best(header, LANGUAGES) == order[weights.index(max(weights))]


def test_a_longer_tag_of_ours_is_found_before_a_shorter_one():
    assert best("pt-BR-x-old", ("en", "pt", "pt-br")) == "pt-br"


@pytest.mark.parametrize(
    ("header", "language"),
    [(None, "en"), ("de", "de"), ("fr-CA, en;q=0.5", "fr"), ("it;q=1, de-AT;q=0.5", "de"), ("%%%", "en")],
)
def test_verify_and_dispense_speak_the_language_that_was_asked_for(
    world: World, header: str | None, language: str
):
    sent = {} if header is None else {"Accept_Language": header}
    pack, pharmacy, other = world.pack(), world.corner_pharmacy, world.other_pharmacy
    looked = pharmacy.post("/v1/verify", pack, key=None, **sent)
    dispensed = pharmacy.post("/v1/dispense", pack, **sent)
    refused = other.post("/v1/dispense", pack, **sent)
    expected = WORDS[language]
    for answer, key in ((looked, "ok:verify"), (dispensed, "ok:dispense"), (refused, "already_dispensed")):
        assert (answer.json["title"], answer.json["advice"]) == expected[key]
        assert answer.headers["Content-Language"] == language
    assert refused.status_code == 409


def test_every_other_route_with_a_verdict_speaks_it_too(world: World):
    pack, pharmacy = world.pack(), world.corner_pharmacy
    german = {"Accept_Language": "de"}
    read = pharmacy.http.get(
        "/v1/packs", query_string=pack, headers=pharmacy.headers() | {"Accept-Language": "de"}
    )
    answers = {
        "ok:read": read,
        "ok:returns_check": pharmacy.post("/v1/returns/check", pack, key=None, **german),
        "ok:decommission": pharmacy.post("/v1/decommission", pack | {"reason": "locked"}, **german),
        "already_done_here": pharmacy.post("/v1/verify", pack, key=None, **german),
        "ok:reactivate": pharmacy.post("/v1/reactivate", pack, **german),
        "undo_state_mismatch": pharmacy.post("/v1/reactivate", pack, **german),
    }
    told = {key: (answer.json["title"], answer.json["advice"]) for key, answer in answers.items()}
    assert told == {key: WORDS["de"][key] for key in answers}


def test_only_the_words_differ_by_language(world: World):
    pack = world.pack()
    verdicts = [
        world.corner_pharmacy.post("/v1/verify", pack, key=None, Accept_Language=language).json
        for language in LANGUAGES
    ]
    assert len({(verdict["title"], verdict["advice"]) for verdict in verdicts}) == len(LANGUAGES)
    for verdict in verdicts:
        for own in ("title", "advice", "event_id", "received_at"):
            del verdict[own]
    assert verdicts[0] == verdicts[1] == verdicts[2]


@pytest.mark.parametrize("key", ["ok:dispense", "already_dispensed"])
def test_the_stored_answer_keeps_its_first_language(world: World, key: str):
    pack, pharmacy = world.pack(), world.corner_pharmacy
    if key == "already_dispensed":
        world.other_pharmacy.dispense(pack)
    idempotency_key = f"language-{pack['serial']}"
    first = pharmacy.post("/v1/dispense", pack, key=idempotency_key, Accept_Language="de")
    again = pharmacy.post("/v1/dispense", pack, key=idempotency_key, Accept_Language="fr")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.data, again.status_code) == (first.data, first.status_code)
    assert (again.json["title"], again.json["advice"]) == WORDS["de"][key]
    assert "Content-Language" not in again.headers  # nothing is claimed of words that were kept


def test_bulk_names_the_language_of_its_verdicts(world: World):
    bad = item("fly", world.pack())
    for items in ([item("verify", world.pack())], [item("dispense", world.pack()), bad]):
        answer = world.corner_pharmacy.post("/v1/bulk", {"items": items}, key=None, Accept_Language="de")
        assert answer.headers["Content-Language"] == "de"
        assert answer.json["results"][0]["title"] == WORDS["de"][f"ok:{items[0]['operation']}"][0]


def test_bulk_names_no_language_where_a_verdict_was_kept_or_none_is_there(world: World):
    kept, fresh, bad = item("dispense", world.pack()), item("verify", world.pack()), item("fly", world.pack())
    world.corner_pharmacy.post("/v1/bulk", {"items": [kept]}, key=None, Accept_Language="de")
    for items in ([kept], [fresh, kept], [kept, fresh], [bad]):
        answer = world.corner_pharmacy.post("/v1/bulk", {"items": items}, key=None, Accept_Language="fr")
        assert answer.status_code == 200
        assert "Content-Language" not in answer.headers


def test_the_reasons_are_served_in_every_language(world: World):
    for reason in world.http.get("/v1/reasons").json["reasons"]:
        assert reason["code"] in REASONS
        for language in LANGUAGES:
            told = reason["title"][language], reason["advice"][language]
            assert told == WORDS[language][reason["code"]]
        assert set(reason["title"]) == set(reason["advice"]) == set(LANGUAGES)
