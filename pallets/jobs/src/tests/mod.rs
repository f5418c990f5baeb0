//! One file for each call; then orders, deposits, delivery, audits that nobody can see, disputes
//! (condemning, vouching), the deadlines, the draws, named attacks (those on the lottery and the samples
//! in `lottery`), the offchain hook, the runtime API's answers, and random sequences of calls.

mod abstain;
mod attacks;
mod attest_inputs;
mod cancel_job;
mod claim_job;
mod commit_result;
mod commit_verdict;
mod condemn;
mod deadlines;
mod delivery;
mod deposits;
mod draws;
mod give_back;
mod invariants;
mod life;
mod losses;
mod lottery;
mod offchain;
mod orders;
mod poke;
mod post_job;
mod private_audits;
mod request_audit;
mod reveal_result;
mod reveal_verdict;
mod segments;
mod set_parameters;
mod settled;
mod silence;
mod unconfirmed;
mod views;
mod vouching;
mod withholding;

use crate::{mock::*, Error, Event};
use assay_market::{Outcome, Phase, Purpose, ReasonCode};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{
	transaction_validity::{InvalidTransaction, TransactionValidityError},
	DispatchError, Permill,
};

/// The pool's answer for a reason.
fn invalid(reason: InvalidTransaction) -> Result<(), TransactionValidityError> {
	Err(TransactionValidityError::Invalid(reason))
}

/// What the provider of a claimed job has put up.
fn bond_of(id: assay_market::JobId) -> u64 {
	job(id).claim.expect("a claimed job").bond
}

/// How the job ended.
fn ending(id: assay_market::JobId) -> (Phase, Option<ReasonCode>) {
	(phase(id), job(id).reason)
}
