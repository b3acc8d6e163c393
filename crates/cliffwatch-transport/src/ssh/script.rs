use ring::rand::{SecureRandom as _, SystemRandom};

/// A script is typed into a pipe and kept by the far shell; more than this is not a cheap poll.
const MAX_SCRIPT_BYTES: usize = 16 << 10;

/// How a script travels, for the list of everything that can be sent to a device: what is sent, and when.
/// `NAME` and `SCRIPT` are those of a [`Script`], `RANDOM` is a new random word each time.
pub const ENVELOPES: [(&str, &str); 5] = [
    ("exec request: starts the shell that is held", super::shell::SHELL),
    ("to that shell, once: teaches it a script", "cliffwatch_NAME() {\nSCRIPT\n}"),
    (
        "to that shell, each time: runs the script",
        "echo CW'B'RANDOM; cliffwatch_NAME </dev/null; echo CW'E'RANDOM $?",
    ),
    ("exec request, where the login keeps no shell", "echo CW'B'RANDOM; { SCRIPT\n}; echo CW'E'RANDOM $?"),
    ("exec request, where the login is bound to a command of its own", "SCRIPT"),
];

/// A POSIX shell script that Cliffwatch may run on a device.
///
/// It is a constant of the program: no string of the inventory or of a device can become part of one,
/// so that nothing of theirs ever reaches a shell. It must not read its standard input (which is
/// `/dev/null`), must not `exit`, and must not rely on the exit status of its last command alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    name: &'static str,
    text: &'static str,
}

impl Script {
    /// A script that the far shell will know under `name`.
    ///
    /// # Panics
    ///
    /// In a `const`, where this belongs, compilation fails when the name is not `[a-z0-9_]+`, or the text
    /// is empty, longer than 16 KiB, or holds anything but printable ASCII, newlines and tabs.
    pub const fn new(name: &'static str, text: &'static str) -> Self {
        assert!(!name.is_empty() && !text.is_empty(), "a script needs a name and a text");
        assert!(text.len() <= MAX_SCRIPT_BYTES, "a script is at most 16 KiB");
        let mut rest = name.as_bytes();
        while let Some((byte, tail)) = rest.split_first() {
            assert!(matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'), "a script's name is [a-z0-9_]+");
            rest = tail;
        }
        let mut rest = text.as_bytes();
        while let Some((byte, tail)) = rest.split_first() {
            assert!(matches!(byte, b' '..=b'~' | b'\n' | b'\t'), "a script is printable ASCII");
            rest = tail;
        }
        Self { name, text }
    }

    /// The name given to it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The text, for the list of everything that can be sent to a device.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// Teaches a shell the script as a function.
    pub(super) fn definition(&self) -> String {
        format!("cliffwatch_{}() {{\n{}\n}}\n", self.name, self.text)
    }
}

/// A random word around one reply, so that nothing on the device can forge the reply's borders: not a
/// process, a file, an rc file's greeting, nor the echo of our own line.
#[derive(Clone, Debug)]
pub(super) struct Marker(String);

impl Marker {
    /// 128 random bits from the operating system; `None` where it has none to give.
    pub(super) fn new() -> Option<Self> {
        let mut bytes = [0_u8; 16];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The line that runs a script which the shell has learned.
    ///
    /// The quotes keep the line itself from holding the marker that it prints. Standard input is taken
    /// away from the script: it is where our next line comes from.
    pub(super) fn call(&self, script: &Script) -> String {
        let (word, name) = (&self.0, script.name);
        format!("echo CW'B'{word}; cliffwatch_{name} </dev/null; echo CW'E'{word} $?\n")
    }

    /// The command that runs a script in a shell of its own.
    pub(super) fn command(&self, script: &Script) -> String {
        let (word, text) = (&self.0, script.text);
        format!("echo CW'B'{word}; {{ {text}\n}}; echo CW'E'{word} $?")
    }

    fn begin(&self) -> Vec<u8> {
        format!("CWB{}\n", self.0).into_bytes()
    }

    fn end(&self) -> Vec<u8> {
        format!("CWE{} ", self.0).into_bytes()
    }
}

/// What stood between the markers, and the status after them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) stdout: Vec<u8>,
    pub(super) exit_status: Option<u32>,
}

/// More came than the cap allows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// Cuts one reply out of a stream of bytes.
#[derive(Debug)]
pub(super) struct Framer {
    begin: Vec<u8>,
    end: Vec<u8>,
    buffer: Vec<u8>,
    begun: bool,
    received: usize,
    cap: usize,
}

impl Framer {
    pub(super) fn new(marker: &Marker, cap: usize) -> Self {
        let (begin, end) = (marker.begin(), marker.end());
        Self { begin, end, buffer: Vec::new(), begun: false, received: 0, cap }
    }

