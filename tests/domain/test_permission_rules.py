"""Section 2 of the contract: what the type of a site lets it do, beside its scopes."""

import pytest
from cases import PRODUCT

from verifier.domain import permissions
from verifier.domain.lifecycle import Action
from verifier.domain.pack import Site, SiteType

EVERY = "pharmacy hospital wholesaler manufacturer authority operator"
TRADE = "wholesaler manufacturer"
# fmt: off
ALLOWED = {
    Action.LOOK:        EVERY,
    Action.DISPENSE:    "pharmacy hospital wholesaler",
    Action.DESTROY:     EVERY,
    Action.LOCK:        EVERY,
    Action.SAMPLE:      EVERY,
    Action.EXPORT:      TRADE,
    Action.FREE_SAMPLE: TRADE,
    Action.CHECK_OUT:   TRADE,
    Action.STEAL:       "wholesaler manufacturer authority",
    Action.REACTIVATE:  EVERY,
}
# fmt: on
OWNER = PRODUCT.manufacturer_gln or ""


def site(kind: str, gln: str = "4012345000016") -> Site:
    return Site(gln, "somebody", SiteType(kind), "DE")


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("kind", SiteType)
def test_the_type_decides_the_action(action: Action, kind: SiteType):
    assert permissions.may(site(kind), action) is (kind in ALLOWED[action].split())


def test_a_return_is_checked_by_all_who_trade_and_everything_is_read_by_the_state():
    assert set(permissions.RETURNS_CHECK) == set("pharmacy hospital wholesaler manufacturer".split())  # noqa: SIM905
    assert set(permissions.READS_EVERYTHING) == {"authority", "operator"}


@pytest.mark.parametrize("kind", SiteType)
def test_only_the_manufacturer_of_that_gln_owns_a_product(kind: SiteType):
    assert permissions.owns(site(kind, OWNER), PRODUCT) is (kind == "manufacturer")
    assert not permissions.owns(site(kind), PRODUCT)


@pytest.mark.parametrize("kind", ["pharmacy", "hospital", "wholesaler"])
def test_a_buyer_reads_what_it_can_name_in_full(kind: str):
    assert permissions.may_read(site(kind), PRODUCT, all_elements=True)
    assert not permissions.may_read(site(kind), PRODUCT, all_elements=False)
    assert permissions.may_command(site(kind, OWNER), PRODUCT) == "not_for_this_site"


@pytest.mark.parametrize("kind", ["authority", "operator"])
def test_the_state_reads_and_commands_everything(kind: str):
    assert permissions.may_read(site(kind), PRODUCT, all_elements=False)
    assert permissions.may_command(site(kind), PRODUCT) is None
    assert permissions.may_command(site(kind), None) is None


@pytest.mark.parametrize("full", [True, False])
def test_a_manufacturer_reads_and_commands_its_own(full: bool):  # noqa: FBT001
    assert permissions.may_read(site("manufacturer", OWNER), PRODUCT, all_elements=full)
    assert not permissions.may_read(site("manufacturer"), PRODUCT, all_elements=full)
    assert permissions.may_command(site("manufacturer", OWNER), PRODUCT) is None
    assert permissions.may_command(site("manufacturer"), PRODUCT) == "not_your_product"
    assert permissions.may_command(site("manufacturer", OWNER), None) == "not_your_product"
