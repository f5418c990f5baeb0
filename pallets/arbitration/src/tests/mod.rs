//! One file for each call; then the lanes' clocks and deposits, what is owed, what is free, forks,
//! the agenda, the offchain hook, the runtime API's answers, named attacks, and random sequences of
//! calls.

mod agenda;
mod answer;
mod attacks;
mod commit_proof;
mod demand;
mod free_lanes;
mod invariants;
mod lanes;
mod list_roots;
mod move_as_verifier;
mod offchain;
mod orders;
mod poke;
mod prove_fraud;
mod queue;
mod views;

use crate::{mock::*, Error, Event};
use assay_commitments::{Below, Place};
use assay_market::{ChallengeMove, ReasonCode, Turn};
use assay_pallet_testing::assert_emitted;
use frame_support::{assert_noop, assert_ok, dispatch::Pays};
use sp_runtime::transaction_validity::InvalidTransaction;

/// What a proven fraud and a withheld opening leave behind.
fn proven(by: &AccountId) -> Option<(ReasonCode, AccountId)> {
	Some((ReasonCode::ProvenFraud, by.clone()))
}
fn withheld(by: &AccountId) -> Option<(ReasonCode, AccountId)> {
	Some((ReasonCode::Withheld, by.clone()))
}

/// The dispatch error of a call, without what it used up.
macro_rules! refused {
	($call:expr, $error:expr) => {
		assert_noop!($call.map(|_| ()).map_err(|e| e.error), $error)
	};
}
use refused;
