SELECT a FROM t QUALIFY row_number() OVER (PARTITION BY b ORDER BY a) = 1 ORDER BY a
SELECT iff(a > 1, 'big', 'small') FROM t ORDER BY a
SELECT dateadd(day, 1, DATE '2024-01-31')
SELECT datediff(day, DATE '2024-01-01', DATE '2024-02-01')
SELECT to_varchar(1)
SELECT listagg(b, ',') WITHIN GROUP (ORDER BY b) FROM t
SELECT nvl(c, 0) FROM t ORDER BY a
SELECT zeroifnull(c) FROM t ORDER BY a
SELECT * FROM t SAMPLE (100)
SELECT parse_json('{"a":1}'):a
SELECT f.value FROM t, LATERAL FLATTEN(input => array_construct(1, 2)) f
SELECT div0(1, 0)
SELECT TOP 2 a FROM t ORDER BY a
SELECT a FROM t ORDER BY a LIMIT 1
SELECT split('a-b', '-')[0]
SELECT object_construct('a', 1)
SELECT 7 / 2
SELECT ifnull(NULL, 1)
SELECT decode(a, 1, 'one', 'other') FROM t ORDER BY a
SELECT b ILIKE ANY ('x%', 'y%') FROM t ORDER BY a
SELECT $1 FROM t
