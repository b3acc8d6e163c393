//! Puts the kernel's conntrack limits back where a run of the tests that was killed has left them lowered, before tests of
//! other crates are measured against them. Does nothing where there is nothing to put back.

use cliffwatch_tests::ConntrackLock;

fn main() {
    ConntrackLock::restore();
}
