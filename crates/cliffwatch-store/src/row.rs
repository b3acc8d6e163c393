//! Rows as both engines write and read them: one definition of a table's columns for all four directions.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};

/// A row that can be read.
pub(crate) trait Row: Sized + Send + Unpin + 'static {
    fn from_sqlite(row: &SqliteRow) -> sqlx::Result<Self>;
    fn from_postgres(row: &PgRow) -> sqlx::Result<Self>;
}

/// A row of a table that is written in bulk.
pub(crate) trait Record: Row {
    const TABLE: &'static str;
    const COLUMNS: &'static [&'static str];
    /// The Postgres array type of each column.
    const ARRAYS: &'static [&'static str];

    /// SQLite takes row after row.
    fn bind_row(self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError>;

    /// Postgres takes one array per column.
    fn bind_columns(rows: Vec<Self>, arguments: &mut PgArguments) -> Result<(), BoxDynError>;
}

/// What a column may hold.
pub(crate) trait Column {
    const ARRAY: &'static str;
}

impl Column for bool {
    const ARRAY: &'static str = "boolean[]";
}
impl Column for i32 {
    const ARRAY: &'static str = "integer[]";
}
impl Column for i64 {
    const ARRAY: &'static str = "bigint[]";
}
impl Column for f64 {
    const ARRAY: &'static str = "double precision[]";
}
impl Column for String {
    const ARRAY: &'static str = "text[]";
}
impl<T: Column> Column for Option<T> {
    const ARRAY: &'static str = T::ARRAY;
}

/// A struct that is read by its field names.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name { $(pub(crate) $field: $type,)+ }

        impl $crate::row::Row for $name {
            fn from_sqlite(row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?,)+ })
            }

            fn from_postgres(row: &sqlx::postgres::PgRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?,)+ })
            }
        }
    };
}
pub(crate) use row;

/// A struct whose fields are columns of a table.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident = $table:literal { $($field:ident: $type:ty,)+ }) => {
        $crate::row::row! { $(#[$doc])* $name { $($field: $type,)+ } }

        impl $crate::row::Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),+];
            const ARRAYS: &'static [&'static str] = &[$(<$type as $crate::row::Column>::ARRAY),+];

            fn bind_row(
                self,
                arguments: &mut sqlx::sqlite::SqliteArguments,
            ) -> Result<(), sqlx::error::BoxDynError> {
                use sqlx::Arguments as _;
                $(arguments.add(self.$field)?;)+
                Ok(())
            }

            fn bind_columns(
                rows: Vec<Self>,
                arguments: &mut sqlx::postgres::PgArguments,
            ) -> Result<(), sqlx::error::BoxDynError> {
                use sqlx::Arguments as _;
                struct Columns { $($field: Vec<$type>,)+ }
                let mut columns = Columns { $($field: Vec::with_capacity(rows.len()),)+ };
                for row in rows {
                    $(columns.$field.push(row.$field);)+
                }
                $(arguments.add(columns.$field)?;)+
                Ok(())
            }
        }
    };
}
pub(crate) use record;

/// Two rows side by side: what is listed, and what the list is sorted by.
impl<A: Row, B: Row> Row for (A, B) {
    fn from_sqlite(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok((A::from_sqlite(row)?, B::from_sqlite(row)?))
    }

    fn from_postgres(row: &PgRow) -> sqlx::Result<Self> {
        Ok((A::from_postgres(row)?, B::from_postgres(row)?))
    }
}
