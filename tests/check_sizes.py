"""File and function sizes, as DESIGN asks: a file past 600 lines fails, past 400 is listed; functions end at 60.

`python tests/check_sizes.py` prints what is over and exits with 1 for hard limits.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent / "sqlshell"
SOFT, HARD, FUNCTION = 400, 600, 60


def main() -> int:
    failed = False
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text()
        lines = text.count("\n")
        name = path.relative_to(ROOT.parent)
        if lines > SOFT:
            failed |= lines > HARD
            print(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION:
                    failed = True
                    print(f"{name}:{node.lineno}: {node.name} has {length} lines")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
