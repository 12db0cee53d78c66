"""Under which GTIN a product stands that was named by another: its PPN and its NTIN are one product."""

from verifier.domain.codes import PackCode
from verifier.domain.ppn import ntin_to_ppn
from verifier.services.ports import Ports


def standing_gtin(ports: Ports, gtin: str, serial: str = "0") -> str:
    """The GTIN under which the product stands, also when its NTIN was sent; of an unknown one as sent.

    Args:
        ports: what may be asked.
        gtin: as sent; of a PPN its NTIN.
        serial: of the pack, when one is looked at next: it is in the cache then.
    """
    if ntin_to_ppn(gtin) is None:
        return gtin
    code = PackCode(gtin, serial, lot=None, expiry=None, ppn=None, notes=())
    return ports.reader.find(code).standing(gtin)
