"""Which words may follow which: statements, clauses, operators."""

from __future__ import annotations

STATEMENTS = (
    "SELECT", "WITH", "FROM", "CREATE", "SHOW", "DESCRIBE", "EXPLAIN", "SET", "SUMMARIZE", "INSERT INTO", "DROP",
    "VALUES", "UPDATE", "DELETE FROM", "MERGE INTO", "CACHE TABLE", "UNCACHE TABLE", "CLEAR CACHE", "USE", "RESET",
    "SOURCE", "TABLE", "ALTER TABLE", "OPTIMIZE", "VACUUM", "RESTORE TABLE", "TRUNCATE TABLE", "UNDROP TABLE",
    "COPY INTO", "COPY", "DECLARE VARIABLE", "EXECUTE IMMEDIATE", "COMMENT ON", "DIFF", "REORG TABLE",
    "PUBLISH BRANCH", "REFRESH MODEL",
)  # fmt: skip
AFTER = {
    "CREATE": ("TEMPORARY VIEW", "OR REPLACE TEMPORARY VIEW", "TABLE", "VIEW", "SCHEMA", "FUNCTION", "MODEL",
               "OR REPLACE TABLE", "TAG", "BRANCH", "SECRET"),
    "REPLACE": ("TEMPORARY VIEW", "TABLE", "VIEW", "FUNCTION", "MODEL"),
    "TEMPORARY": ("VIEW", "FUNCTION"),
    "TEMP": ("VIEW",),
    "DROP": ("VIEW", "TABLE", "SCHEMA", "FUNCTION", "MODEL", "TAG", "BRANCH", "SECRET"),
    "SHOW": ("TABLES", "VIEWS", "FUNCTIONS", "COLUMNS IN", "CREATE TABLE", "SCHEMAS", "CATALOGS", "MODELS", "TAGS",
             "BRANCHES FOR", "SECRETS", "PARTITIONS", "TBLPROPERTIES", "CREATE MODEL"),
    "ALTER": ("TABLE", "VIEW", "MODEL"),
    "RESTORE": ("TABLE", "MODEL"),
    "COMMENT": ("ON TABLE", "ON VIEW", "ON COLUMN", "ON SCHEMA"),
    "COPY": ("INTO",),
    "DESCRIBE": ("TABLE", "QUERY", "FUNCTION", "HISTORY", "EXTENDED"),
    "DESC": ("TABLE", "QUERY", "FUNCTION", "HISTORY"),
    "EXPLAIN": ("SELECT", "EXTENDED", "OPTIMIZER", "STAGES", "ANALYZE", "FORMATTED", "COST"),
    "GROUP": ("BY",),
    "ORDER": ("BY",),
    "PARTITION": ("BY",),
    "SORT": ("BY",),
    "CLUSTER": ("BY",),
    "DISTRIBUTE": ("BY",),
    "LEFT": ("JOIN", "OUTER JOIN", "SEMI JOIN", "ANTI JOIN"),
    "RIGHT": ("JOIN", "OUTER JOIN"),
    "FULL": ("JOIN", "OUTER JOIN"),
    "INNER": ("JOIN",),
    "CROSS": ("JOIN",),
    "NATURAL": ("JOIN",),
    "SEMI": ("JOIN",),
    "ANTI": ("JOIN",),
    "OUTER": ("JOIN",),
    "IS": ("NULL", "NOT NULL", "DISTINCT FROM", "TRUE", "FALSE"),
    "NULLS": ("FIRST", "LAST"),
    "INSERT": ("INTO", "OVERWRITE"),
    "DELETE": ("FROM",),
    "MERGE": ("INTO",),
    "CACHE": ("TABLE", "LAZY TABLE"),
    "UNCACHE": ("TABLE",),
    "CLEAR": ("CACHE",),
    "UNION": ("ALL", "SELECT", "DISTINCT"),
    "EXCEPT": ("ALL", "SELECT"),
    "INTERSECT": ("ALL", "SELECT"),
}  # fmt: skip
"""Words after a word that nothing else may follow (at least first)."""

BEGINNING_ONLY = {
    "ALTER",
    "RESTORE",
    "COMMENT",
    "COPY",
    "CREATE",
    "DROP",
    "SHOW",
    "DESCRIBE",
    "DESC",
    "EXPLAIN",
    "CACHE",
    "INSERT",
    "DELETE",
    "MERGE",
}
"""These lead to other words only as a statement's first word."""

NAMES_RELATION = {"OPTIMIZE", "VACUUM", "UPDATE", "SUMMARIZE", "DIFF"}
"""Statements whose first word a relation follows."""

