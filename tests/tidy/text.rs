//! Reading Rust as text, well enough for these checks.

/// The part of a file before its inline tests.
pub(crate) fn production(text: &str) -> &str {
    let mut offset = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let inline =
            lines.peek().is_some_and(|next| next.starts_with("mod ") && next.trim_end().ends_with('{'));
        if line.trim_end() == "#[cfg(test)]" && inline {
            return text.get(..offset).unwrap_or(text);
        }
        offset += line.len();
    }
    text
}

/// Its lines with their numbers, without comments.
pub(crate) fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().zip(1..).map(|(line, number)| (number, without_comment(line)));
    lines.filter(|(_, line)| !line.trim().is_empty())
}

/// The words of a line: runs of letters and digits, in lower case.
pub(crate) fn words(line: &str) -> impl Iterator<Item = String> {
    let words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.flat_map(split_camel).map(|word| word.to_ascii_lowercase())
}

/// A comment begins the line or stands after a blank: what else has two slashes is an address in a text.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.split_once(" // ").map_or(line, |(code, _)| code)
}

fn split_camel(word: &str) -> Vec<&str> {
    let inner = word.char_indices().skip(1).zip(word.chars());
    let starts = inner.filter(|((_, this), before)| this.is_uppercase() && before.is_lowercase());
    let mut parts = Vec::new();
    let mut from = 0;
    for ((start, _), _) in starts {
        parts.extend(word.get(from..start));
        from = start;
    }
    parts.extend(word.get(from..));
    parts
}

#[cfg(test)]
mod tests {
    use super::{code, production, words};

    #[test]
    fn inline_tests_are_cut_and_files_of_tests_are_not() {
        assert_eq!(production("a\n#[cfg(test)]\nmod tests {\n}\n"), "a\n");
        assert_eq!(production("a\n#[cfg(test)]\nmod tests;\nb\n"), "a\n#[cfg(test)]\nmod tests;\nb\n");
        assert_eq!(production("#[cfg(test)]\nuse x;\n"), "#[cfg(test)]\nuse x;\n");
    }

    #[test]
    fn comments_are_no_code() {
        let text = "/// doc\nlet a = \"https://x\"; // why\n\n    // alone\nb\n";
        assert_eq!(code(text).collect::<Vec<_>>(), [(2, "let a = \"https://x\";"), (5, "b")]);
    }

    #[test]
    fn names_fall_into_words() {
        let found: Vec<String> = words("AwsNat::cisco_asa(\"pan-os\")").collect();
        assert_eq!(found, ["aws", "nat", "", "cisco", "asa", "", "pan", "os", "", ""]);
    }
}
