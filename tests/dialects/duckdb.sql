SELECT 1 AS x
SELECT a, b FROM t ORDER BY a
SELECT a // 2 AS q, a % 2 AS r FROM t ORDER BY a
SELECT a / 2 AS h FROM t ORDER BY a
SELECT b, sum(a) AS s FROM t GROUP BY ALL ORDER BY ALL
SELECT * EXCLUDE (c) FROM t ORDER BY a
SELECT * REPLACE (a + 1 AS a) FROM t ORDER BY a
FROM t SELECT a WHERE a > 1 ORDER BY a
SELECT a FROM t WHERE b ILIKE 'X%' ORDER BY a
SELECT list_value(1, 2, 3) AS l
SELECT [1, 2, 3] AS l
SELECT len([1, 2, 3]) AS n
SELECT {'x': 1, 'y': 'a'} AS s
SELECT date_trunc('month', DATE '2024-05-17') AS d
SELECT DATE '2024-01-31' + INTERVAL 1 MONTH AS d
SELECT strftime(DATE '2024-05-17', '%Y-%m') AS s
SELECT a, row_number() OVER (PARTITION BY b ORDER BY a) AS r FROM t QUALIFY r = 1 ORDER BY a
SELECT count(*) FILTER (WHERE a > 1) AS n FROM t
SELECT string_agg(b, ',' ORDER BY b) AS s FROM t
SELECT coalesce(NULL, c, a) AS v FROM t ORDER BY a
SELECT a::VARCHAR || b AS s FROM t ORDER BY a
SELECT try_cast('x' AS INTEGER) AS i
SELECT unnest([1, 2]) AS u
SELECT DISTINCT ON (b) a, b FROM t ORDER BY b, a
SELECT a FROM t LIMIT 2 OFFSET 1
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v(x, y) ORDER BY x
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT n FROM r ORDER BY n
SELECT a, sum(a) OVER (ORDER BY a ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS s FROM t ORDER BY a
SELECT greatest(a, 2) AS g, least(a, 2) AS l FROM t ORDER BY a
SELECT regexp_matches(b, 'x') AS m FROM t ORDER BY a
SELECT a, c FROM t UNION BY NAME SELECT 9 AS c, 8 AS a ORDER BY a
SELECT median(a) AS m FROM t
SELECT arg_max(b, a) AS m FROM t
SELECT any_value(b) IS NULL AS m FROM t WHERE false
SELECT list_transform([1, 2], x -> x + 1) AS l
SELECT generate_series(1, 3) AS g
SELECT range(3) AS g
SELECT strpos('hello', 'l') AS p, substring('hello', 2, 3) AS s
SELECT 7 / 2 AS x, -7 // 2 AS y, -7 % 3 AS z
SELECT md5('a') AS h
SELECT * FROM t ASOF JOIN t u ON t.a >= u.a
PIVOT t ON b USING sum(a)
SELECT struct_pack(x := 1) AS s
SELECT epoch(TIMESTAMP '2024-01-01 00:00:00') AS e
SELECT COLUMNS('a|c') FROM t
