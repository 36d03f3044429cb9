"""Results as parts of documents: html, latex, insert statements, and the vertical listing."""

from __future__ import annotations

from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

from sqlshell import types as t
from sqlshell.shell.output.boxes import footer
from sqlshell.shell.output.values import formatter, zone_info
from sqlshell.shell.output.width import one_line, pad, width
from sqlshell.types import quote_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from sqlshell.result import Result
    from sqlshell.shell.output import Style

_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\n": " ", "\r": " ",
})  # fmt: skip
ROWS_PER_INSERT = 500


def html(result: Result, out: TextIO, style: Style) -> None:
    """A <table>; NULL is an empty cell of class null."""
    zone = zone_info(style.zone)
    formats = [formatter(f.type, zone) for f in result.fields]
    out.write("<table>\n<thead>\n<tr>" + "".join(f"<th>{escape(n)}</th>" for n in result.names))
    out.write("</tr>\n</thead>\n<tbody>\n")
    numbers = [' class="number"' if isinstance(f.type, t.Numeric) else "" for f in result.fields]
    for row in islice(result.rows(), style.limit):
        cells = (
            '<td class="null"></td>' if v is None else f"<td{n}>{escape(f(v))}</td>"
            for f, v, n in zip(formats, row, numbers, strict=True)
        )
        out.write("<tr>" + "".join(cells) + "</tr>\n")
    out.write("</tbody>\n</table>\n")


def latex(result: Result, out: TextIO, style: Style) -> None:
    """A tabular; numbers to the right, NULL as \\textit{NULL}."""
    zone = zone_info(style.zone)
    formats = [formatter(f.type, zone) for f in result.fields]
    layout = "".join("r" if isinstance(f.type, t.Numeric) else "l" for f in result.fields)
    out.write(f"\\begin{{tabular}}{{{layout}}}\n\\hline\n")
    out.write(" & ".join(n.translate(_LATEX) for n in result.names) + " \\\\\n\\hline\n")
    for row in islice(result.rows(), style.limit):
        cells = (
            r"\textit{NULL}" if v is None else f(v).translate(_LATEX)
            for f, v in zip(formats, row, strict=True)
        )
        out.write(" & ".join(cells) + " \\\\\n")
    out.write("\\hline\n\\end{tabular}\n")


def vertical(result: Result, out: TextIO, style: Style) -> None:
    """A line per value, for wide rows."""
    zone = zone_info(style.zone)
    most = style.max_rows if style.limit is None else min(style.max_rows, style.limit)
    formats = [formatter(f.type, zone, style.null) for f in result.fields]
    names = [one_line(n) for n in result.names]
    widest = max(map(width, names), default=0)
    shown = 0
    for row in islice(result.rows(), most):
        shown += 1
        out.write(f"-[ row {shown} ]" + "-" * max(0, widest - 6) + "\n")
        for name, f, v in zip(names, formats, row, strict=True):
            out.write(f"{pad(name, widest)} | {one_line(f(v))}\n")
    out.write(footer(result, shown, 0))


def insert(result: Result, out: TextIO, style: Style) -> None:
    """INSERT statements into a table called `result`, in Spark SQL that gives the same values back."""
    zone = zone_info(style.zone)
    literals = [literal(f.type, zone) for f in result.fields]
    head = "INSERT INTO result (" + ", ".join(quote_name(n) for n in result.names) + ") VALUES\n"
    before = ""
    for n, row in enumerate(islice(result.rows(), style.limit)):
        start = n % ROWS_PER_INSERT == 0
        out.write((";\n" if n and start else before) + (head if start else ""))
        out.write("  (" + ", ".join(f(v) for f, v in zip(literals, row, strict=True)) + ")")
        before = ",\n"
    out.write(";\n" if before else "")


def literal(s: t.SqlType, zone: tzinfo) -> Callable[[Any], str]:
    """A function from values of a type to Spark literals."""
    inner = _literal(s, zone)
    return lambda v: "NULL" if v is None else inner(v)


def _literal(s: t.SqlType, zone: tzinfo) -> Callable[[Any], str]:
    text = formatter(s, zone)
    match s:
        case t.Boolean():
            return text
        case t.Integral():
            return str
        case t.Decimal():
            return lambda v: text(v) + "BD"
        case t.Float() | t.Double():
            kind = str(s)
            return lambda v: f"{kind}('{text(v)}')"
        case t.Date() | t.Time() | t.TimestampNtz():
            word = {"timestamp_ntz": "TIMESTAMP_NTZ", "date": "DATE"}.get(str(s), "TIME")
            return lambda v: f"{word} '{text(v)}'"
        case t.Timestamp():
            from datetime import UTC

            utc = formatter(s, UTC)
            return lambda v: f"TIMESTAMP '{utc(v)}Z'"
        case t.YearMonthInterval():
            return lambda v: f"INTERVAL '{text(v)}' YEAR TO MONTH"
        case t.DayTimeInterval():
            return lambda v: f"INTERVAL '{text(v)}' DAY TO SECOND"
        case t.Binary():
            return lambda v: f"X'{v.hex().upper()}'"
        case t.Array():
            element = literal(s.element, zone)
            return lambda v: f"array({', '.join(map(element, v))})"
        case t.Struct():
            fields = [(f.name, literal(f.type, zone)) for f in s.fields]
            return lambda v: "named_struct(" + ", ".join(f"{quoted(n)}, {f(v[n])}" for n, f in fields) + ")"
        case t.Map():
            key, value = literal(s.key, zone), literal(s.value, zone)
            return lambda v: f"map({', '.join(f'{key(k)}, {value(x)}' for k, x in v.items())})"
    return lambda v: quoted(str(v))


def quoted(text: str) -> str:
    """A string literal of Spark SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
