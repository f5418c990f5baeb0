//! What each command does, with its flags and their help.

pub mod blob;
pub mod challenge;
pub mod devices;
mod disputes;
mod follow;
mod guard;
pub mod identity;
pub mod job;
pub mod model;
mod post;
mod profile;
pub mod program;
pub mod provider;
mod report;
pub mod stake;
mod train;
pub mod verify;
pub mod watch;
