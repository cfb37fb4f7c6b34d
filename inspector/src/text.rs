//! How things are written for people: keys, times and sizes.

use std::{borrow::Cow, time::Duration};

use cached_aside::AnyKey;

/// A text that somebody else chose, such as a key: what would move the cursor, or change how the line is shown, is escaped.
pub fn shown(text: &str) -> String {
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
pub fn time(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        return humantime::format_duration(Duration::from_millis(millis(time))).to_string();
    }
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

/// Whole milliseconds.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A number of bytes as people write it.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut unit = 0;
    while unit + 1 < UNITS.len() && bytes >> (10 * (unit + 1)) > 0 {
        unit += 1;
    }
    if unit == 0 {
        return format!("{bytes} B");
    }
    // In hundredths, so that no digit is made up.
    let hundredths = (u128::from(bytes) * 100) >> (10 * unit);
    format!("{}.{:02} {}", hundredths / 100, hundredths % 100, UNITS[unit])
}

/// The name under which a key stands: a long one is shortened, as in the application.
pub fn name_of(key: &str) -> Cow<'_, str> {
    if key.starts_with('#') { key.into() } else { AnyKey::new(key).as_str().to_owned().into() }
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

    #[test]
    fn sizes_have_the_unit_that_they_reach() {
        for (bytes, written) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1_590, "1.55 KiB"), (5 << 20, "5.00 MiB")]
        {
            assert_eq!(size(bytes), written);
        }
        assert_eq!(size(u64::MAX), "17179869183.99 GiB");
    }
}
