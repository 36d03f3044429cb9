"""sqlshell under ADBC's naming convention, so that pandas and Polars read its results as Arrow.

Both libraries choose how to read by a connection's module or class: `polars.read_database(query, connection)` and
`pandas.read_sql(query, connection)` take the Arrow path for connections of `adbc_driver_sqlshell.dbapi`.
"""
