SELECT 7 / 2
SELECT a FROM t FETCH FIRST 2 ROWS ONLY
SELECT approx_distinct(a) FROM t
SELECT date_add('day', 1, DATE '2024-01-31')
SELECT date_diff('day', DATE '2024-01-01', DATE '2024-02-01')
SELECT x FROM UNNEST(ARRAY[1, 2]) AS u(x)
SELECT try(1 / 0)
SELECT array_agg(a ORDER BY a) FROM t
SELECT element_at(ARRAY[1, 2], 1)
SELECT cardinality(ARRAY[1, 2])
SELECT listagg(b, ',') WITHIN GROUP (ORDER BY b) FROM t
SELECT json_extract_scalar('{"a":1}', '$.a')
SELECT transform(ARRAY[1, 2], x -> x + 1)
SELECT if(a > 1, 'big', 'small') FROM t ORDER BY a
SELECT date_format(DATE '2024-05-17', '%Y-%m')
SELECT max_by(b, a) FROM t
SELECT a FROM t TABLESAMPLE BERNOULLI (100)
SELECT * FROM (VALUES (1, 'a')) AS v(x, y)
SELECT count_if(a > 1) FROM t
SELECT ROW(1, 2)
