//! A page: lines of a pipeline file and comments between them, as they are written.

/// How wide comments are.
const WIDTH: usize = 110;

/// A file that is being written.
#[derive(Default)]
pub(super) struct Page {
    pub text: String,
    /// What only a person can say, a sentence each.
    pub missing: Vec<String>,
}

impl Page {
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A comment, on as many lines as it takes.
    pub(super) fn comment(&mut self, text: &str) {
        let mut line = String::from("#");
        for word in text.split(' ') {
            if line.len() + word.len() >= WIDTH && line.len() > 1 {
                self.line(&line);
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }

    pub(super) fn missing(&mut self, text: impl Into<String>) {
        self.missing.push(text.into());
    }
}
