//! One file per call, then what other pallets see, then the invariants.

mod deregister;
mod example;
mod identities;
mod invariants;
mod register;
mod rotate_peer_key;
mod update;
