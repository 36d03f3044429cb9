"""The SQL formatter: only white space and the capitals of keywords change, and a second time changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sqlshell.parser.layout import layout
from sqlshell.shell.script import is_ready, layout_script, nodes, steps
from tests.support.slt import SLT, parse

TEXTS = [
    b.sql
    for name in ("ctes", "joins", "windows", "nested", "subqueries", "strings")
    for b in parse((SLT / f"{name}.slt").read_text())
]
COMMENTS = [
    "select a, -- one\n b /* two */ from t -- three\n-- four\nwhere x",
    "-- first\nselect 1; -- end\n-- next\nselect 2",
    "select /*+ broadcast(t) */ * from t",
    "select 'a -- no comment', \"b /* no */\" from `c -- d`",
]


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text).lower()


@pytest.mark.parametrize("text", [*TEXTS[::5], *COMMENTS])
def test_only_white_space_changes(text: str) -> None:
    once = layout(text)
    assert squeezed(once) == squeezed(text)
    assert layout(once) == once


def test_all_answer_scripts_stay_the_same() -> None:
    for path in sorted(Path(SLT).glob("*.slt")):
        for block in parse(path.read_text()):
            once = layout(block.sql)
            assert squeezed(once) == squeezed(block.sql), block.sql
            assert layout(once) == once, block.sql


def test_clauses_stand_on_lines_of_their_own() -> None:
    text = "select a,b, count(*) n from t left join u on t.a=u.b and t.c=1 where x between 1 and 2 or y group by a,b"
    assert layout(text) == (
        "SELECT\n  a,\n  b,\n  count(*) n\nFROM t\nLEFT JOIN u ON t.a = u.b\n  AND t.c = 1\n"
        "WHERE x BETWEEN 1 AND 2\n  OR y\nGROUP BY\n  a,\n  b"
    )


def test_commands_in_scripts_stay_as_they_are() -> None:
    script = ".set  x = (select 1)\nselect :x\n  as y;\nselect 2 as z \\gset p_\n"
    assert layout_script(script) == ".set  x = (select 1)\n\nSELECT :x AS y;\n\nSELECT 2 AS z \\gset p_\n"
    assert layout_script(layout_script(script)) == layout_script(script)


def test_steps_tell_commands_from_sql() -> None:
    script = "SELECT 1\n.5 AS x;\n.mode csv\nSELECT '\n.quit\n' AS t;\n"
    script += "/*\n.quit\n*/ SELECT 3 \\gx\n\\dt\n-- x \\g\nSELECT 4;"
    found = [(s.text and s.text[:8], s.name, s.line) for s in steps(script)]
    assert found == [
        ("SELECT 1", "", 1),
        ("", "mode", 3),
        ("SELECT '", "", 4),
        ("SELECT 3", "gx", 9),
        ("", "dt", 10),
        ("SELECT 4", "", 12),
    ]


def test_blocks_must_match() -> None:
    from sqlshell.errors import ParseError

    for script in (".if 1", ".end", ".else", ".if 1\n.else\n.else\n.end", ".foreach a in select 1"):
        with pytest.raises(ParseError):
            nodes(list(steps(script)))


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("SELECT 1", False),
        ("SELECT 1;", True),
        ("SELECT 'a;", False),
        (".mode csv", True),
        ("SELECT 1 \\gx", True),
        (".if 1\nSELECT 1;", False),
        (".if 1\nSELECT 1;\n.end", True),
        ("", True),
    ],
)
def test_prompt_knows_what_is_complete(text: str, ready: bool) -> None:
    assert is_ready(text) is ready
