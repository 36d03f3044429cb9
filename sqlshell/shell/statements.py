"""The forms of every statement, for `help NAME`, completion and the reference in docs/statements.md."""

from __future__ import annotations

STATEMENTS = {
    "SELECT": "[WITH [RECURSIVE] name AS (query), ...]\nSELECT [DISTINCT] item, ...\n"
    "FROM relation [JOIN relation ON condition | USING (column, ...)] ...\n"
    "[WHERE condition] [GROUP BY key, ... | ALL | ROLLUP (...) | CUBE (...) | GROUPING SETS (...)]\n"
    "[HAVING condition] [QUALIFY condition] [WINDOW name AS (...)]\n"
    "[ORDER BY key [ASC | DESC] [NULLS FIRST | LAST], ... | ALL] [LIMIT n] [OFFSET n]\n"
    "query UNION | INTERSECT | EXCEPT [ALL] [BY NAME] query",
    "FROM": "FROM relation |> WHERE condition |> AGGREGATE item, ... GROUP BY key, ... |> ORDER BY key |> LIMIT n",
    "VALUES": "VALUES (1, 'a'), (2, 'b') AS t(id, name)",
    "CREATE TABLE": "CREATE [OR REPLACE] TABLE [IF NOT EXISTS] name (column type [NOT NULL] [DEFAULT expression]\n"
    "  [GENERATED ALWAYS AS (expression)] [GENERATED ALWAYS | BY DEFAULT AS IDENTITY] [COMMENT 'text'], ...\n"
    "  [, CONSTRAINT name CHECK (condition)])\n"
    "  [USING format] [PARTITIONED BY (column, ...) | CLUSTER BY (column, ...)] [LOCATION 'path'] [COMMENT 'text']\n"
    "  [TBLPROPERTIES ('key' = 'value', ...)]\n"
    "CREATE [OR REPLACE] TABLE name [...] AS query\nCREATE TABLE name LIKE source\n"
    "CREATE [OR REPLACE] TABLE name [SHALLOW | DEEP] CLONE source [VERSION | TIMESTAMP AS OF e]",
    "REPLACE TABLE": "REPLACE TABLE name (column type, ...) | AS query",
    "ALTER TABLE": "ALTER TABLE name ADD COLUMN column type [FIRST | AFTER column]\n"
    "ALTER TABLE name DROP COLUMN column | RENAME COLUMN column TO column\n"
    "ALTER TABLE name ALTER COLUMN column TYPE type | SET NOT NULL | DROP NOT NULL | SET DEFAULT e | DROP DEFAULT\n"
    "  | COMMENT 'text' | FIRST | AFTER column\n"
    "ALTER TABLE name ADD CONSTRAINT name CHECK (condition) | DROP CONSTRAINT name\n"
    "ALTER TABLE name SET TBLPROPERTIES (...) | UNSET TBLPROPERTIES (...) | CLUSTER BY (...) | RENAME TO name",
    "ALTER VIEW": "ALTER VIEW name AS query | RENAME TO name",
    "CREATE VIEW": "CREATE [OR REPLACE] [TEMPORARY] VIEW [IF NOT EXISTS] name [(column, ...)] AS query\n"
    "CREATE [OR REPLACE] TEMPORARY VIEW name USING format OPTIONS (path '...', ...)",
    "CREATE SCHEMA": "CREATE SCHEMA [IF NOT EXISTS] name [COMMENT 'text']",
    "CREATE FUNCTION": "CREATE [OR REPLACE] TEMPORARY FUNCTION name(parameter type, ...)\n"
    "  RETURNS type | TABLE (column type, ...) RETURN expression | query",
    "CREATE MODEL": "CREATE [OR REPLACE] MODEL [IF NOT EXISTS] name\n  [TRANSFORM (expression [AS name], ...)]\n"
    "  OPTIONS (model_type = 'linear_reg', input_label_cols = ['column'], ...)\nAS query",
    "ALTER MODEL": "ALTER MODEL name SET OPTIONS (...) | RENAME TO name\n"
    "ALTER MODEL name SET ALIAS name = VERSION n | UNSET ALIAS name",
    "DESCRIBE MODEL": "DESCRIBE MODEL name [VERSION AS OF n]\nDESCRIBE HISTORY MODEL name",
    "REFRESH MODEL": "REFRESH MODEL name [OPTIONS (...)]",
    "RESTORE MODEL": "RESTORE MODEL name TO VERSION AS OF n",
    "EXPORT MODEL": "EXPORT MODEL name [VERSION AS OF n] TO 'path' [FORMAT format]",
    "CONVERT": "CONVERT TO DELTA parquet.`path` | table [NO STATISTICS] [PARTITIONED BY (column type, ...)]",
    "ANALYZE": "ANALYZE TABLE name COMPUTE STATISTICS [NOSCAN | FOR ALL COLUMNS | FOR COLUMNS column, ...]",
    "CREATE SECRET": "CREATE [OR REPLACE] SECRET name (TYPE s3, KEY_ID '...', SECRET '...', ...)\n"
    "DROP SECRET [IF EXISTS] name",
    "CREATE TAG": "CREATE [OR REPLACE] TAG [IF NOT EXISTS] name FOR [TABLE] table | LAKE\n"
    "  [VERSION AS OF n | TIMESTAMP AS OF e] [COMMENT 'text']\nDROP TAG [IF EXISTS] name FOR table | LAKE",
    "CREATE BRANCH": "CREATE BRANCH name FOR [TABLE] table [VERSION | TIMESTAMP AS OF e] [COMMENT 'text']\n"
    "PUBLISH BRANCH name FOR table\nDROP BRANCH [IF EXISTS] name FOR table",
    "PUBLISH BRANCH": "PUBLISH BRANCH name FOR [TABLE] table",
    "DROP": "DROP TABLE [IF EXISTS] name [PURGE]\nDROP VIEW [IF EXISTS] name\nDROP SCHEMA [IF EXISTS] name [CASCADE]\n"
    "DROP FUNCTION [IF EXISTS] name\nDROP MODEL [IF EXISTS] name\nDROP SECRET name\nDROP TEMPORARY VARIABLE name",
    "UNDROP": "UNDROP TABLE | VIEW name",
    "TRUNCATE": "TRUNCATE TABLE name",
    "COMMENT": "COMMENT ON TABLE | VIEW | COLUMN | SCHEMA name IS 'text'",
    "INSERT": "INSERT INTO name [(column, ...)] [BY NAME] query | VALUES (...), ...\n"
    "INSERT OVERWRITE name [PARTITION (column = value, ...)] query\n"
    "INSERT INTO name REPLACE WHERE condition query\nINSERT INTO name REPLACE USING (column, ...) query\n"
    "INSERT OVERWRITE DIRECTORY 'path' USING format query",
    "UPDATE": "UPDATE name [alias] SET column = expression, ... [WHERE condition]",
    "DELETE": "DELETE FROM name [alias] [WHERE condition]",
    "MERGE": "MERGE INTO target USING source ON condition\n"
    "  WHEN MATCHED [AND condition] THEN UPDATE SET column = expression, ... | UPDATE SET * | DELETE\n"
    "  WHEN NOT MATCHED [AND condition] THEN INSERT (column, ...) VALUES (expression, ...) | INSERT *\n"
    "  WHEN NOT MATCHED BY SOURCE [AND condition] THEN UPDATE SET ... | DELETE",
    "COPY": "COPY INTO table FROM 'directory' FILEFORMAT = CSV [FORMAT_OPTIONS (...)]\n"
    "  [COPY_OPTIONS ('force' = 'true')]\n"
    "COPY table | (query) TO 'path' [(FORMAT csv, PARTITION_BY (column), OVERWRITE)]",
    "OPTIMIZE": "OPTIMIZE table [FULL] [WHERE condition on partitions] [ZORDER BY (column, ...)]",
    "VACUUM": "VACUUM table [LITE | FULL] [RETAIN n HOURS] [DRY RUN]",
    "RESTORE": "RESTORE TABLE table TO VERSION AS OF n | TIMESTAMP AS OF e",
    "REORG": "REORG TABLE table APPLY (PURGE)",
    "DIFF": "DIFF table VERSION | TIMESTAMP AS OF a [WITH VERSION | TIMESTAMP AS OF b] [ON key | ON (key, ...)]\n"
    "also as a relation: SELECT ... FROM DIFF table VERSION AS OF a",
    "EXPLAIN": "EXPLAIN [EXTENDED | OPTIMIZER | STAGES | ANALYZE] query",
    "DESCRIBE": "DESCRIBE [TABLE] [EXTENDED] name\nDESCRIBE DETAIL name\nDESCRIBE HISTORY name [LIMIT n]\n"
    "DESCRIBE SCHEMA name\nDESCRIBE QUERY query\nDESCRIBE FUNCTION [EXTENDED] name",
    "SHOW": "SHOW TABLES | VIEWS | FUNCTIONS | MODELS | SCHEMAS | CATALOGS [IN schema] [LIKE 'pattern']\n"
    "SHOW COLUMNS IN name\nSHOW CREATE TABLE | MODEL name\nSHOW PARTITIONS name\nSHOW TBLPROPERTIES name [('key')]\n"
    "SHOW TAGS [FOR table | FOR LAKE]\nSHOW BRANCHES FOR table\nSHOW SECRETS",
    "SET": "SET\nSET key\nSET key = value\nSET VAR variable = expression\nSET TIME TRAVEL TO instant | TAG name | OFF",
    "RESET": "RESET [key]",
    "USE": "USE [SCHEMA] name",
    "DECLARE": "DECLARE [OR REPLACE] VARIABLE name [type] [DEFAULT expression]",
    "EXECUTE": "EXECUTE IMMEDIATE text [INTO variable, ...] [USING value [AS name], ...]",
    "START TRANSACTION": "START TRANSACTION | BEGIN TRANSACTION; statements ...; COMMIT | ROLLBACK",
    "COMMIT": "COMMIT",
    "ROLLBACK": "ROLLBACK",
    "BEGIN": "BEGIN statement; ... END\ninside: DECLARE, SET, IF ... THEN ... ELSEIF ... ELSE ... END IF,\n"
    "CASE ... END CASE, WHILE ... DO ... END WHILE, REPEAT ... UNTIL ... END REPEAT, LOOP ... END LOOP,\n"
    "FOR row AS query DO ... END FOR, LEAVE label, ITERATE label, DECLARE EXIT HANDLER FOR condition statement",
    "CACHE TABLE": "CACHE [LAZY] TABLE name [OPTIONS ('storageLevel' 'DISK_ONLY')] [AS query]\n"
    "UNCACHE TABLE [IF EXISTS] name\nCLEAR CACHE",
    "UNCACHE": "UNCACHE TABLE [IF EXISTS] name",
    "CLEAR": "CLEAR CACHE",
    "SUMMARIZE": "SUMMARIZE name | 'file' | query",
    "SOURCE": "SOURCE file",
}
"""Statement to its forms."""
