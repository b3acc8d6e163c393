use std::collections::HashMap;

use super::documented::Documented;

/// Text that waits for its end: more than the longest script that can be typed (16 KiB).
const TYPED_MAX: usize = 64 << 10;
/// Hexadecimal digits of the word around a reply.
const WORD_CHARS: usize = 32;

/// A shell that is typed into. It knows nothing but documented scripts, and how the transport teaches and
/// calls them (`script.rs` there).
#[derive(Debug, Default)]
pub(super) struct Shell {
    typed: String,
    learned: HashMap<String, usize>,
}

/// A script to be answered, and the word that its reply stands between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) word: String,
    pub(super) script: usize,
}

/// Not documented: the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Strange(pub(super) String);

enum Step {
    Learned { length: usize, name: String, script: usize },
    Called { length: usize, call: Call },
    Unfinished,
}

impl Shell {
    /// Takes what was typed and gives the calls that are complete.
    pub(super) fn typed(&mut self, text: &str, documented: &Documented) -> Result<Vec<Call>, Strange> {
        self.typed.push_str(text);
        let mut calls = Vec::new();
        loop {
            let length = match self.step(documented)? {
                Step::Learned { length, name, script } => {
                    self.learned.insert(name, script);
                    length
                }
                Step::Called { length, call } => {
                    calls.push(call);
                    length
                }
                Step::Unfinished if self.typed.len() > TYPED_MAX => return Err(self.strange()),
                Step::Unfinished => return Ok(calls),
            };
            self.typed.drain(..length);
        }
    }

    fn step(&self, documented: &Documented) -> Result<Step, Strange> {
        if self.typed.starts_with("cliffwatch_") {
            return self.definition(documented);
        }
        let Some((line, _)) = self.typed.split_once('\n') else { return Ok(Step::Unfinished) };
        let call = call(line)
            .and_then(|(word, name)| Some(Call { word: word.to_owned(), script: *self.learned.get(name)? }));
        call.map(|call| Step::Called { length: line.len() + 1, call }).ok_or_else(|| self.strange())
    }

    /// `cliffwatch_NAME() {`, the documented text, `}`.
    fn definition(&self, documented: &Documented) -> Result<Step, Strange> {
        let Some((head, body)) = self.typed.split_once('\n') else { return Ok(Step::Unfinished) };
        let name = head.strip_prefix("cliffwatch_").and_then(|head| head.strip_suffix("() {"));
        let name = name.filter(|name| is_name(name)).ok_or_else(|| self.strange())?;
        let mut unfinished = false;
        for (script, command) in documented.commands().iter().enumerate() {
            let whole = format!("{}\n}}\n", command.text);
            if body.starts_with(&whole) {
                let length = head.len() + 1 + whole.len();
                return Ok(Step::Learned { length, name: name.to_owned(), script });
            }
            unfinished |= whole.starts_with(body);
        }
        if unfinished { Ok(Step::Unfinished) } else { Err(self.strange()) }
    }

    fn strange(&self) -> Strange {
        Strange(self.typed.clone())
    }
}

/// `echo CW'B'WORD; cliffwatch_NAME </dev/null; echo CW'E'WORD $?` as WORD and NAME.
fn call(line: &str) -> Option<(&str, &str)> {
    let (word, rest) = line.strip_prefix("echo CW'B'")?.split_once("; cliffwatch_")?;
    let (name, rest) = rest.split_once(" </dev/null; echo CW'E'")?;
    (is_word(word) && is_name(name) && rest.strip_suffix(" $?") == Some(word)).then_some((word, name))
}

/// A command of its own: a documented script between its words, `echo CW'B'WORD; { … }; echo CW'E'WORD $?`.
pub(super) fn once(command: &str, documented: &Documented) -> Option<Call> {
    let (word, rest) = command.strip_prefix("echo CW'B'")?.split_once("; { ")?;
    let (text, end) = rest.rsplit_once("\n}; echo CW'E'")?;
    let is_whole = is_word(word) && end.strip_suffix(" $?") == Some(word);
    is_whole.then_some(())?;
    Some(Call { word: word.to_owned(), script: documented.find(text)? })
}

fn is_word(word: &str) -> bool {
    word.len() == WORD_CHARS && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cliffwatch_transport::ssh::ENVELOPES;

    const WORD: &str = "0123456789abcdef0123456789abcdef";

    fn documented() -> Documented {
        Documented::new(["exec sh", "cat /proc/uptime\necho }", "date +%s"].map(str::to_owned)).unwrap()
    }

    fn line(name: &str) -> String {
        format!("echo CW'B'{WORD}; cliffwatch_{name} </dev/null; echo CW'E'{WORD} $?\n")
    }

    #[test]
    fn a_documented_script_is_learned_and_called_also_in_pieces() {
        let (documented, mut shell) = (documented(), Shell::default());
        let typed = format!("cliffwatch_up() {{\ncat /proc/uptime\necho }}\n}}\n{}", line("up"));
        let mut calls = Vec::new();
        for character in typed.chars() {
            calls.extend(shell.typed(&character.to_string(), &documented).unwrap());
        }
        assert_eq!(calls, [Call { word: WORD.into(), script: 1 }]);
        assert_eq!(shell.typed(&line("up").repeat(2), &documented).unwrap().len(), 2);
    }

    /// The list for change control says how a script travels; here it is taken at its word.
    #[test]
    fn the_documented_envelopes_are_the_ones_that_are_understood() {
        let documented = documented();
        let [_, teach, run, alone, bare] = ENVELOPES
            .map(|(_, text)| text.replace("NAME", "d").replace("SCRIPT", "date +%s").replace("RANDOM", WORD));
        let mut shell = Shell::default();
        assert_eq!(shell.typed(&format!("{teach}\n{run}\n"), &documented).unwrap().len(), 1);
        assert!(once(&alone, &documented).is_some() && documented.find(&bare).is_some());
    }

    #[test]
    fn anything_else_is_strange() {
        let documented = documented();
        for typed in [
            "id\n".to_owned(),
            "cliffwatch_up() {\ncat /etc/shadow\n}\n".into(),
            "cliffwatch_up() {\ncat /proc/uptime\n}\n".into(),
            "cliffwatch_UP() {\ndate +%s\n}\n".into(),
            line("never_learned"),
            format!("cliffwatch_d() {{\ndate +%s\n}}\n{}", line("d").replace("$?", "$?; id")),
            format!(
                "cliffwatch_d() {{\ndate +%s\n}}\n{}",
                line("d").replace("</dev/null", "; id </dev/null")
            ),
            "x".repeat(TYPED_MAX + 1),
        ] {
            assert!(Shell::default().typed(&typed, &documented).is_err(), "{typed:.100}");
        }
    }

    #[test]
    fn a_command_of_its_own_is_a_documented_script_and_no_more() {
        let documented = documented();
        let command = |text: &str| format!("echo CW'B'{WORD}; {{ {text}\n}}; echo CW'E'{WORD} $?");
        assert_eq!(once(&command("date +%s"), &documented).map(|call| call.script), Some(2));
        for text in ["date +%s; id", "id", ""] {
            assert_eq!(once(&command(text), &documented), None, "{text}");
        }
        assert_eq!(once(&format!("{}; id", command("date +%s")), &documented), None);
    }
}
