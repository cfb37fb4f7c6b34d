//! The error of a codec.

/// A value could not be written, or not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(String);

impl CodecError {
    /// An error with the text of another.
    pub fn new(error: impl std::fmt::Display) -> CodecError {
        CodecError(error.to_string())
    }
}
