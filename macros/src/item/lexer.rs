//! Comments, literals, words and brackets of a source text, and nothing else of Rust.

/// A bracket that is still open, with the text before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) open: char,
    pub(crate) header: String,
    /// Where the bracket is (bytes).
    pub(crate) at: usize,
}

/// The brackets that are open at the end of the text.
pub(crate) fn enclosing(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    // What has been read of the item that each open bracket contains; the last belongs to the innermost.
    let mut headers = vec![String::new()];
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = skip(rest);
        let (token, after) = rest.split_at(length);
        rest = after;
        let Some(header) = headers.last_mut() else { break };
        match character {
            '/' if length > 1 => header.push(' '),
            '(' | '[' | '{' if length == 1 => {
                let before = header.clone();
                header.push(character);
                let at = text.len() - rest.len() - 1;
                frames.push(Frame { open: character, header: before, at });
                headers.push(String::new());
            }
            ')' | ']' | '}' if length == 1 => {
                if frames.pop().is_none() {
                    continue;
                }
                let inside = headers.pop().unwrap_or_default();
                let Some(header) = headers.last_mut() else { break };
                if character == '}' && !after.trim_start().starts_with(['>', ',', ')', ']']) {
                    header.clear();
                } else {
                    header.push_str(&inside);
                    header.push(character);
                }
            }
            // `[u8; 32]` is no end of an item.
            ';' if frames.last().is_none_or(|frame| frame.open != '[') => header.clear(),
            // The text of a literal says nothing, and may look like anything.
            _ if token.contains('"') => header.push_str("\"\""),
            _ => header.push_str(token),
        }
    }
    frames
}

/// The length of the comment, literal or character at the start of the text (which isn't empty).
pub(crate) fn skip(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('\'') {
        return quote(text);
    }
    if text.starts_with('"') {
        return string(text);
    }
    // A word: as a whole, so that the prefix of a literal isn't looked for inside a name.
    let word =
        text.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(text.len());
    if word == 0 {
        return first;
    }
    let after = &text[word..];
    match &text[..word] {
        "r" | "br" | "cr" => word + raw_string(after),
        "b" | "c" if after.starts_with('"') => word + string(after),
        "b" if after.starts_with('\'') => word + quote(after),
        _ => word,
    }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// A string, from its quote to the end of its last one.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `#"…"#` or `"…"`; nothing when it is neither (`r#name`).
fn raw_string(text: &str) -> usize {
    let hashes = text.len() - text.trim_start_matches('#').len();
    if !text[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", &text[..hashes]);
    let start = hashes + 1;
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// A character literal, or only the quote of a lifetime.
fn quote(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    let Some((_, first)) = characters.next() else { return text.len() };
    if first == '\\' {
        // The escaped character may itself be a quote.
        characters.next();
        return characters.find(|(_, character)| *character == '\'').map_or(text.len(), |(at, _)| at + 1);
    }
    match characters.next() {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}
