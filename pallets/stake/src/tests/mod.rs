//! One file per call, then one per face that other pallets see, then the invariants.

mod bond;
mod bond_extra;
mod cancel_deferred_slash;
mod chill;
mod conduct;
mod election;
mod electorate;
mod example;
mod genesis;
mod invariants;
mod job_bonds;
mod offences;
mod rebond;
mod session;
mod set_validator_count;
mod unbond;
mod validate;
mod verifiers;
mod withdraw;
