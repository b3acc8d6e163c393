-- Nothing to do: a table of SQLite lies in the order of its key, so that a day of one table is one stretch of it.
SELECT 1;
