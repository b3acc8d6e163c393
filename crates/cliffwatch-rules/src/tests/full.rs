use cliffwatch_model::AlertState;
use cliffwatch_model::CounterClass::Evicted;

use super::lab::Lab;
use crate::{Forecast, Outlook};

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.limit(100_000);
    lab
}

fn forecasts(lab: &mut Lab) -> Vec<String> {
    let of_rule = |line: &String| line.contains(" time-to-full ") && !line.contains("(untold)");
    lab.news().into_iter().filter(of_rule).collect()
}

fn outlook(lab: &mut Lab) -> Outlook {
    let table = lab.table().table.clone();
    lab.engine.outlook(&table.device, table.id()).unwrap()
}

#[test]
fn a_leak_is_told_an_hour_before_it_fills_the_table() {
    let mut lab = lab();
    lab.interval = 60;
    // 2 % in ten minutes, for eight hours.
    lab.run("20000x60 20000+200x400", &[]);
    let events = lab.events.clone();
    let news = forecasts(&mut lab);
    assert_eq!(news[0].split_once(' ').unwrap().1, "time-to-full firing warning", "{news:?}");
    let first: i64 = news[0].split(' ').next().unwrap().parse().unwrap();
    let full = 3_660 + 24_000;
    // An hour, less the five minutes and the one for which it must be so.
    assert!((3_120..=3_360).contains(&(full - first)), "{} s before", full - first);
    let event = events.iter().find(|e| e.rule == "time-to-full" && e.state == AlertState::Firing).unwrap();
    assert!(event.summary.contains("full in about 5"), "{}", event.summary);
    assert_eq!(&*event.unit, "min");
    assert!(news.iter().any(|line| line.ends_with("firing critical")), "{news:?}");
}

#[test]
fn the_outlook_is_right_about_a_straight_line() {
    let mut lab = lab();
    lab.run("20000+100x190", &[]);
    let outlook = outlook(&mut lab);
    // 600 a minute of 37,000 or so.
    assert!((outlook.growth_percent_per_minute.unwrap() - 1.60).abs() < 0.05, "{outlook:?}");
    let near = |forecast: Forecast, seconds: f64| {
        assert!((forecast.seconds().unwrap() - seconds).abs() < 60.0, "{forecast:?} for {seconds}");
    };
    near(outlook.full, 6_100.0);
    near(outlook.ninety_percent, 5_100.0);
    near(outlook.seventy_percent, 3_100.0);
    assert_eq!(outlook.peak, Some(39_000));
}

#[test]
fn what_is_not_known_is_said() {
    let mut lab = lab();
    lab.run("30000+100x10", &[]);
    let young = outlook(&mut lab);
    assert_eq!((young.growth_percent_per_minute, young.full), (None, Forecast::Unknown));
    lab.run("31000x60", &[]);
    assert_eq!(outlook(&mut lab).full, Forecast::NotAhead);
    lab.run("31000-50x60", &[]);
    assert!(outlook(&mut lab).growth_percent_per_minute.unwrap() < 0.0);
    assert_eq!(outlook(&mut lab).full, Forecast::NotAhead);
}

#[test]
fn a_table_that_levels_off_below_its_limit_is_not_full_soon() {
    let mut lab = lab();
    lab.run("20000x60", &[]);
    // Entries live for five minutes: half of what is missing to 70 % comes every 3.5 minutes.
    for n in 0..180 {
        let risen = 50_000.0 * (1.0 - f64::exp(-f64::from(n) / 30.0));
        lab.table().used = Some(20_000 + risen as u64);
        lab.poll();
    }
    let news = lab.news();
    assert!(news.iter().all(|line| !line.contains("critical")), "{news:?}");
    assert!(matches!(outlook(&mut lab).full, Forecast::Levelling | Forecast::NotAhead));
}

#[test]
fn a_table_that_sheds_is_held_and_not_calm() {
    let mut lab = lab();
    lab.run("20000x60 20000+1200x60", &[]);
    assert!(forecasts(&mut lab).iter().any(|line| line.ends_with("firing warning")));
    lab.run("94000x90", &[("early_drop", Evicted, "0+300x90")]);
    assert_eq!(outlook(&mut lab).full, Forecast::Held);
    let news = forecasts(&mut lab);
    assert!(news.iter().all(|line| !line.contains("recovering")), "{news:?}");
}

#[test]
fn a_full_table_is_full_now() {
    let mut lab = lab();
    lab.run("90000x60 100000", &[]);
    assert_eq!(outlook(&mut lab).full.range(), Some([Some(0.0), Some(0.0)]));
}

#[test]
fn below_two_fifths_nothing_is_foreseen_aloud() {
    let mut lab = lab();
    lab.run("10000x60 10000+300x90", &[]);
    assert_eq!(forecasts(&mut lab), [""; 0]);
}

#[test]
fn a_burst_does_not_point_an_hour_ahead() {
    let mut lab = lab();
    lab.run("45000x360 45000+2000x6 57000-30x360", &[]);
    assert_eq!(forecasts(&mut lab), [""; 0]);
}

#[test]
fn what_goes_up_and_down_every_hour_does_not_point_at_the_limit() {
    let mut lab = lab();
    lab.run(&"30000+167x180 60000-167x180 ".repeat(8), &[]);
    let news = forecasts(&mut lab);
    assert!(news.len() <= 3, "only the first time: {news:?}");
    lab.run("30000+167x360", &[]);
    assert!(!forecasts(&mut lab).is_empty(), "it goes on where it used to turn");
}

#[test]
fn days_that_lead_to_seventy_percent_are_reported_and_no_more() {
    let mut lab = lab();
    lab.interval = 600;
    // Every day five points fuller, by day and by night.
    for day in 0..9u64 {
        let night = 20_000 + day * 5_000;
        lab.run(&format!("{night}x71 {}x71", night + 15_000), &[]);
    }
    let news = forecasts(&mut lab);
    assert_eq!(news.len(), 1, "{news:?}");
    assert!(news[0].ends_with("firing info"), "{news:?}");
    let at: i64 = news[0].split(' ').next().unwrap().parse().unwrap();
    assert!((6 * 86_400..8 * 86_400).contains(&at), "70 % is passed on the eighth day: {at}");
}

#[test]
fn a_report_on_tomorrow_keeps_no_warning_alive() {
    let mut lab = lab();
    lab.interval = 600;
    for day in 0..9u64 {
        let night = 20_000 + day * 5_000;
        lab.run(&format!("{night}x71 {}x71", night + 15_000), &[]);
    }
    lab.news();
    lab.interval = 10;
    lab.run("60000x60 60000+400x70 88000x6 60000x200", &[]);
    let news = forecasts(&mut lab);
    assert!(
        news.iter().any(|line| line.contains("firing warning") || line.contains("firing critical")),
        "{news:?}"
    );
    assert!(news.iter().any(|line| line.contains("resolved")), "{news:?}");
}
