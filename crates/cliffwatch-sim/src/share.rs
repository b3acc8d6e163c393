use std::str::FromStr;

/// A part of a fleet: all of it, a share of each hundred devices, or one by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// Every device.
    All,
    /// So many of a hundred, spread evenly.
    Percent(u8),
    /// The device of this name.
    Named(String),
}

/// A text that is no part of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no part of a fleet: all, 10% or the name of a device")]
pub struct ShareError(String);

impl Share {
    /// Whether the device of this number and name is in it.
    pub fn holds(&self, number: usize, name: &str) -> bool {
        match self {
            Self::All => true,
            // Whenever the running sum passes a whole one: 10 % are the devices 9, 19, 29, …
            Self::Percent(percent) => {
                number % 100 * usize::from(*percent) % 100 + usize::from(*percent) >= 100
            }
            Self::Named(named) => named == name,
        }
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let fail = || ShareError(text.to_owned());
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.parse().ok().filter(|percent| *percent <= 100);
                percent.map(Self::Percent).ok_or_else(fail)
            }
            None if text == "all" => Ok(Self::All),
            None if text.is_empty() || text.contains(char::is_whitespace) => Err(fail()),
            None => Ok(Self::Named(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_spread_evenly() {
        for percent in [0, 1, 10, 33, 50, 100] {
            let share = Share::Percent(percent);
            let count = (0..1000).filter(|number| share.holds(*number, "gw")).count();
            assert_eq!(count, 10 * usize::from(percent), "{percent}");
        }
        let tenth: Vec<usize> = (0..30).filter(|number| Share::Percent(10).holds(*number, "gw")).collect();
        assert_eq!(tenth, [9, 19, 29]);
    }

    #[test]
    fn a_share_is_read() {
        assert_eq!("10%".parse(), Ok(Share::Percent(10)));
        assert_eq!("all".parse(), Ok(Share::All));
        assert!("gw-7".parse::<Share>().unwrap().holds(3, "gw-7"));
        for text in ["101%", "-1%", "", "a b", "%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
