/// Of the format that is written here.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text in the making, family after family.
#[derive(Debug, Default)]
pub(crate) struct Exposition(String);

/// The samples of one family.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

/// What a family's numbers are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// `{…}`, escaped and ready to be written again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Labels(String);

impl Exposition {
    /// Begins a family.
    pub(crate) fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.0.push_str(&format!("# HELP {name} {}\n# TYPE {name} {kind}\n", escape(help, false)));
        Family { text: &mut self.0, name }
    }

    /// A family of one number without labels.
    pub(crate) fn number(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help).sample(&Labels::default(), value);
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Writes a sample.
    pub(crate) fn sample(&mut self, labels: &Labels, value: f64) {
        self.text.push_str(self.name);
        if !labels.0.is_empty() {
            self.text.push('{');
            self.text.push_str(&labels.0);
            self.text.push('}');
        }
        self.text.push_str(&format!(" {value}\n"));
    }

    /// Writes a histogram: each bound with how many were not above it, then the sum and the count.
    pub(crate) fn histogram(&mut self, buckets: impl Iterator<Item = (f64, f64)>, sum: f64) {
        let mut total = 0.0;
        for (bound, through) in buckets {
            let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            self.text.push_str(&format!("{}_bucket{{le=\"{bound}\"}} {through}\n", self.name));
            total = through;
        }
        self.text.push_str(&format!("{0}_sum {sum}\n{0}_count {total}\n", self.name));
    }

    /// Writes a sample of what is known.
    pub(crate) fn known(&mut self, labels: &Labels, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.sample(labels, value);
        }
    }
}

impl Labels {
    /// The same with one more; the name is valid already.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&format!("{name}=\"{}\"", escape(value, true)));
        self
    }

    /// The same with one more, where there is one.
    #[must_use]
    pub(crate) fn with_known(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// The characters that the format gives a meaning; the quote has none in a help text.
fn escape(text: &str, quote: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if quote => escaped.push_str("\\\""),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A name of letters, digits and `_` that does not begin with a digit.
pub(crate) fn sanitized(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    let begin = name.starts_with(|c: char| c.is_ascii_digit()).then_some('_');
    begin.into_iter().chain(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_written_with_everything_escaped() {
        let mut out = Exposition::default();
        let mut family = out.family("x_total", Kind::Counter, "a \"b\"\nc\\");
        family.sample(&Labels::default().with("a", "\"},\n\\x").with_known("b", None), 1.5);
        family.known(&Labels::default(), Some(f64::NAN));
        out.number("y", Kind::Gauge, "y", 3.0);
        let expected = "# HELP x_total a \"b\"\\nc\\\\\n# TYPE x_total counter\nx_total{a=\"\\\"},\\n\\\\x\"} 1.5\n\
                        # HELP y y\n# TYPE y gauge\ny 3\n";
        assert_eq!(out.into_text(), expected);
    }

    #[test]
    fn a_histogram_ends_with_infinity_and_its_count() {
        let mut out = Exposition::default();
        let buckets = [(0.5, 2.0), (f64::INFINITY, 3.0)];
        out.family("x", Kind::Histogram, "x").histogram(buckets.into_iter(), 1.25);
        let expected = "# HELP x x\n# TYPE x histogram\nx_bucket{le=\"0.5\"} 2\nx_bucket{le=\"+Inf\"} 3\nx_sum 1.25\nx_count 3\n";
        assert_eq!(out.into_text(), expected);
    }

    #[test]
    fn names_are_made_valid() {
        assert_eq!(sanitized("a-b.c/d"), "a_b_c_d");
        assert_eq!(sanitized("9lives\u{e9}"), "_9lives_");
    }
}
