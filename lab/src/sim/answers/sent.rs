//! A script as it was sent, read for the words that were rendered into it.

/// Stands in front of every path of a guest.
const ROOTS: [&str; 2] = ["${HOMELAB_ROOT}", "${HOMELAB_ROOT:-}"];

/// The words of each line of a script: quotes taken away, paths as they are on a guest. A quoted text that
/// goes on over lines is one word; what is expanded in a script stays as it is written.
#[derive(Debug, Default)]
pub(super) struct Sent {
    comment: String,
    lines: Vec<Vec<String>>,
}

impl Sent {
    pub(super) fn read(text: &str) -> Self {
        let body = text.split_once("homelab_main() {\n").map_or("", |(_, body)| body);
        let comment = body.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
        Self { comment: comment.to_owned(), lines: lines(text) }
    }

    /// How it begins to say what it does.
    pub(super) fn comment(&self) -> &str {
        &self.comment
    }

    pub(super) fn begins(&self, words: &str) -> bool {
        self.comment.starts_with(words)
    }

    /// The commands that begin with these words.
    pub(super) fn calls<'a>(&'a self, words: &'a [&'a str]) -> impl Iterator<Item = &'a [String]> {
        self.lines.iter().map(Vec::as_slice).filter(move |line| {
            line.len() >= words.len() && line.iter().zip(words).all(|(word, wanted)| word == wanted)
        })
    }

    pub(super) fn call<'a>(&'a self, words: &'a [&'a str]) -> Option<&'a [String]> {
        self.calls(words).next()
    }

    pub(super) fn has(&self, words: &[&str]) -> bool {
        self.calls(words).next().is_some()
    }

    /// What a variable is set to first.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut words = self.lines.iter().filter_map(|line| line.first());
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        Some(on_guest(value))
    }

    /// The word behind another one, in the first line that has it and is such.
    pub(super) fn behind(&self, word: &str, line: impl Fn(&[String]) -> bool) -> Option<&str> {
        self.lines.iter().filter(|words| line(words)).find_map(|words| {
            let at = words.iter().position(|known| known == word)?;
            words.get(at + 1).map(String::as_str)
        })
    }

    /// The line in front of the one that begins with these words.
    pub(super) fn before(&self, words: &[&str]) -> Option<&[String]> {
        let at = self.lines.iter().position(|line| {
            line.len() >= words.len() && line.iter().zip(words).all(|(word, wanted)| word == wanted)
        })?;
        self.lines.get(at.checked_sub(1)?).map(Vec::as_slice)
    }

    /// N of `deadline=$(($(date +%s) + N))`, in seconds.
    pub(super) fn patience(&self) -> Option<u64> {
        let line = self.lines.iter().find(|line| line[0].starts_with("deadline="))?;
        line.last()?.trim_end_matches(')').parse().ok()
    }
}

fn on_guest(word: &str) -> &str {
    ROOTS.iter().find_map(|root| word.strip_prefix(root)).unwrap_or(word)
}

/// As a shell splits it, but for what it would expand.
fn lines(text: &str) -> Vec<Vec<String>> {
    let mut reader = Reader::default();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => reader.end_word(),
            '\n' => reader.end_line(),
            '#' if reader.word.is_none() => {
                while letters.next_if(|letter| *letter != '\n').is_some() {}
            }
            '\\' => match letters.next() {
                // The line goes on.
                Some('\n') | None => {}
                Some(letter) => reader.push(letter),
            },
            '\'' => {
                reader.begin_word();
                letters
                    .by_ref()
                    .take_while(|letter| *letter != '\'')
                    .for_each(|letter| reader.push(letter));
            }
            '"' => {
                reader.begin_word();
                while let Some(letter) = letters.next().filter(|letter| *letter != '"') {
                    let escaped = (letter == '\\').then(|| letters.next()).flatten();
                    match escaped {
                        None => reader.push(letter),
                        Some('\n') => {}
                        Some(letter @ ('"' | '\\' | '$' | '`')) => reader.push(letter),
                        Some(other) => {
                            ['\\', other].into_iter().for_each(|letter| reader.push(letter))
                        }
                    }
                }
            }
            letter => reader.push(letter),
        }
    }
    reader.end_line();
    reader.lines
}

#[derive(Default)]
struct Reader {
    lines: Vec<Vec<String>>,
    line: Vec<String>,
    word: Option<String>,
}

impl Reader {
    fn begin_word(&mut self) {
        self.word.get_or_insert_default();
    }

    fn push(&mut self, letter: char) {
        self.word.get_or_insert_default().push(letter);
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            self.line.push(on_guest(&word).to_owned());
        }
    }

    fn end_line(&mut self) {
        self.end_word();
        if !self.line.is_empty() {
            self.lines.push(std::mem::take(&mut self.line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "KEY='it'\\''s'\nhomelab_main() {\n# Does what it's told, and more.\nset -eu\n\
        # A comment with an apostrophe's tail\ntarget=\"${HOMELAB_ROOT}\"'/etc/x y'\n\
        deadline=$(($(date +%s) + 15))\n\
        write_file '/a' 0644 '# first\nsecond '\\''quoted'\\''\n' >&2\n\
        call \"${HOMELAB_ROOT}/\"'usr/bin/x' one\\\n two \"a \\\"b\\\" \\n\" ${1#K10}\n}\nhomelab_main </dev/null\n";

    #[test]
    fn a_script_is_read_as_a_shell_splits_it() {
        let sent = Sent::read(SCRIPT);
        assert_eq!(sent.comment(), "Does what it's told, and more.");
        assert_eq!(sent.value("KEY"), Some("it's"));
        assert_eq!(sent.value("target"), Some("/etc/x y"));
        assert_eq!(sent.patience(), Some(15));
        let written = sent.call(&["write_file"]).expect("it writes a file");
        assert_eq!(written, ["write_file", "/a", "0644", "# first\nsecond 'quoted'\n", ">&2"]);
        let called = sent.call(&["call"]).expect("it calls");
        assert_eq!(called, ["call", "/usr/bin/x", "one", "two", "a \"b\" \\n", "${1#K10}"]);
        assert_eq!(sent.before(&["write_file"]).map(<[String]>::len), Some(4));
        assert!(!sent.has(&["write_file", "/b"]));
    }
}
