-- A tour of sqlshell. Files are tables: name them, or give them a name of your own.
SELECT product, quantity, price, ordered_at FROM 'orders.parquet' ORDER BY ordered_at LIMIT 5;

-- CSV: delimiter, header and types are found out.
CREATE OR REPLACE TEMPORARY VIEW customers AS SELECT * FROM 'customers.csv';
CREATE OR REPLACE TEMPORARY VIEW orders AS SELECT * FROM 'orders.parquet';
DESCRIBE customers;

-- Joins, exact decimals, grouping.
SELECT c.city, count(*) AS orders, sum(o.price * o.quantity * (1 - coalesce(o.discount, 0))) AS revenue
FROM orders o JOIN customers c USING (customer_id)
GROUP BY c.city
ORDER BY revenue DESC;

-- Windows: the best seller of each category.
SELECT category, product, revenue
FROM (SELECT category, product, sum(price * quantity) AS revenue FROM orders GROUP BY category, product)
QUALIFY rank() OVER (PARTITION BY category ORDER BY revenue DESC) = 1
ORDER BY revenue DESC;

-- Nested data: structs, lists of structs, maps, lambdas. Only the leaves that are needed are read.
SELECT user.device.os, count(*) AS events, sum(size(items)) AS items,
       count_if(exists(items, i -> i.qty > 2)) AS large
FROM 'events.parquet'
GROUP BY user.device.os
ORDER BY events DESC;

SELECT i.sku, sum(i.qty) AS sold
FROM 'events.parquet' LATERAL VIEW explode(items) t AS i
WHERE kind = 'purchase'
GROUP BY i.sku
ORDER BY sold DESC, i.sku
LIMIT 3;

-- Dirty files: say what to do with records that do not fit.
SELECT count(*) AS readings, avg(value) AS mean
FROM read_files('readings_dirty.csv', mode => 'DROPMALFORMED',
                schema => 'sensor string, taken_on date, value double, note string');

-- Text, with its label from the directory name.
SELECT label, count(*) AS reviews, count_if(contains(value, 'late')) AS late
FROM read_files('reviews', format => 'text')
GROUP BY label
ORDER BY label;

-- Tables keep their history: what has changed since the first prices, and how many products there were in May.
SELECT product, old.price AS first, new.price AS now
FROM 'prices' AS new FULL JOIN 'prices' VERSION AS OF 1 AS old USING (product)
WHERE old.price IS DISTINCT FROM new.price
ORDER BY product;

SELECT count(*) AS products FROM 'prices' TIMESTAMP AS OF '2025-05-01';

-- All versions at once, and what one version has that another has not.
SELECT _version, count(*) AS products, avg(price) AS average
FROM 'prices' VERSIONS BETWEEN 1 AND 5
GROUP BY _version
ORDER BY _version;

DIFF 'prices' VERSION AS OF 2 WITH VERSION AS OF 3 ON product ORDER BY product, _change_type DESC;

-- How a query runs.
EXPLAIN SELECT city, count(*) FROM orders JOIN customers USING (customer_id) WHERE price > 100 GROUP BY city;
