//! One suite over both engines: whatever a store promises, both keep.

mod common;

mod cases;

use common::home::Home;
use common::postgres::Server;

/// Makes one test per case on SQLite, and one test on Postgres that runs every case in a new database:
/// a server of its own for each case would cost more than the cases.
macro_rules! conformance {
    ($($case:path,)+) => {
        #[tokio::test]
        async fn sqlite() {
            $(
                eprintln!("case {}", stringify!($case));
                $case(&Home::sqlite()).await;
            )+
        }

        #[tokio::test]
        async fn postgres() {
            let Some(server) = Server::start(&[]).await else { return };
            $(
                eprintln!("case {}", stringify!($case));
                $case(&Home::postgres(&server).await).await;
            )+
        }
    };
}

conformance! {
    cases::history::a_rich_observation_is_read_as_it_was_written,
}
