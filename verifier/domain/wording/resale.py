"""What a person is told about a resale: title and advice of each code, in every language."""

from collections.abc import Mapping

# fmt: off
WORDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "en": {
        "illegitimate":         ("Reported as illegitimate",
                                 ("Do not resell. Quarantine the pack, keep a sample, and notify the "
                                  "authority and your trading partners within 24 hours.")),
        "suspect":              ("Reported as suspect",
                                 ("Do not resell. Quarantine the pack and investigate together with the"
                                  " manufacturer.")),
        "mismatch":             ("Identifiers do not match the manufacturer's",
                                 ("Do not resell. Compare the print with what was scanned and ask once "
                                  "more; if it stays so, quarantine the pack.")),
        "seal_broken":          ("Anti-tampering seal broken",
                                 ("Do not resell. Quarantine the pack: what is in it may not be what it "
                                  "says.")),
        "own_state":            ("Not saleable by our own records",
                                 "Do not resell. Quarantine the pack and look at its history."),
        "recalled":             ("Recalled or withdrawn",
                                 "Do not resell. Set the pack aside and follow the recall notice."),
        "expired":              ("Past its expiry date",
                                 "Do not resell. Set the pack aside for destruction."),
        "policy":               ("Refused by the manufacturer's policy",
                                 ("Do not resell. The identifiers match, but the manufacturer says no: "
                                  "quarantine the pack and ask the manufacturer why.")),
        "expiry_window":        ("Too close to its expiry date",
                                 ("Do not resell. Too few days are left by your own rule: return the "
                                  "pack for credit.")),
        "alert_open":           ("An alert about this pack is open",
                                 ("Keep the pack in quarantine until the alert has been looked into, "
                                  "then check again.")),
        "on_hold":              ("The batch is held",
                                 "Keep the pack aside until the hold is lifted, then check again."),
        "no_transaction_data":  ("No transaction data for this return",
                                 ("Keep the pack aside until the return is associated with its "
                                  "transaction information and statement.")),
        "refused":              ("The manufacturer's service does not serve us",
                                 ("Keep the pack aside. Have your GLN or your credentials admitted by "
                                  "the manufacturer's service, then ask again.")),
        "malformed":            ("The manufacturer's service did not take our question",
                                 ("Keep the pack aside; this says nothing against it. Tell whoever runs "
                                  "your own service, then ask again.")),
        "unknown_gtin":         ("Nobody is listed for this product",
                                 ("Keep the pack aside; this says nothing against it. Bring the "
                                  "directory up to date, or ask the manufacturer directly.")),
        "no_answer":            ("No answer from the manufacturer",
                                 ("Keep the pack aside; this says nothing against it. Ask again; after "
                                  "24 hours call the manufacturer.")),
        "not_asked":            ("Not asked yet",
                                 "Keep the pack aside until the manufacturer has been asked."),
        "ok":                   ("May be resold",
                                 "Return the pack to saleable stock."),
    },
    "de": {
        "illegitimate":         ("Als unrechtmäßig gemeldet",
                                 ("Nicht weiterverkaufen. Packung in Quarantäne nehmen, ein Muster "
                                  "aufbewahren, Behörde und Handelspartner binnen 24 Stunden "
                                  "benachrichtigen.")),
        "suspect":              ("Als verdächtig gemeldet",
                                 ("Nicht weiterverkaufen. Packung in Quarantäne nehmen und den Fall mit"
                                  " dem Hersteller klären.")),
        "mismatch":             ("Kennzeichen stimmen nicht mit dem Hersteller überein",
                                 ("Nicht weiterverkaufen. Aufdruck mit dem Scan vergleichen und noch "
                                  "einmal fragen; bleibt es dabei, Packung in Quarantäne nehmen.")),
        "seal_broken":          ("Erstöffnungsschutz verletzt",
                                 ("Nicht weiterverkaufen. Packung in Quarantäne nehmen: Der Inhalt ist "
                                  "vielleicht nicht, was darauf steht.")),
        "own_state":            ("Nach eigenen Daten nicht verkäuflich",
                                 ("Nicht weiterverkaufen. Packung in Quarantäne nehmen und ihre "
                                  "Vorgeschichte ansehen.")),
        "recalled":             ("Zurückgerufen oder vom Markt genommen",
                                 ("Nicht weiterverkaufen. Packung absondern und nach der "
                                  "Rückrufmitteilung verfahren.")),
        "expired":              ("Verfalldatum überschritten",
                                 "Nicht weiterverkaufen. Packung zur Vernichtung absondern."),
        "policy":               ("Vom Hersteller nach eigener Regel abgelehnt",
                                 ("Nicht weiterverkaufen. Die Kennzeichen stimmen, der Hersteller lehnt"
                                  " dennoch ab: Packung in Quarantäne nehmen und nach dem Grund fragen.")),
        "expiry_window":        ("Zu kurz vor dem Verfall",
                                 ("Nicht weiterverkaufen. Nach eigener Regel bleiben zu wenige Tage: "
                                  "Packung zur Gutschrift zurückgeben.")),
        "alert_open":           ("Zu dieser Packung ist ein Alarm offen",
                                 ("Packung in Quarantäne halten, bis der Alarm geklärt ist, dann erneut "
                                  "prüfen.")),
        "on_hold":              ("Die Charge ist angehalten",
                                 ("Packung absondern, bis die Charge freigegeben ist, dann erneut "
                                  "prüfen.")),
        "no_transaction_data":  ("Keine Transaktionsdaten zu dieser Retoure",
                                 ("Packung absondern, bis der Retoure ihre Transaktionsdaten und die "
                                  "Erklärung dazu zugeordnet sind.")),
        "refused":              ("Der Dienst des Herstellers bedient uns nicht",
                                 ("Packung absondern. Die eigene GLN oder die Zugangsdaten beim Dienst "
                                  "des Herstellers zulassen lassen, dann erneut fragen.")),
        "malformed":            ("Der Dienst des Herstellers nahm unsere Frage nicht an",
                                 ("Packung absondern; das spricht nicht gegen sie. Den Betreiber des "
                                  "eigenen Dienstes verständigen, dann erneut fragen.")),
        "unknown_gtin":         ("Für dieses Produkt ist niemand verzeichnet",
                                 ("Packung absondern; das spricht nicht gegen sie. Verzeichnis auf den "
                                  "neuesten Stand bringen oder den Hersteller direkt fragen.")),
        "no_answer":            ("Keine Antwort vom Hersteller",
                                 ("Packung absondern; das spricht nicht gegen sie. Erneut fragen; nach "
                                  "24 Stunden den Hersteller anrufen.")),
        "not_asked":            ("Noch nicht gefragt",
                                 "Packung absondern, bis der Hersteller gefragt worden ist."),
        "ok":                   ("Darf weiterverkauft werden",
                                 "Packung in den verkäuflichen Bestand zurücknehmen."),
    },
    "fr": {
        "illegitimate":         ("Signalé comme illégitime",
                                 ("Ne pas revendre. Mettre la boîte en quarantaine, garder un "
                                  "échantillon, avertir l'autorité et les partenaires commerciaux sous "
                                  "24 heures.")),
        "suspect":              ("Signalé comme suspect",
                                 ("Ne pas revendre. Mettre la boîte en quarantaine et enquêter avec le "
                                  "fabricant.")),
        "mismatch":             ("Identifiants différents de ceux du fabricant",
                                 ("Ne pas revendre. Comparer l'impression avec ce qui a été lu et "
                                  "demander encore une fois ; si rien ne change, mettre la boîte en "
                                  "quarantaine.")),
        "seal_broken":          ("Dispositif antieffraction rompu",
                                 ("Ne pas revendre. Mettre la boîte en quarantaine : son contenu n'est "
                                  "peut-être pas ce qu'elle indique.")),
        "own_state":            ("Non vendable selon nos propres données",
                                 ("Ne pas revendre. Mettre la boîte en quarantaine et consulter son "
                                  "historique.")),
        "recalled":             ("Rappelé ou retiré du marché",
                                 "Ne pas revendre. Mettre la boîte de côté et suivre l'avis de rappel."),
        "expired":              ("Date de péremption dépassée",
                                 "Ne pas revendre. Mettre la boîte de côté pour destruction."),
        "policy":               ("Refusé par la règle du fabricant",
                                 ("Ne pas revendre. Les identifiants concordent, mais le fabricant "
                                  "refuse : mettre la boîte en quarantaine et lui demander pourquoi.")),
        "expiry_window":        ("Trop proche de la péremption",
                                 ("Ne pas revendre. Il reste trop peu de jours selon votre propre règle"
                                  " : retourner la boîte contre avoir.")),
        "alert_open":           ("Une alerte sur cette boîte est ouverte",
                                 ("Garder la boîte en quarantaine jusqu'à ce que l'alerte soit élucidée, "
                                  "puis vérifier à nouveau.")),
        "on_hold":              ("Le lot est suspendu",
                                 ("Garder la boîte de côté jusqu'à la levée de la suspension, puis "
                                  "vérifier à nouveau.")),
        "no_transaction_data":  ("Pas de données de transaction pour ce retour",
                                 ("Garder la boîte de côté jusqu'à ce que le retour soit associé à ses "
                                  "données et à sa déclaration de transaction.")),
        "refused":              ("Le service du fabricant ne nous sert pas",
                                 ("Garder la boîte de côté. Faire admettre votre GLN ou vos "
                                  "identifiants par le service du fabricant, puis redemander.")),
        "malformed":            ("Le service du fabricant n'a pas accepté notre question",
                                 ("Garder la boîte de côté ; cela ne prouve rien contre elle. Avertir "
                                  "l'exploitant de votre propre service, puis redemander.")),
        "unknown_gtin":         ("Personne n'est inscrit pour ce produit",
                                 ("Garder la boîte de côté ; cela ne prouve rien contre elle. Mettre "
                                  "l'annuaire à jour, ou demander directement au fabricant.")),
        "no_answer":            ("Pas de réponse du fabricant",
                                 ("Garder la boîte de côté ; cela ne prouve rien contre elle. "
                                  "Redemander ; après 24 heures appeler le fabricant.")),
        "not_asked":            ("Pas encore demandé",
                                 "Garder la boîte de côté jusqu'à ce que le fabricant soit interrogé."),
        "ok":                   ("Peut être revendu",
                                 "Remettre la boîte dans le stock vendable."),
    },
}
# fmt: on
