//! The running thing, without any platform in it.
