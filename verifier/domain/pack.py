"""The values that everything speaks of: pack, batch, product, site, actor."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from verifier.domain.expiry import Expiry


class State(StrEnum):
    """Of one pack. Expired, recalled and withdrawn are overlays of its batch and product, not states."""

    ACTIVE = "active"
    DISPENSED = "dispensed"
    EXPORTED = "exported"
    DESTROYED = "destroyed"
    SAMPLE = "sample"
    FREE_SAMPLE = "free_sample"
    STOLEN = "stolen"
    LOCKED = "locked"
    CHECKED_OUT = "checked_out"


class SiteType(StrEnum):
    """What kind of premises a site is; decides what it may do (see `permissions`)."""

    PHARMACY = "pharmacy"
    HOSPITAL = "hospital"
    WHOLESALER = "wholesaler"
    MANUFACTURER = "manufacturer"
    AUTHORITY = "authority"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Site:
    """One premises, identified by its GLN (13 digits); `timezone` is an IANA name."""

    gln: str
    name: str
    type: SiteType
    country: str
    org: str | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a client of exactly one site, with the scopes of its token."""

    client_id: str
    site: Site
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Product:
    """GTIN master data. `profile` names the regulation; `withdrawn` is the product overlay."""

    gtin: str
    name: str | None = None
    strength: str | None = None
    form: str | None = None
    pack_size: str | None = None
    ppn: str | None = None
    nhrn: str | None = None
    profile: str = "eu_fmd"
    manufacturer_gln: str | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """A lot of a product, with its overlays."""

    gtin: str
    lot: str
    recalled: bool = False
    on_hold: bool = False


@dataclass(frozen=True, slots=True)
class Pack:
    """One serialised pack as stored. `version` rises by one with each accepted change.

    `state_site` is the GLN of the site that brought the pack into its state, None for the first one.
    """

    gtin: str
    serial: str
    lot: str
    expiry: Expiry
    state: State
    version: int
    state_since: datetime
    state_site: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What the repository knows about the code that was sent.

    `batch` is the stored pack's; `lot_known` says, for a pack that is not there, whether the lot sent is.
    """

    product: Product | None
    pack: Pack | None = None
    batch: Batch | None = None
    lot_known: bool = False

    def standing(self, gtin: str) -> str:
        """The GTIN under which the product stands, also when its PPN or NTIN was sent; else as sent."""
        return self.product.gtin if self.product else gtin
