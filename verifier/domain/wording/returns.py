"""What a person is told of a scan that counts nothing: title and advice of each code, in every language."""

from collections.abc import Mapping

_EN = {
    "duplicate": (
        "Already scanned in this session",
        "It counts once. If a second pack carries this code, quarantine both.",
    ),
    "case_unknown": ("Case not in the repository", "Open the case and scan each pack."),
    "case_empty": (
        "Nothing of this case is left",
        "All its packs have left the supply chain. Open the case and scan each pack.",
    ),
    "case_opened": (
        "This case has been opened",
        "Packs of it have left the supply chain. Scan each pack that is there.",
    ),
    "case_mixed": (
        "The case is not homogeneous",
        "It holds more than one product or lot. Open the case and scan each pack.",
    ),
    "case_partly_scanned": (
        "Part of this case was scanned already",
        "The case is not sealed any more. Scan the rest of its packs one by one.",
    ),
    "case_too_large": ("Too many packs in this case", "Open the case and scan each pack."),
}
_DE = {
    "duplicate": (
        "In diesem Vorgang schon gescannt",
        "Gezählt wird einmal. Trägt eine zweite Packung diesen Code, beide in Quarantäne nehmen.",
    ),
    "case_unknown": (
        "Karton nicht in der Datenbank",
        "Karton öffnen und jede Packung einzeln scannen.",
    ),
    "case_empty": (
        "Von diesem Karton ist nichts mehr da",
        "Alle Packungen haben die Lieferkette verlassen. Karton öffnen und jede Packung einzeln scannen.",
    ),
    "case_opened": (
        "Dieser Karton wurde geöffnet",
        "Packungen daraus haben die Lieferkette verlassen. Jede vorhandene Packung einzeln scannen.",
    ),
    "case_mixed": (
        "Der Karton ist nicht sortenrein",
        "Er enthält mehr als ein Produkt oder eine Charge. Karton öffnen und jede Packung einzeln scannen.",
    ),
    "case_partly_scanned": (
        "Ein Teil dieses Kartons wurde schon gescannt",
        "Der Karton ist nicht mehr verschlossen. Die übrigen Packungen einzeln scannen.",
    ),
    "case_too_large": (
        "Zu viele Packungen in diesem Karton",
        "Karton öffnen und jede Packung einzeln scannen.",
    ),
}
_FR = {
    "duplicate": (
        "Déjà scannée dans cette session",
        "Elle compte une fois. Si une seconde boîte porte ce code, mettez les deux en quarantaine.",
    ),
    "case_unknown": ("Carton inconnu du répertoire", "Ouvrez le carton et scannez chaque boîte."),
    "case_empty": (
        "Il ne reste rien de ce carton",
        "Toutes ses boîtes ont quitté la chaîne. Ouvrez le carton et scannez chaque boîte.",
    ),
    "case_opened": (
        "Ce carton a été ouvert",
        "Des boîtes en ont quitté la chaîne. Scannez chaque boîte présente.",
    ),
    "case_mixed": (
        "Le carton n'est pas homogène",
        "Il contient plus d'un produit ou lot. Ouvrez le carton et scannez chaque boîte.",
    ),
    "case_partly_scanned": (
        "Une partie de ce carton a déjà été scannée",
        "Le carton n'est plus scellé. Scannez une à une les boîtes qui restent.",
    ),
    "case_too_large": ("Trop de boîtes dans ce carton", "Ouvrez le carton et scannez chaque boîte."),
}
WORDS: Mapping[str, Mapping[str, tuple[str, str]]] = {"en": _EN, "de": _DE, "fr": _FR}
