//! The offence of a verifier that stood behind a fraudulent result.
//!
//! It takes the path of GRANDPA and BABE equivocations: `pallet-offences` notes it once, and the
//! stake pallet chills the offender, has it disabled and defers the slash, which root can cancel
//! until then.
//!
//! The stake pallet keeps the largest fraction that an account was reported with in a session,
//! which is right for equivocations: their fraction grows with those who take part. Vouching adds
//! up instead. The provider chooses when its frauds are proved, and a hundred of them in one
//! session must not cost their accomplices what one does. So every account is reported for every
//! job by itself, with what is known of it in the session and [`VOUCHING_PERCENT`] more. Whoever
//! only hid its verdict may have been cut off, from all of its jobs at once; that counts once in a
//! session.

use crate::{AccountId, Balance, Offences, Runtime, Session};
use alloc::vec::Vec;
use assay_market::{JobId, ReportVouching};
use frame_support::defensive;
use pallet_assay_stake::{Exposure, ExposureOf, Ledgers, Offences as Fractions};
use pallet_session::historical::IdentificationTuple;
use sp_runtime::{
	traits::{Convert, Saturating},
	Perbill,
};
use sp_staking::{
	offence::{Kind, Offence, ReportOffence},
	SessionIndex,
};

/// What vouching for one fraudulent result costs, in percent of the stake.
pub const VOUCHING_PERCENT: u32 = 2;

/// A verifier opened the root of a fraudulent result, or hid its verdict until the job failed.
pub struct VouchingOffence {
	/// The job.
	pub job: JobId,
	/// The session in which it failed.
	pub session: SessionIndex,
	/// Validators of that session.
	pub validators: u32,
	/// The verifier and what it has at stake.
	pub offender: IdentificationTuple<Runtime>,
	/// What it is held to have done in this session, this included.
	pub fraction: Perbill,
}

impl Offence<IdentificationTuple<Runtime>> for VouchingOffence {
	const ID: Kind = *b"assay:vouching\0\0";
	/// One job fails once, and an account has vouched for it once.
	type Slot = (JobId, AccountId);

	fn offenders(&self) -> Vec<IdentificationTuple<Runtime>> {
		alloc::vec![self.offender.clone()]
	}

	fn session_index(&self) -> SessionIndex {
		self.session
	}

	fn validator_set_count(&self) -> u32 {
		self.validators
	}

	fn slot(&self) -> Self::Slot {
		(self.job, self.offender.0.clone())
	}

	fn slash_fraction(&self, _: u32) -> Perbill {
		self.fraction
	}
}

/// Reports vouching to the offences pallet.
pub struct ReportToOffences;

impl ReportToOffences {
	/// What the account has at stake: as a validator of the running session, what it had when that
	/// was planned. One that has left the set since it was drawn is held to what it has now; a
	/// drawn account's stake cannot be withdrawn before the job ends.
	fn exposure(who: &AccountId) -> Option<Exposure<Balance>> {
		ExposureOf::<Runtime>::convert(who.clone()).or_else(|| {
			Ledgers::<Runtime>::get(who).map(|ledger| Exposure { stake: ledger.total() })
		})
	}
}

impl ReportVouching<AccountId> for ReportToOffences {
	fn report(job: JobId, opened: Vec<AccountId>, hidden: Vec<AccountId>) {
		let session = Session::current_index();
		let validators = Session::validators().len() as u32;
		let own = Perbill::from_percent(VOUCHING_PERCENT);
		let opened = opened.into_iter().map(|who| (who, true));
		for (who, adds_up) in opened.chain(hidden.into_iter().map(|who| (who, false))) {
			let Some(exposure) = Self::exposure(&who) else { continue };
			let known = Fractions::<Runtime>::get(session, &who).unwrap_or_default();
			let fraction = if adds_up { known.saturating_add(own) } else { known.max(own) };
			let offender = (who, exposure);
			let offence = VouchingOffence { job, session, validators, offender, fraction };
			if Offences::report_offence(Vec::new(), offence).is_err() {
				defensive!("a job fails once, so that every report of it is new");
			}
		}
	}
}
