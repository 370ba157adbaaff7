"""Reports for people: tables as text, and HTML pages without script or other files, pictures inside as data."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #222; }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #ccc }
.finding { border-left: 6px solid; padding: .3em 1em; margin: 1em 0; background: #fafafa }
.error { border-color: #c62828 } .warning { border-color: #ef9a00 } .note { border-color: #5c85b0 }
.verdict { font-size: 1.1em; font-weight: 600 } .where { color: #555; font-size: .9em; overflow-wrap: anywhere }
table { border-collapse: collapse; font-size: .85em; margin: .6em 0 } td, th { padding: .15em .7em; text-align: right; border-bottom: 1px solid #eee }
td:first-child, th:first-child { text-align: left } figure { display: inline-block; margin: .3em .6em .3em 0; vertical-align: top }
figcaption { font-size: .8em; color: #555; max-width: 420px; overflow-wrap: anywhere } img { max-width: 100% } .wide { overflow-x: auto }
figure.large figcaption { max-width: none }
"""


def document(title: str, body: Iterable[str]) -> str:
    """Return a whole page; `body` is HTML."""
    return f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title><style>{_STYLE}</style>{''.join(body)}</html>\n"


def figure(content: bytes, caption: str, kind: str = "png", *, large: bool = False) -> str:
    """Return a picture of a file's content with its caption; `large`: the caption may be as wide as the page."""
    data = base64.b64encode(content).decode("ascii")
    image = f"<img alt='{escape(caption, quote=True)}' src='data:image/{kind};base64,{data}'>"
    return f"<figure{' class=large' if large else ''}>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as HTML."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class='wide'><b>{escape(title)}</b><table><tr>{head}</tr>{lines}</table></div>"


def text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay a table out for the terminal: the first column to the left, the others to the right.

    >>> print(text(["class", "AP"], [["cat", 0.5]]))
      class   AP
      cat    0.5
    """
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))) for row in cells]
    return "\n".join(f"  {line.rstrip()}" for line in lines)
