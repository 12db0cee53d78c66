"""German, in the words of Delegated Regulation (EU) 2016/161 and of the counter. See `en` for the keys."""

from collections.abc import Mapping

# fmt: off
WORDS: Mapping[str, tuple[str, str]] = {
    "ok":                      ("Echt und aktiv", "Darf abgegeben werden."),
    "ok:verify":               ("Echt und aktiv", "Darf abgegeben werden."),
    "ok:read":                 ("Echt und aktiv",
                                "Nur zur Auskunft. Die Packung verifizieren, sobald sie vorliegt."),
    "ok:dispense":             ("Abgabe verbucht",
                                ("Packung aushändigen. Wird sie doch nicht abgeholt, die Abgabe an diesem "
                                 "Standort rückgängig machen.")),
    "ok:decommission":         ("Deaktiviert",
                                ("Darf nicht mehr verkauft oder abgegeben werden. Getrennt vom "
                                 "verkaufsfähigen Bestand aufbewahren.")),
    "ok:reactivate":           ("Wieder aktiv",
                                "Die Packung darf zurück in den verkaufsfähigen Bestand."),
    "ok:returns_check":        ("Echt und aktiv", "Darf zurück in den verkaufsfähigen Bestand."),
    "unknown_product":         ("Produkt nicht im System",
                                ("Packung beiseitelegen. Prüfen, ob das Produkt Sicherheitsmerkmale tragen "
                                 "muss; wenn ja, den Hersteller bitten, die Daten hochzuladen.")),
    "unknown_serial":          ("Seriennummer unbekannt",
                                ("Stopp: nicht abgeben. Seriennummer mit dem Aufdruck vergleichen, erneut "
                                 "scannen; bleibt sie unbekannt, Packung in Quarantäne nehmen und Hersteller "
                                 "benachrichtigen.")),
    "unknown_batch":           ("Charge und Seriennummer unbekannt",
                                ("Stopp: nicht abgeben. Code mit dem Aufdruck vergleichen, erneut scannen; "
                                 "bleibt er unbekannt, Packung in Quarantäne nehmen und Hersteller "
                                 "benachrichtigen.")),
    "lot_mismatch":            ("Charge passt nicht zu dieser Packung",
                                ("Stopp: nicht abgeben. Charge mit dem Aufdruck vergleichen, Feststelltaste "
                                 "und Tastaturlayout prüfen; ist alles richtig, Packung in Quarantäne "
                                 "nehmen.")),
    "expiry_mismatch":         ("Verfalldatum passt nicht zu dieser Packung",
                                ("Stopp: nicht abgeben. Verfalldatum mit dem Aufdruck vergleichen, erneut "
                                 "scannen; stimmt es überein, Packung in Quarantäne nehmen.")),
    "seal_broken":             ("Erstöffnungsschutz verletzt",
                                ("Stopp: nicht abgeben. Packung in Quarantäne nehmen und der zuständigen "
                                 "Behörde melden.")),
    "withdrawn":               ("Produkt vom Markt genommen",
                                ("Nicht abgeben. Packung aussondern, zur Rückgabe an den Lieferanten oder "
                                 "zur Vernichtung.")),
    "recalled":                ("Charge zurückgerufen",
                                "Nicht abgeben. Packung aussondern und den Anweisungen des Rückrufs folgen."),
    "expired":                 ("Verfallen", "Nicht abgeben. Packung zur Vernichtung aussondern."),
    "on_hold":                 ("Charge vorläufig gesperrt",
                                ("Vorerst nicht abgeben. Packung getrennt aufbewahren, bis die Charge "
                                 "freigegeben ist, dann erneut scannen.")),
    "already_dispensed":       ("Bereits anderswo abgegeben",
                                ("Stopp: nicht abgeben. Packung in Quarantäne nehmen und Hersteller "
                                 "benachrichtigen: Es kann eine Kopie sein.")),
    "already_exported":        ("Bereits exportiert",
                                ("Stopp: nicht abgeben. Packung in Quarantäne nehmen und Lieferanten "
                                 "benachrichtigen.")),
    "already_sample":          ("Als Probe für eine Behörde entnommen",
                                ("Stopp: nicht abgeben. Packung in Quarantäne nehmen und Lieferanten "
                                 "benachrichtigen.")),
    "already_free_sample":     ("Unverkäufliches Muster",
                                ("Stopp: weder verkaufen noch abgeben. Packung in Quarantäne nehmen und "
                                 "Lieferanten benachrichtigen.")),
    "already_stolen":          ("Als gestohlen gemeldet",
                                ("Stopp: nicht abgeben. Packung in Quarantäne nehmen und der zuständigen "
                                 "Behörde melden.")),
    "already_locked":          ("Packung gesperrt",
                                ("Stopp: nicht abgeben. Packung getrennt aufbewahren, bis der Standort, der "
                                 "sie gesperrt hat, sie entsperrt.")),
    "already_checked_out":     ("Zum Umpacken ausgebucht",
                                ("Stopp: nicht abgeben. Packung in Quarantäne nehmen und Lieferanten "
                                 "benachrichtigen.")),
    "already_destroyed":       ("Als vernichtet verbucht",
                                ("Stopp: nicht abgeben. Eine vernichtete Packung ist wieder aufgetaucht: in "
                                 "Quarantäne nehmen und der zuständigen Behörde melden.")),
    "already_done_here":       ("An diesem Standort bereits verbucht",
                                ("Nichts wurde geändert. Doppelt gescannt zählt einmal; ein Versehen "
                                 "rückgängig machen. Ist die verbuchte Packung schon fort, diese in "
                                 "Quarantäne nehmen: Kopie möglich.")),
    "undo_state_mismatch":     ("Packung ist bereits aktiv",
                                ("Es gibt nichts rückgängig zu machen. Prüfen, ob es die gemeinte Packung "
                                 "ist.")),
    "undo_not_possible":       ("Endgültig, nicht rückgängig zu machen",
                                ("Vernichtung und Diebstahl sind endgültig. Packung nicht in den Bestand "
                                 "zurücknehmen.")),
    "undo_other_site":         ("An einem anderen Standort verbucht",
                                ("Nur der Standort, der verbucht hat, darf es rückgängig machen. Packung "
                                 "nicht in den Bestand zurücknehmen.")),
    "undo_too_late":           ("Frist zum Rückgängigmachen abgelaufen",
                                ("Es sind mehr als 10 Tage vergangen. Packung nicht in den verkaufsfähigen "
                                 "Bestand zurücknehmen.")),
    "undo_expired":            ("Verfallen, nicht rückgängig zu machen",
                                "Packung nicht in den Bestand zurücknehmen; zur Vernichtung aussondern."),
    "undo_recalled":           ("Rückruf oder Marktrücknahme, nicht rückgängig zu machen",
                                ("Packung nicht in den Bestand zurücknehmen; den Anweisungen des Rückrufs "
                                 "folgen.")),
    "undo_supplied_to_public": ("Nicht rückgängig gemacht, Erklärung fehlt",
                                ("Nur möglich, wenn die Packung diesen Standort nie verlassen hat: dies "
                                 "erklären und wiederholen. Sonst nicht in den Bestand zurücknehmen.")),
    "duplicate_in_request":    ("Zweimal in einer Liste",
                                ("Der erste Eintrag zählt. Prüfen, ob zwei Packungen denselben Code tragen; "
                                 "wenn ja, beide in Quarantäne nehmen.")),
    "replay_conflict":         ("Inzwischen anderswo verbucht",
                                ("Hier offline erfasst, aber ein anderer Standort war schneller. Ist die "
                                 "Packung noch hier, in Quarantäne nehmen; verantwortliche Person "
                                 "informieren.")),
}
# fmt: on
