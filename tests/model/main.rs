//! The protocol, searched exhaustively.
