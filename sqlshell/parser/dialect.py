"""The one sqlglot dialect of the product: Databricks with another tokenizer.

Only tokenizer tables differ, because subclasses of sqlglot's Parser break in its compiled build. Words
that are no keywords of Spark SQL (PREWHERE, ASOF, APPLY, TOP ...) are plain words here, so foreign
clauses do not parse; and no word swallows the rest of a statement as an opaque command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlglot.dialects.databricks import Databricks

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import TokenType


def words(text: str) -> frozenset[str]:
    """The words of a text, for tables of keywords."""
    return frozenset(text.split())


_OPERATORS = ("/*+", "==", "::", "||", ">=", "<=", "<>", "!=", "<=>", "->", "=>")
_PHRASES = ("GROUP BY", "ORDER BY", "PARTITION BY", "SORT BY", "CLUSTER BY", "DISTRIBUTE BY", "GROUPING SETS")
_WORDS = words("""
    ALL AND ANTI ANY ASC AS BETWEEN CASE COLLATE CROSS CUBE CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP
    CURRENT_USER DESC DISTINCT DIV ELSE END ESCAPE EXCEPT EXISTS FALSE FILTER FIRST FOR FROM FULL HAVING
    ILIKE IN INNER INTERVAL INTERSECT IS JOIN LATERAL LEFT LIKE LIMIT MINUS NATURAL NOT NULL OFFSET ON
    OR OUTER OVER PERCENT PIVOT QUALIFY RANGE RECURSIVE REGEXP REPLACE RIGHT RLIKE ROLLUP ROWS SELECT
    SEMI SESSION_USER SOME TABLE TABLESAMPLE THEN TRUE UNION UNPIVOT USING VALUES VIEW WHEN WHERE WINDOW
    WITH ARRAY BINARY BIGINT BOOLEAN BYTE CHAR CHARACTER DATE DEC DECIMAL DOUBLE FLOAT INT INTEGER LONG
    MAP NUMERIC REAL SHORT SMALLINT STRING STRUCT TIME TIMESTAMP TIMESTAMP_LTZ TIMESTAMP_NTZ TINYINT
    VARCHAR VARIANT VOID
""")
_STOCK: dict[str, TokenType] = Databricks.Tokenizer.KEYWORDS


class SparkDialect(Databricks):
    """What `parse_statement` reads."""

    class Tokenizer(Databricks.Tokenizer):
        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            word: _STOCK[word] for word in (*_OPERATORS, *_PHRASES, *_WORDS)
        }
        COMMANDS: ClassVar[set[TokenType]] = set()
        RAW_STRINGS: ClassVar[list[Any]] = [*Databricks.Tokenizer.RAW_STRINGS, "$$"]


DIALECT = SparkDialect()
