use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use cliffwatch_engine::replay::polls_of_lines;
use cliffwatch_model::Poll;
use cliffwatch_model::wire::PollLine;

/// The longest line: two thousand tables, which is all that is kept of a device, at 2 KB each.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The longest history: it is held in memory, so that lines may stand in any order. A month of a device at
/// ten seconds has 300 MB.
const SAMPLES_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// What some editors and shells write before the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The polls of a file with one JSON object a line, in time order; `-` is standard input. Empty lines are
/// passed over.
///
/// # Errors
/// Names the line that cannot be used.
pub(crate) fn read(path: &Path) -> Result<Vec<Poll>, String> {
    let name = path.display();
    if path == Path::new("-") {
        return read_from(io::stdin().lock(), "standard input");
    }
    let file = File::open(path).map_err(|error| format!("`{name}` cannot be read: {error}"))?;
    read_from(BufReader::new(file), &format!("`{name}`"))
}

fn read_from(input: impl BufRead, name: &str) -> Result<Vec<Poll>, String> {
    let mut input = input.take(SAMPLES_BYTES_MAX);
    let mut lines: Vec<PollLine> = Vec::new();
    let mut numbers: Vec<usize> = Vec::new();
    let mut buffer = Vec::new();
    for number in 1.. {
        let at = |problem: String| format!("{name}, line {number}: {problem}");
        buffer.clear();
        let read = input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut buffer);
        if read.map_err(|error| at(error.to_string()))? == 0 {
            break;
        }
        if buffer.len() as u64 > LINE_BYTES_MAX {
            return Err(at(format!("longer than {LINE_BYTES_MAX} bytes")));
        }
        let text = buffer.strip_prefix(BYTE_ORDER_MARK).filter(|_| number == 1).unwrap_or(&buffer);
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        lines.push(serde_json::from_slice(text).map_err(|error| at(plain(&error)))?);
        numbers.push(number);
    }
    if input.limit() == 0 {
        return Err(format!("{name} is longer than {SAMPLES_BYTES_MAX} bytes; replay a part of it"));
    }
    polls_of_lines(lines).map_err(|(place, error)| {
        let number = place.checked_sub(1).and_then(|place| numbers.get(place)).copied().unwrap_or(place);
        format!("{name}, line {number}: {error}")
    })
}

/// The parser counts lines from the start of what it is given, which is one line.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    format!("{message} (column {})", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"device":"d","finished_at":"2026-03-01T00:00:10Z","outcome":"ok"}"#;

    fn read_text(text: &str) -> Result<Vec<Poll>, String> {
        read_from(text.as_bytes(), "`x`")
    }

    #[test]
    fn lines_come_in_time_order() {
        let earlier = LINE.replace("00:10", "00:00");
        let polls = read_text(&format!("{LINE}\n\n{earlier}\n")).unwrap();
        assert_eq!(polls.len(), 2);
        assert!(polls[0].header.finished_at < polls[1].header.finished_at);
        assert_eq!(polls[0].header.interval.as_secs(), 10, "from the spacing");
    }

    #[test]
    fn a_file_of_a_windows_editor_is_read() {
        assert_eq!(read_text(&format!("\u{feff}{LINE}\r\n")).unwrap().len(), 1);
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = |text: &str| read_text(text).unwrap_err();
        assert_eq!(error(&format!("{LINE}\n\nnonsense\n")), "`x`, line 3: expected ident (column 2)");
        assert_eq!(error("{\"device\":\"d\"}\n"), "`x`, line 1: missing field `finished_at` (column 14)");
        let unknown = LINE.replace("\"ok\"", "\"fine\"");
        assert_eq!(
            error(&format!("\n{LINE}\n{unknown}\n")),
            "`x`, line 3: outcome: `fine` is not one of the known values"
        );
    }

    #[test]
    fn an_endless_line_is_refused() {
        let length = usize::try_from(LINE_BYTES_MAX).unwrap() + 10;
        assert_eq!(read_text(&"x".repeat(length)).unwrap_err(), "`x`, line 1: longer than 4194304 bytes");
    }
}
