SELECT 7 / 2 AS x
SELECT a::text FROM t ORDER BY a
SELECT DISTINCT ON (b) a, b FROM t ORDER BY b, a
SELECT a FROM t WHERE b ~ '^x' ORDER BY a
SELECT string_agg(b, ',' ORDER BY b) FROM t
SELECT date_trunc('month', DATE '2024-05-17')
SELECT now() - INTERVAL '1 day' < now() AS x
SELECT generate_series(1, 3) AS g
SELECT a FROM t FETCH FIRST 2 ROWS ONLY
SELECT coalesce(c, 0) FROM t ORDER BY a
SELECT array_agg(a ORDER BY a) FROM t
SELECT a FROM t WHERE a = ANY(ARRAY[1, 2]) ORDER BY a
SELECT count(*) FILTER (WHERE a > 1) FROM t
SELECT extract(year FROM DATE '2024-05-17')
SELECT to_char(DATE '2024-05-17', 'YYYY-MM')
SELECT 'a' || NULL
SELECT position('l' IN 'hello')
SELECT a FROM t FOR UPDATE
SELECT * FROM t CROSS JOIN LATERAL (SELECT t.a + 1 AS q) s ORDER BY a
SELECT b FROM t GROUP BY b HAVING count(*) > 1
SELECT split_part('a-b', '-', 2)
SELECT 5 % 3, mod(5, 3)
SELECT '{"a":1}'::json -> 'a'
SELECT ROW(1, 2)
