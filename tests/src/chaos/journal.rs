//! Where a process writes down what it does.

use super::record::Record;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// A file that only grows. Each record is one `write`, so that what was written stays when the process is killed.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Opens the file, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Writes a record down.
    pub fn note(&self, record: &Record) {
        (&self.0).write_all(format!("{record}\n").as_bytes()).expect("a record can be written down");
    }
}

/// The records of a file. A last line without an end is not one.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn read(path: &Path) -> io::Result<Vec<Record>> {
    let text = fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| line.parse().map_err(io::Error::other)).collect()
}