    /// Whether the far side has begun to run our line.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    /// What came so far: behind the begin marker where there was one, else everything.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Takes the next bytes; gives the reply once it is complete. Every byte counts toward the cap.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Frame>, Overflow> {
        self.received = self.received.saturating_add(bytes.len());
        if self.received > self.cap {
            return Err(Overflow);
        }
        let mut fresh = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        if !self.begun {
            let Some(at) = find(&self.buffer, &self.begin, fresh) else { return Ok(None) };
            self.buffer.drain(..at + self.begin.len());
            self.begun = true;
            fresh = 0;
        }
        let Some(at) = find(&self.buffer, &self.end, fresh.saturating_sub(MAX_STATUS_LINE)) else {
            return Ok(None);
        };
        let status = self.buffer.get(at + self.end.len()..).unwrap_or_default();
        let Some(newline) = status.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        let digits = status.get(..newline).and_then(|line| str::from_utf8(line).ok());
        let exit_status = digits.and_then(|text| text.trim_end().parse().ok());
        self.buffer.truncate(at);
        Ok(Some(Frame { stdout: std::mem::take(&mut self.buffer), exit_status }))
    }
}

/// `255\r\n`, generously: how far back an end marker may stand whose line was cut by a packet border.
const MAX_STATUS_LINE: usize = 16;

/// The place of `needle`, given that it does not end before `fresh`.
fn find(haystack: &[u8], needle: &[u8], fresh: usize) -> Option<usize> {
    let from = fresh.saturating_sub(needle.len());
    let place = haystack.get(from..)?.windows(needle.len()).position(|window| window == needle)?;
    Some(from + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: usize = 1 << 20;

    fn stream(marker: &Marker, noise: &str, reply: &str) -> Vec<u8> {
        format!("{noise}CWB{word}\n{reply}CWE{word} 3\n", word = marker.0).into_bytes()
    }

    #[test]
    fn a_reply_is_found_at_every_cut_and_noise_is_not_part_of_it() {
        let marker = Marker::new().unwrap();
        let bytes = stream(&marker, "Welcome!\nCWB0000\n", "42\nno newline at the end");
        for cut in 0..bytes.len() {
            let mut framer = Framer::new(&marker, CAP);
            let first = framer.push(&bytes[..cut]).unwrap();
            assert_eq!(first, None, "at {cut}");
            let frame = framer.push(&bytes[cut..]).unwrap().unwrap();
            assert_eq!(
                frame,
                Frame { stdout: b"42\nno newline at the end".to_vec(), exit_status: Some(3) },
                "at {cut}"
            );
        }
    }

    #[test]
    fn one_byte_at_a_time_is_enough() {
        let marker = Marker::new().unwrap();
        let mut framer = Framer::new(&marker, CAP);
        let bytes = stream(&marker, "", "7\n");
        let frames: Vec<_> = bytes.iter().filter_map(|byte| framer.push(&[*byte]).unwrap()).collect();
        assert_eq!(frames, [Frame { stdout: b"7\n".to_vec(), exit_status: Some(3) }]);
    }

    #[test]
    fn neither_the_echo_of_our_line_nor_another_marker_ends_a_reply() {
        let (marker, other) = (Marker::new().unwrap(), Marker::new().unwrap());
        let script = Script::new("x", "echo hello");
        let mut framer = Framer::new(&marker, CAP);
        for echoed in [marker.call(&script), marker.command(&script)] {
            assert_eq!(framer.push(echoed.as_bytes()).unwrap(), None);
        }
        assert!(!framer.begun());
        assert_eq!(framer.push(&marker.begin()).unwrap(), None);
        assert_eq!(framer.push(&stream(&other, "", "forged")).unwrap(), None);
        assert!(framer.begun());
    }

    #[test]
    fn the_cap_counts_noise_too() {
        let marker = Marker::new().unwrap();
        let mut framer = Framer::new(&marker, 100);
        assert_eq!(framer.push(&[b'x'; 100]).unwrap(), None);
        assert_eq!(framer.push(b"x"), Err(Overflow));
    }

    #[test]
    fn what_is_sent_is_what_is_listed() {
        let (marker, script) = (Marker("RANDOM".into()), Script::new("x", "echo hello"));
        let sent = ENVELOPES.map(|(_, text)| text.replace("NAME", "x").replace("SCRIPT", "echo hello"));
        assert_eq!(sent[1], script.definition().trim_end());
        assert_eq!(sent[2], marker.call(&script).trim_end());
        assert_eq!(sent[3], marker.command(&script));
        assert_eq!(sent[4], script.text());
    }

    #[test]
    fn markers_differ() {
        assert_ne!(Marker::new().unwrap().0, Marker::new().unwrap().0);
    }
}
