//! The rules: observations in, alert events out. Pure.
