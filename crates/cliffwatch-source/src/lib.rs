//! The seam between the engine and a platform.
mod secret;
pub use secret::Secret;
