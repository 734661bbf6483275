//! Runs that are stopped, killed or out of luck with the disk: the checkpoint is the old one or the
//! new one, and what continues from it ends as if nothing had happened, to the bit.

#![cfg(unix)]

#[path = "common/program.rs"]
mod program;

mod crash {
    pub mod disk;
    pub mod kill;
    pub mod resume;
}
