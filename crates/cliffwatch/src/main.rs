//! Cliffwatch.
fn main() {}