AFTER_TARGET = {
    "OPTIMIZE": ("WHERE", "ZORDER BY (", "FULL"),
    "VACUUM": ("RETAIN", "DRY RUN", "LITE", "FULL", "HOURS"),
    "RESTORE": ("TO VERSION AS OF", "TO TIMESTAMP AS OF"),
    "ALTER": (
        "ADD COLUMN", "DROP COLUMN", "RENAME COLUMN", "ALTER COLUMN", "RENAME TO", "ADD CONSTRAINT", "DROP CONSTRAINT",
        "SET TBLPROPERTIES (", "UNSET TBLPROPERTIES (", "CLUSTER BY (", "COLUMN", "CONSTRAINT", "TYPE", "SET NOT NULL",
        "DROP NOT NULL", "SET DEFAULT", "DROP DEFAULT", "COMMENT", "FIRST", "AFTER",
    ),
    "UPDATE": ("SET", "WHERE", "AND", "OR", "AS"),
    "INSERT": ("VALUES", "SELECT", "BY NAME", "REPLACE WHERE", "REPLACE USING (", "PARTITION ("),
    "MERGE": (
        "USING", "ON", "WHEN MATCHED THEN", "WHEN NOT MATCHED THEN", "WHEN NOT MATCHED BY SOURCE THEN", "UPDATE SET",
        "INSERT", "DELETE", "VALUES (", "THEN", "AND", "OR", "AS",
    ),
    "TRUNCATE": (),
    "COPY": ("FROM", "FILEFORMAT =", "COPY_OPTIONS (", "FORMAT_OPTIONS (", "TO"),
}  # fmt: skip
"""What may follow in these statements, behind their table."""

AFTER_ITEM = ("FROM", "AS", "WHERE", "OVER (", "BETWEEN", "IN (", "IS", "LIKE", "AND", "OR")
AFTER_RELATION = (
    "WHERE", "JOIN", "LEFT JOIN", "INNER JOIN", "GROUP BY", "ORDER BY", "LIMIT", "AS", "ON", "USING (", "CROSS JOIN",
    "RIGHT JOIN", "FULL JOIN", "UNION ALL", "HAVING", "QUALIFY", "LATERAL VIEW", "VERSION AS OF", "TIMESTAMP AS OF",
    "TABLESAMPLE", "LEFT SEMI JOIN", "LEFT ANTI JOIN", "WINDOW", "EXCEPT", "INTERSECT", "SELECT",
)  # fmt: skip
AFTER_CONDITION = (
    "AND", "OR", "GROUP BY", "ORDER BY", "IS", "IN (", "LIKE", "BETWEEN", "LIMIT", "HAVING", "NOT", "IS NULL",
    "IS NOT NULL", "WHERE", "JOIN", "LEFT JOIN", "QUALIFY", "UNION ALL", "ILIKE", "RLIKE", "THEN", "END",
)  # fmt: skip
AFTER_GROUP_KEY = ("HAVING", "ORDER BY", "LIMIT", "QUALIFY", "UNION ALL", "WITH ROLLUP", "WITH CUBE")
AFTER_ORDER_KEY = ("DESC", "ASC", "LIMIT", "NULLS FIRST", "NULLS LAST", "OFFSET")
AFTER_LIMIT = ("OFFSET", "UNION ALL")
IN_CASE = ("WHEN", "THEN", "ELSE", "END")
IN_EXPRESSION = (
    "DISTINCT", "CASE", "NOT", "NULL", "TRUE", "FALSE", "EXISTS (", "CAST(", "INTERVAL", "DATE", "TIMESTAMP", "ALL",
    "SELECT", "WHEN", "THEN", "ELSE", "END", "BETWEEN", "FROM", "WHERE", "AND", "OR", "AS", "OVER (", "PARTITION BY",
    "ORDER BY", "GROUP BY", "LIMIT",
)  # fmt: skip
TYPES = (
    "STRING", "INT", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "BOOLEAN", "DECIMAL(", "FLOAT", "SMALLINT", "TINYINT",
    "BINARY", "TIMESTAMP_NTZ", "TIME", "ARRAY<", "MAP<", "STRUCT<", "VARIANT", "INTERVAL",
)  # fmt: skip
FORMATS = ("parquet", "csv", "json", "text", "orc", "arrow", "delta", "binaryFile")

RELATION_WORDS = {"FROM", "JOIN", "INTO", "TABLE", "UPDATE", "HISTORY", "SUMMARIZE", "VIEW", "OVERWRITE"}
CLAUSE_WORDS = {
    "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "QUALIFY", "ORDER", "LIMIT", "OFFSET", "WINDOW", "SORT", "CLUSTER",
    "DISTRIBUTE",
}  # fmt: skip
SET_OPERATIONS = {"UNION", "EXCEPT", "INTERSECT", "MINUS"}
JOIN_WORDS = {"JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "SEMI", "ANTI", "OUTER"}
RESERVED = (
    CLAUSE_WORDS
    | SET_OPERATIONS
    | JOIN_WORDS
    | {
        "ON", "USING", "AS", "AND", "OR", "NOT", "IN", "IS", "LIKE", "ILIKE", "RLIKE", "BETWEEN", "CASE", "WHEN",
        "THEN", "ELSE", "END", "LATERAL", "VIEW", "VERSION", "TIMESTAMP", "TABLESAMPLE", "PIVOT", "UNPIVOT", "VALUES",
        "WITH", "BY", "DESC", "ASC", "NULLS", "DISTINCT", "ALL", "EXISTS", "OVER", "PARTITION", "SET", "MATCHED",
    }
)  # fmt: skip
"""Words that are no alias where one might stand."""

NEEDS_OPERAND = {
    "SELECT", "WHERE", "HAVING", "QUALIFY", "ON", "AND", "OR", "NOT", "BY", "WHEN", "THEN", "ELSE", "CASE",
    "DISTINCT", "BETWEEN", "LIKE", "ILIKE", "RLIKE", "IN", "ALL", "LIMIT", "OFFSET", "DIV", "SET", "USING",
}  # fmt: skip
"""An expression follows these words."""
