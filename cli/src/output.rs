//! What is written: text for people, JSON for programs.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::Value;

/// Writes one JSON document.
pub(crate) fn document(value: &Value) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{value:#}")
}

/// Writes one line of several JSON values.
pub(crate) fn json_line(value: &Value) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{value}")
}

/// Writes one line of text.
pub(crate) fn line(text: impl AsRef<str>) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", text.as_ref())
}

/// A text that somebody else chose, such as a key: what would move the cursor, or change how the line is shown, is escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// A time as people write it.
pub(crate) fn time(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        return humantime::format_duration(Duration::from_millis(millis(time))).to_string();
    }
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_as_text() {
        assert_eq!(shown("user:7 \"ä\" C:\\x"), "user:7 \"ä\" C:\\x");
        assert_eq!(shown("a\u{1b}[2Jb\r\n\u{202e}c"), "a\\u{1b}[2Jb\\r\\n\\u{202e}c");
    }

    #[test]
    fn long_times_have_no_milliseconds() {
        assert_eq!(time(Duration::from_micros(1_500_900)), "1s 500ms");
        assert_eq!(time(Duration::from_millis(75_300)), "1m 15s");
    }
}
