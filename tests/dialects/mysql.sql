SELECT 7 / 2, 7 DIV 2
SELECT `a` FROM t ORDER BY `a` LIMIT 1, 2
SELECT ifnull(c, 0) FROM t ORDER BY a
SELECT concat('a', 'b')
SELECT group_concat(b ORDER BY b SEPARATOR ',') FROM t
SELECT date_add(DATE '2024-01-31', INTERVAL 1 MONTH)
SELECT date_format(DATE '2024-05-17', '%Y-%m')
SELECT a FROM t WHERE b REGEXP '^x' ORDER BY a
SELECT if(a > 1, 'big', 'small') FROM t ORDER BY a
SELECT "text"
SELECT curdate() IS NOT NULL
SELECT str_to_date('2024-05-17', '%Y-%m-%d')
SELECT a <=> c FROM t ORDER BY a
SELECT 'a' 'b'
SELECT last_insert_id()
SELECT a FROM t FORCE INDEX (i)
SELECT substring_index('a.b.c', '.', 2)
SELECT b FROM t GROUP BY b WITH ROLLUP
SELECT a XOR 1 FROM t
SELECT 1 || 0
