use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is wrong with a device for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes connections and requests and answers nothing, not even a held session.
    Hung,
    /// Its table is full: sessions that are open go on, new ones are never answered. (A real gateway drops
    /// the first packet. A process cannot leave one unanswered by its kernel, so that here the connection
    /// is made and nothing comes on it.)
    TableFull,
    /// Each answer comes this much later.
    Slow(Duration),
    /// No login is right.
    RefusesLogin,
    /// Open connections are cut, and new ones as soon as they are made.
    Closes,
    /// Where figures belong, there are none.
    Garbage,
    /// New connections are shown another host key.
    OtherHostKey,
}

/// A fault's time, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What is wrong.
    pub fault: Fault,
    /// From when on.
    pub from: Duration,
    /// Until when; `None` for ever.
    pub until: Option<Duration>,
}

/// A text that names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no fault: hung, table-full, slow=200ms, refuses-login, closes, garbage or other-host-key, each with an \
     optional time as in hung@60s..120s"
)]
pub struct FaultError(String);

impl Span {
    /// The fault from now on and for ever.
    pub fn always(fault: Fault) -> Self {
        Self { fault, from: Duration::ZERO, until: None }
    }

    pub(crate) fn holds(&self, at: Duration) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        match text {
            "hung" => Ok(Self::Hung),
            "table-full" => Ok(Self::TableFull),
            "refuses-login" => Ok(Self::RefusesLogin),
            "closes" => Ok(Self::Closes),
            "garbage" => Ok(Self::Garbage),
            "other-host-key" => Ok(Self::OtherHostKey),
            _ => {
                let time = text.strip_prefix("slow=").and_then(duration);
                time.map(Self::Slow).ok_or_else(|| FaultError(text.to_owned()))
            }
        }
    }
}

/// `hung`, `hung@60s` or `hung@60s..120s`.
impl FromStr for Span {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let Some((fault, time)) = text.split_once('@') else { return Ok(Self::always(text.parse()?)) };
        let fail = || FaultError(text.to_owned());
        let (from, until) = match time.split_once("..") {
            Some((from, until)) => (from, Some(duration(until).ok_or_else(fail)?)),
            None => (time, None),
        };
        Ok(Self { fault: fault.parse()?, from: duration(from).ok_or_else(fail)?, until })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hung => "hung",
            Self::TableFull => "table-full",
            Self::Slow(time) => return write!(f, "slow={}ms", time.as_millis()),
            Self::RefusesLogin => "refuses-login",
            Self::Closes => "closes",
            Self::Garbage => "garbage",
            Self::OtherHostKey => "other-host-key",
        })
    }
}

/// `200ms`, `60s`, `5m` or `1h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let (number, millis) = units.into_iter().find_map(|(unit, millis)| {
        let number = text.strip_suffix(unit)?.parse::<u64>().ok()?;
        Some((number, millis))
    })?;
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_with_its_time() {
        let span: Span = "hung@60s..2m".parse().unwrap();
        assert_eq!(span.fault, Fault::Hung);
        let holds = [59, 60, 119, 120].map(|seconds| span.holds(Duration::from_secs(seconds)));
        assert_eq!(holds, [false, true, true, false]);
        assert_eq!("slow=200ms".parse::<Span>(), Ok(Span::always(Fault::Slow(Duration::from_millis(200)))));
        assert!("closes@1h".parse::<Span>().unwrap().holds(Duration::MAX));
    }

    #[test]
    fn what_is_no_fault_says_what_is() {
        for text in ["", "hang", "slow", "slow=2", "hung@", "hung@1s..", "hung@1", "slow=99999999999999999h"]
        {
            let error = text.parse::<Span>().unwrap_err().to_string();
            assert!(error.contains("table-full"), "{error}");
        }
    }

    #[test]
    fn a_fault_reads_back() {
        for text in ["hung", "table-full", "slow=5ms", "refuses-login", "closes", "garbage", "other-host-key"]
        {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
    }
}
