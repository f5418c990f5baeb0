//! The offence of a verifier that stood behind a fraudulent result.
//!
//! It takes the path of GRANDPA and BABE equivocations: `pallet-offences` notes it once, and the stake
//! pallet chills the offender, has it disabled and defers the slash, which root can cancel until then.

use crate::{AccountId, Balance, Offences, Runtime, Session};
use alloc::vec::Vec;
use assay_market::{JobId, ReportVouching};
use frame_support::defensive;
use pallet_assay_stake::{Exposure, ExposureOf, Ledgers};
use pallet_session::historical::IdentificationTuple;
use sp_runtime::{traits::Convert, Perbill};
use sp_staking::{
	offence::{Kind, Offence, ReportOffence},
	SessionIndex,
};

/// What vouching for one fraudulent result costs, in percent of the stake.
pub const VOUCHING_PERCENT: u32 = 2;

/// Verifiers opened the root of a fraudulent result, or hid their verdicts until the job failed.
pub struct VouchingOffence {
	/// The job.
	pub job: JobId,
	/// The session in which it failed.
	pub session: SessionIndex,
	/// Validators of that session.
	pub validators: u32,
	/// The verifiers and what they have at stake.
	pub offenders: Vec<IdentificationTuple<Runtime>>,
}

impl Offence<IdentificationTuple<Runtime>> for VouchingOffence {
	const ID: Kind = *b"assay:vouching\0\0";
	/// One job fails once.
	type Slot = JobId;

	fn offenders(&self) -> Vec<IdentificationTuple<Runtime>> {
		self.offenders.clone()
	}

	fn session_index(&self) -> SessionIndex {
		self.session
	}

	fn validator_set_count(&self) -> u32 {
		self.validators
	}

	fn slot(&self) -> JobId {
		self.job
	}

	fn slash_fraction(&self, _: u32) -> Perbill {
		Perbill::from_percent(VOUCHING_PERCENT)
	}
}

/// Reports vouching to the offences pallet.
pub struct ReportToOffences;

impl ReportToOffences {
	/// What the account has at stake: as a validator of the running session, what it had when that was
	/// planned. One that has left the set since it was drawn is held to what it has now; a drawn
	/// account's stake cannot be withdrawn before the job ends.
	fn exposure(who: &AccountId) -> Option<Exposure<Balance>> {
		ExposureOf::<Runtime>::convert(who.clone()).or_else(|| {
			Ledgers::<Runtime>::get(who).map(|ledger| Exposure { stake: ledger.total() })
		})
	}
}

impl ReportVouching<AccountId> for ReportToOffences {
	fn report(job: JobId, vouchers: Vec<AccountId>) {
		let offenders: Vec<_> = vouchers
			.into_iter()
			.filter_map(|who| Self::exposure(&who).map(|exposure| (who, exposure)))
			.collect();
		if offenders.is_empty() {
			return;
		}
		let offence = VouchingOffence {
			job,
			session: Session::current_index(),
			validators: Session::validators().len() as u32,
			offenders,
		};
		if Offences::report_offence(Vec::new(), offence).is_err() {
			defensive!("a job fails once, so that every report of it is new");
		}
	}
}
