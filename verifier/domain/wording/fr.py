"""French, in the words of Delegated Regulation (EU) 2016/161 and of the counter. See `en` for the keys.

No colon and no semicolon: both would want a no-break space that nobody sees in the source.
"""

from collections.abc import Mapping

# fmt: off
WORDS: Mapping[str, tuple[str, str]] = {
    "ok":                      ("Boîte authentique et active", "Peut être délivrée."),
    "ok:verify":               ("Boîte authentique et active", "Peut être délivrée."),
    "ok:read":                 ("Boîte authentique et active",
                                "Pour information seulement. Vérifier la boîte une fois en main."),
    "ok:dispense":             ("Délivrance enregistrée",
                                ("Remettre la boîte. Si elle n'est finalement pas retirée, annuler la "
                                 "délivrance sur ce site.")),
    "ok:decommission":         ("Boîte désactivée",
                                ("Ne peut plus être vendue ni délivrée. La tenir à l'écart du stock "
                                 "vendable.")),
    "ok:reactivate":           ("Boîte réactivée", "Peut être remise dans le stock vendable."),
    "ok:returns_check":        ("Boîte authentique et active", "Peut être remise dans le stock vendable."),
    "unknown_product":         ("Produit absent du répertoire",
                                ("Mettre la boîte de côté. Vérifier si le produit doit porter les "
                                 "dispositifs de sécurité. Si oui, demander au laboratoire de charger ses "
                                 "données.")),
    "unknown_serial":          ("Numéro de série inconnu",
                                ("Stop. Ne pas délivrer. Comparer le numéro de série au texte imprimé et "
                                 "rescanner. S'il reste inconnu, mettre la boîte en quarantaine et contacter "
                                 "le laboratoire.")),
    "unknown_batch":           ("Lot et numéro de série inconnus",
                                ("Stop. Ne pas délivrer. Comparer le code au texte imprimé et rescanner. "
                                 "S'il reste inconnu, mettre la boîte en quarantaine et contacter le "
                                 "laboratoire.")),
    "lot_mismatch":            ("Le lot ne correspond pas à cette boîte",
                                ("Stop. Ne pas délivrer. Comparer le lot au texte imprimé, vérifier Verr. "
                                 "Maj. et la langue du clavier. Si tout est juste, mettre la boîte en "
                                 "quarantaine.")),
    "expiry_mismatch":         ("La date de péremption ne correspond pas à cette boîte",
                                ("Stop. Ne pas délivrer. Comparer la date de péremption au texte imprimé et "
                                 "rescanner. Si elle est identique, mettre la boîte en quarantaine.")),
    "seal_broken":             ("Dispositif antieffraction rompu",
                                ("Stop. Ne pas délivrer. Mettre la boîte en quarantaine et la signaler à "
                                 "l'autorité compétente.")),
    "withdrawn":               ("Produit retiré du marché",
                                ("Ne pas délivrer. Mettre la boîte de côté pour retour au fournisseur ou "
                                 "destruction.")),
    "recalled":                ("Lot rappelé",
                                ("Ne pas délivrer. Mettre la boîte de côté et suivre les consignes du "
                                 "rappel.")),
    "expired":                 ("Boîte périmée",
                                "Ne pas délivrer. Mettre la boîte de côté pour destruction."),
    "on_hold":                 ("Lot bloqué provisoirement",
                                ("Ne pas délivrer pour l'instant. Garder la boîte de côté jusqu'à la levée "
                                 "du blocage, puis rescanner.")),
    "already_dispensed":       ("Déjà délivrée ailleurs",
                                ("Stop. Ne pas délivrer. Mettre la boîte en quarantaine et contacter le "
                                 "laboratoire. Il peut s'agir d'une copie.")),
    "already_exported":        ("Déjà exportée",
                                ("Stop. Ne pas délivrer. Mettre la boîte en quarantaine et contacter le "
                                 "fournisseur.")),
    "already_sample":          ("Prélevée comme échantillon par une autorité",
                                ("Stop. Ne pas délivrer. Mettre la boîte en quarantaine et contacter le "
                                 "fournisseur.")),
    "already_free_sample":     ("Échantillon gratuit, vente interdite",
                                ("Stop. Ne pas vendre ni délivrer. Mettre la boîte en quarantaine et "
                                 "contacter le fournisseur.")),
    "already_stolen":          ("Déclarée volée",
                                ("Stop. Ne pas délivrer. Mettre la boîte en quarantaine et la signaler à "
                                 "l'autorité compétente.")),
    "already_locked":          ("Boîte verrouillée",
                                ("Stop. Ne pas délivrer. Garder la boîte de côté jusqu'à ce que le site qui "
                                 "l'a verrouillée la déverrouille.")),
    "already_checked_out":     ("Sortie pour reconditionnement",
                                ("Stop. Ne pas délivrer. Mettre la boîte en quarantaine et contacter le "
                                 "fournisseur.")),
    "already_destroyed":       ("Enregistrée comme détruite",
                                ("Stop. Ne pas délivrer. Une boîte détruite est réapparue. La mettre en "
                                 "quarantaine et la signaler à l'autorité compétente.")),
    "already_done_here":       ("Déjà enregistrée sur ce site",
                                ("Rien n'a été modifié. Scannée deux fois, la boîte compte une fois. En cas "
                                 "d'erreur, annuler. Si elle est déjà partie, mettre celle-ci en quarantaine "
                                 "(copie possible).")),
    "undo_state_mismatch":     ("Rien à annuler",
                                "La boîte est active. Vérifier qu'il s'agit bien de la boîte voulue."),
    "undo_not_possible":       ("Opération définitive, annulation impossible",
                                ("La destruction et le vol sont définitifs. Ne pas remettre la boîte en "
                                 "stock.")),
    "undo_other_site":         ("Modifiée sur un autre site",
                                ("Seul le site qui a fait la modification peut l'annuler. Ne pas remettre la "
                                 "boîte en stock.")),
    "undo_too_late":           ("Délai d'annulation dépassé",
                                ("Plus de 10 jours se sont écoulés. Ne pas remettre la boîte dans le stock "
                                 "vendable.")),
    "undo_expired":            ("Périmée, annulation impossible",
                                "Ne pas remettre la boîte en stock. La mettre de côté pour destruction."),
    "undo_recalled":           ("Rappel ou retrait du marché, annulation impossible",
                                "Ne pas remettre la boîte en stock. Suivre les consignes du rappel."),
    "undo_supplied_to_public": ("Non annulée, déclaration manquante",
                                ("Possible seulement si la boîte n'a jamais quitté ce site. Le déclarer et "
                                 "recommencer. Sinon, ne pas la remettre en stock.")),
    "duplicate_in_request":    ("Deux fois dans une même liste",
                                ("La première compte. Vérifier si deux boîtes portent le même code. Si oui, "
                                 "mettre les deux en quarantaine.")),
    "replay_conflict":         ("Modifiée ailleurs entre-temps",
                                ("Enregistrée hors ligne ici, mais un autre site l'a modifiée avant. Si la "
                                 "boîte est encore là, la mettre en quarantaine. Prévenir le responsable.")),
}
# fmt: on
