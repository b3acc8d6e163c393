//! One suite over both engines: whatever a store promises, both keep.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

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
                let began = tokio::time::Instant::now();
                $case(&Home::sqlite()).await;
                eprintln!("{}: {:?}", stringify!($case), began.elapsed());
            )+
        }

        #[tokio::test]
        async fn postgres() {
            // What is asked here is not whether a power cut loses anything: that is faults.rs.
            let Some(server) = Server::start(&["fsync = off"]).await else { return };
            $(
                let began = tokio::time::Instant::now();
                $case(&Home::postgres(&server).await).await;
                eprintln!("{}: {:?}", stringify!($case), began.elapsed());
            )+
        }
    };
}

conformance! {
    cases::history::a_rich_observation_is_read_as_it_was_written,
    cases::history::any_history_is_read_as_it_was_written,
    cases::history::a_batch_that_is_written_again_adds_nothing,
    cases::history::history_is_listed_in_order_and_by_page,
    cases::history::a_nul_from_a_device_costs_only_itself,
    cases::history::what_is_not_a_number_is_not_stored,
    cases::history::readers_see_whole_batches_while_a_writer_writes,
    cases::samples::the_highest_revision_counts_and_every_increase,
    cases::samples::rates_are_exact_and_stay_with_their_readings,
    cases::samples::steps_keep_peaks_last_limits_and_sums,
    cases::samples::the_latest_reading_is_the_newest_and_goes_with_its_table,
    cases::state::a_poller_goes_on_where_it_stopped,
    cases::state::state_moves_forward_only,
    cases::state::a_table_that_goes_takes_its_rule_state,
    cases::state::devices_are_described_and_retired,
    cases::alerts::alerts_are_listed_by_their_newest_event,
    cases::retention::old_samples_become_hourly_summaries,
    cases::retention::the_latest_reading_outlives_everything,
    cases::retention::one_call_removes_a_bounded_part,
    cases::schema::a_newer_schema_is_refused_by_name,
    cases::schema::an_altered_migration_is_refused,
    cases::schema::a_reader_needs_the_schema_and_may_not_write,
    cases::schema::a_closed_store_says_so,
    cases::views::the_views_have_their_columns,
    cases::views::the_readme_examples_have_one_answer,
    cases::views::polls_show_all_that_was_told,
    cases::views::samples_show_identity_limit_and_counters,
    cases::views::devices_and_alerts_show_where_they_stand,
}
