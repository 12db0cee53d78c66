"""What a result looks like: a panel for people, a line for pipes, an object for programs. Decides nothing."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from scanner_client.checker import CheckResult
from scanner_client.decode import Picture

# fmt: off
_LOOK = {
    # signal   word            words on        frame
    "green":  ("OK",           "black on green",  "green"),
    "amber":  ("ATTENTION",    "black on yellow", "yellow"),
    "red":    ("STOP",         "white on red",    "red"),
    "grey":   ("NOT CHECKED",  "black on white",  "white"),
}
_NEXT_STEPS = {
    "restock":            "restock",
    "ask_manufacturer":   "ask the manufacturer",
    "wait_for_data":      "wait for the data of this batch",
    "wait_for_release":   "wait for the release of the hold",
    "return_to_supplier": "return to the supplier",
    "destroy":            "destroy",
    "quarantine":         "quarantine",
}
# fmt: on
_WIDTH = 72


def show_result(console: Console, result: CheckResult) -> None:
    """One panel for one pack: the signal first, then what it is and what to do."""
    word, on, frame = _LOOK[result.signal]
    signal = Text(f"  {' '.join(word)}  ", style=f"bold {on}")
    lines: list[RenderableType] = [
        Align.center(signal, style=on),
        Text(),
        Text(clean(result.title), style="bold"),
    ]
    lines += [Text(clean(line), style=style) for line, style in _details(result) if line]
    panel = Panel(
        Group(*lines), title=Text(clean(result.source), style="dim"), border_style=frame, padding=(1, 2)
    )
    console.print(panel, width=min(_WIDTH, console.width))


def _details(result: CheckResult) -> list[tuple[str, str]]:
    verdict = result.verdict or {}
    return [
        (_product(verdict), ""),
        (_print(result), "dim"),
        (result.advice, ""),
        (_resale(verdict), "bold"),
        (_notes(verdict), "dim"),
        (_alert(verdict), "bold"),
    ]


def result_line(result: CheckResult) -> str:
    """One line, parted by tabs: signal, code, product code, serial, title, advice, alert id, source."""
    verdict = result.verdict or {}
    code = verdict.get("code") or (result.problem or {}).get("code")
    advice = " ".join(part for part in (result.advice, _resale(verdict)) if part)
    alert = _object(verdict, "alert").get("id")
    parts = (result.signal, code, result.gtin, result.serial, result.title, advice, alert, result.source)
    return "\t".join(clean(str(part)) if part else "-" for part in parts)


def result_json(result: CheckResult) -> str:
    """The result as one JSON object on one line."""
    return json.dumps(asdict(result))


def show_picture(console: Console, picture: Picture) -> None:
    """What was read on one picture, for people."""
    count = len(picture.codes)
    read = f"{count} pack{'s' if count > 1 else ''} read" if count else "no pack read"
    console.print(Text(f"{clean(picture.file)}: {read}", style="bold"))
    for code in picture.codes:
        expiry = f"  EXP {code.expiry}" if code.expiry else ""
        lot = f"  LOT {code.lot}" if code.lot else ""
        product = f"PPN {code.ppn}" if code.ppn else f"GTIN {code.gtin}"
        console.print(Text(f"  {product}  SN {code.serial}{lot}{expiry}"))


def picture_lines(picture: Picture) -> list[str]:
    """One line a pack, parted by tabs: GTIN, PPN, serial, lot, expiry, file."""
    rows = ((code.gtin, code.ppn, code.serial, code.lot, code.expiry, picture.file) for code in picture.codes)
    return ["\t".join(clean(part) if part else "-" for part in row) for row in rows]


def picture_json(picture: Picture) -> str:
    """The picture as one JSON object on one line: `file`, `codes`, `reason`."""
    codes = [asdict(code) for code in picture.codes]
    return json.dumps({"file": picture.file, "codes": codes, "reason": picture.reason})


def clean(text: str) -> str:
    """Without characters that could steer a terminal or break a line."""
    return "".join(char if char.isprintable() else "·" for char in text)


def _object(verdict: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = verdict.get(name)
    return value if isinstance(value, dict) else {}


def _product(verdict: Mapping[str, Any]) -> str:
    product = _object(_object(verdict, "pack"), "product")
    words = [str(product[name]) for name in ("name", "strength", "form", "pack_size") if product.get(name)]
    return " · ".join(words)


def _print(result: CheckResult) -> str:
    """What to compare with the print on the pack."""
    pack = _object(result.verdict or {}, "pack")
    fields = (("SN", result.serial), ("LOT", pack.get("lot")), ("EXP", pack.get("expiry")))
    return "  ".join(f"{name} {value}" for name, value in fields if value)


def _resale(verdict: Mapping[str, Any]) -> str:
    if not verdict.get("resale"):
        return ""
    step = str(verdict.get("next_step") or "")
    return f"Resale: {verdict['resale']}" + (f" ({_NEXT_STEPS.get(step, step)})" if step else "")


def _notes(verdict: Mapping[str, Any]) -> str:
    notes = verdict.get("notes")
    return (
        "Note: " + ", ".join(str(note).replace("_", " ") for note in notes)
        if isinstance(notes, list) and notes
        else ""
    )


def _alert(verdict: Mapping[str, Any]) -> str:
    alert = _object(verdict, "alert")
    return f"Alert {alert.get('id')} ({alert.get('code')})" if alert else ""
