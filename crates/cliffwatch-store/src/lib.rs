//! One normalised history in SQLite or Postgres.
