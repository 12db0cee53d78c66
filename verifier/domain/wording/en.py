"""English. Of a code, or of a code in one operation (`ok:dispense`): title and advice."""

from collections.abc import Mapping

# fmt: off
WORDS: Mapping[str, tuple[str, str]] = {
    "ok":                      ("Genuine and active", "May be dispensed."),
    "ok:verify":               ("Genuine and active", "May be dispensed."),
    "ok:read":                 ("Genuine and active", "Information only: verify the pack when you hold it."),
    "ok:dispense":             ("Dispensed",
                                ("Hand the pack out. If it is not collected after all, undo the dispense at "
                                 "this site.")),
    "ok:decommission":         ("Decommissioned",
                                ("The pack may no longer be sold or dispensed; keep it apart from saleable "
                                 "stock.")),
    "ok:reactivate":           ("Active again", "The pack may return to saleable stock."),
    "ok:returns_check":        ("Genuine and active", "May return to saleable stock."),
    "unknown_product":         ("Product not in the repository",
                                ("Set the pack aside. Check whether the product must carry safety features; "
                                 "if so, ask the manufacturer to upload its data.")),
    "unknown_serial":          ("Serial number unknown",
                                ("Stop: do not hand out. Compare the serial number with the print and scan "
                                 "again; if it stays unknown, quarantine the pack and contact the "
                                 "manufacturer.")),
    "unknown_batch":           ("Batch and serial number unknown",
                                ("Stop: do not hand out. Compare the code with the print and scan again; if "
                                 "it stays unknown, quarantine the pack and contact the manufacturer.")),
    "lot_mismatch":            ("Batch does not match this pack",
                                ("Stop: do not hand out. Compare the batch with the print and check Caps "
                                 "Lock and keyboard layout; if they are right, quarantine the pack.")),
    "expiry_mismatch":         ("Expiry date does not match this pack",
                                ("Stop: do not hand out. Compare the expiry date with the print and scan "
                                 "again; if it is as printed, quarantine the pack.")),
    "seal_broken":             ("Anti-tampering seal broken",
                                "Stop: do not hand out. Quarantine the pack and report it to the authority."),
    "withdrawn":               ("Product withdrawn",
                                ("Do not hand out. Set the pack aside for return to the supplier or "
                                 "destruction.")),
    "recalled":                ("Batch recalled",
                                "Do not hand out. Set the pack aside and follow the recall notice."),
    "expired":                 ("Expired", "Do not hand out. Set the pack aside for destruction."),
    "on_hold":                 ("Batch on hold",
                                ("Do not hand out for now. Keep the pack aside until the hold is lifted, "
                                 "then scan again.")),
    "already_dispensed":       ("Already dispensed elsewhere",
                                ("Stop: do not hand out. Quarantine the pack and contact the manufacturer: "
                                 "it may be a copy.")),
    "already_exported":        ("Already exported",
                                "Stop: do not hand out. Quarantine the pack and contact the supplier."),
    "already_sample":          ("Taken as a sample by an authority",
                                "Stop: do not hand out. Quarantine the pack and contact the supplier."),
    "already_free_sample":     ("Free sample, not for sale",
                                ("Stop: do not sell or hand out. Quarantine the pack and contact the "
                                 "supplier.")),
    "already_stolen":          ("Reported stolen",
                                "Stop: do not hand out. Quarantine the pack and report it to the authority."),
    "already_locked":          ("Locked",
                                ("Stop: do not hand out. Keep the pack aside until the site that locked it "
                                 "has unlocked it.")),
    "already_checked_out":     ("Checked out for repackaging",
                                "Stop: do not hand out. Quarantine the pack and contact the supplier."),
    "already_destroyed":       ("Recorded as destroyed",
                                ("Stop: do not hand out. A destroyed pack came back: quarantine it and "
                                 "report it to the authority.")),
    "already_done_here":       ("Already done at this site",
                                ("Nothing was changed. The same pack scanned twice counts once; undo a slip. "
                                 "If that pack has already left, quarantine this one: it may be a copy.")),
    "undo_state_mismatch":     ("Nothing to undo",
                                "The pack is active. Check that this is the pack you mean."),
    "undo_not_possible":       ("Cannot be undone",
                                "Destroyed and stolen are final. Do not return the pack to stock."),
    "undo_other_site":         ("Changed at another site",
                                ("Only the site that made the change may undo it. Do not return the pack to "
                                 "stock.")),
    "undo_too_late":           ("Too late to undo",
                                "More than 10 days have passed. Do not return the pack to saleable stock."),
    "undo_expired":            ("Expired, cannot be undone",
                                "Do not return the pack to stock; set it aside for destruction."),
    "undo_recalled":           ("Recalled or withdrawn, cannot be undone",
                                "Do not return the pack to stock; follow the recall notice."),
    "undo_supplied_to_public": ("Not undone, declaration missing",
                                ("Only possible if the pack never left this site: declare so and repeat. "
                                 "Otherwise do not return it to stock.")),
    "duplicate_in_request":    ("Twice in one list",
                                ("The first entry counted. Check whether two packs carry the same code; if "
                                 "so, quarantine both.")),
    "replay_conflict":         ("Changed elsewhere in the meantime",
                                ("The pack was recorded offline here, but another site changed it first. "
                                 "Quarantine it if it is still here and tell the person in charge.")),
}
# fmt: on
