//! What the compiler says about mistakes.
