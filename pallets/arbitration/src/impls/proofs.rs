//! Fraud proofs: judged by the referee, part by part.

use super::ResultOf;
use crate::{
	BalanceOf, Config, Error, Event, Fold, FoldOf, Folds, Lanes, Pallet, Payer, ProofCommitments,
	Proved, RefereedPrograms, WeightInfo,
};
use alloc::vec::Vec;
use assay_market::{proof_commitment, proof_hash, Hash, JobId, ReasonCode, Turn};
use assay_referee::{judge, ProofError, ProofPart, Record, Ruling};
use codec::Encode;
use frame_support::{defensive, ensure, weights::Weight};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	traits::{Convert, Saturating, Zero},
	DispatchError, DispatchResult,
};

/// Most time that recomputing one part takes, in picoseconds: what the program check allows.
const PART_PICOSECONDS: u64 = assay_program::Limits::V1.part_nanoseconds * 1_000;

/// What the parts of a proof come to.
struct SoFar<T: Config> {
	proof: Hash,
	listed: bool,
	costs: BalanceOf<T>,
	held: BalanceOf<T>,
	accumulators: Vec<i64>,
}

impl<T: Config> Pallet<T> {
	/// What judging a part of `bytes` bytes takes at most: reading the longest program, the
	/// openings, the most expensive tile that the program check admits, and the end of the job and of
	/// the sender's lane.
	pub fn weight_of_proof(bytes: u32) -> Weight {
		Self::weight_of_part(bytes).saturating_add(Self::weight_of_default())
	}

	/// The same for a part that decides nothing yet.
	pub(crate) fn weight_of_part(bytes: u32) -> Weight {
		T::WeightInfo::prove_fraud(bytes).saturating_add(Weight::from_parts(PART_PICOSECONDS, 0))
	}

	/// What a part costs that does not prove the fraud, signed or as a verifier's move.
	pub(crate) fn fee_of_part(bytes: u32) -> BalanceOf<T> {
		T::FeeOf::convert((Self::weight_of_part(bytes), bytes))
	}

	pub(crate) fn do_prove(
		job: JobId,
		result: ResultOf<T>,
		who: T::AccountId,
		part: ProofPart,
		payer: Payer,
	) -> Result<Proved, DispatchError> {
		let fold = Self::continued(job, &who, &part)?;
		let (program, checked) =
			T::Programs::program(&result.program).ok_or(Error::<T>::ProgramUnreadable)?;
		let record = Record {
			program: &program,
			checked: &checked,
			input_roots: &result.input_roots,
			steps: result.steps,
			run_root: result.run_root,
			list: Lanes::<T>::get(job, &who).and_then(|lane| Some(lane.list?.list)),
		};
		// What refers to the provider's list shows that the list or the run is wrong: enough against
		// the provider, who stated both, and nothing against those who vouched for the run.
		let listed = !part.lazy.roots.is_empty() || fold.as_ref().is_some_and(|fold| fold.listed);
		let proof = fold.as_ref().map_or_else(|| proof_hash(&part), |fold| fold.proof);
		let (costs, held) =
			fold.as_ref().map_or((Zero::zero(), Zero::zero()), |fold| (fold.costs, fold.held));
		let so_far = fold.map(|fold| fold.accumulators.into_inner());
		match judge(&record, so_far, &part).map_err(Error::<T>::from)? {
			Ruling::Right => Err(Error::<T>::NotWrong.into()),
			Ruling::Fraud => {
				let prover =
					Self::bound_to(job, &result.order, &proof).unwrap_or_else(|| who.clone());
				Self::deposit_event(Event::FraudProven {
					job,
					accusation: part.accusation,
					prover: prover.clone(),
				});
				let (reason, step) = match listed {
					true => (ReasonCode::Withheld, None),
					false => (ReasonCode::ProvenFraud, Some(part.accusation.step)),
				};
				if !Self::condemn(job, reason, &prover, step, costs) {
					defensive!("an opened result can be condemned");
				}
				if let Some(lane) = Lanes::<T>::get(job, &who) {
					Self::close_lane(job, who, lane, false);
				}
				Ok(Proved::Fraud)
			}
			Ruling::Continue(accumulators) => {
				// Whoever signs it pays for it, and gets it back out of the bond who proves the fraud. Of a
				// verifier it is held: others may prove the same first.
				let fee = Self::fee_of_part(part.encoded_size() as u32);
				let (costs, held) = match payer {
					Payer::Deposit => (costs.saturating_add(fee), held),
					Payer::Seat => (costs, held.saturating_add(fee)),
				};
				let so_far = SoFar { proof, listed, costs, held, accumulators };
				Self::keep_part(job, who.clone(), part, so_far, result.proof_time)?;
				if payer == Payer::Seat && Self::hold_fee(&who, fee).is_err() {
					defensive!("`authorize` has seen that the account can pay");
				}
				Ok(Proved::Part)
			}
		}
	}

	/// The proof that this part goes on with; `None` for a first part.
	pub(crate) fn continued(
		job: JobId,
		who: &T::AccountId,
		part: &ProofPart,
	) -> Result<Option<FoldOf<T>>, Error<T>> {
		let fold = Folds::<T>::get(job, who);
		match &fold {
			None => ensure!(part.part == 0, Error::<T>::WrongPart),
			Some(fold) => {
				// A proof of several parts is begun once in a lane, so that beginning again and
				// again cannot keep the job open.
				ensure!(part.part == fold.next, Error::<T>::WrongPart);
				let same = part.accusation == fold.accusation && part.claimed.0 == fold.claimed;
				ensure!(same, Error::<T>::OtherAccusation);
				let lane = Lanes::<T>::get(job, who).ok_or(Error::<T>::NeedsLane)?;
				ensure!(Self::now() <= lane.deadline, Error::<T>::DeadlinePassed);
			}
		}
		Ok(fold)
	}

	/// Keeps what a proof adds up to so far; the challenger has K blocks for the next part, which
	/// needs no replay.
	fn keep_part(
		job: JobId,
		who: T::AccountId,
		part: ProofPart,
		so_far: SoFar<T>,
		part_time: BlockNumberFor<T>,
	) -> DispatchResult {
		let SoFar { proof, listed, costs, held, accumulators } = so_far;
		let lane = Lanes::<T>::get(job, &who).ok_or(Error::<T>::NeedsLane)?;
		ensure!(Self::now() <= lane.deadline, Error::<T>::DeadlinePassed);
		let fold = Fold {
			accusation: part.accusation,
			claimed: part.claimed.0,
			proof,
			next: part.part.saturating_add(1),
			listed,
			costs,
			held,
			accumulators: accumulators.try_into().map_err(|_| Error::<T>::ProofOutOfRange)?,
		};
		Folds::<T>::insert(job, &who, fold);
		let deadline = match lane.turn {
			Turn::Answer(_) => lane.deadline,
			Turn::Move => lane.deadline.max(Self::now().saturating_add(part_time)),
		};
		Self::put_lane(job, &who, lane, deadline);
		Self::deposit_event(Event::ProofPartAccepted { job, challenger: who, part: part.part });
		Ok(())
	}

	/// The account that was the first to bind itself to this proof.
	fn bound_to(job: JobId, order: &Hash, proof: &Hash) -> Option<T::AccountId> {
		let genesis = Self::genesis_hash();
		ProofCommitments::<T>::get(job).into_iter().find_map(|bound| {
			let bytes = Self::account_bytes(&bound.account);
			let expected = proof_commitment(&genesis, order, &bytes, proof);
			(expected == bound.commitment).then_some(bound.account)
		})
	}
}

/// The referee's refusal as one of the pallet's errors.
impl<T> From<ProofError> for Error<T> {
	fn from(error: ProofError) -> Self {
		match error {
			ProofError::Record | ProofError::Recompute => Self::ProgramUnreadable,
			ProofError::Step | ProofError::Tile | ProofError::Part => Self::ProofOutOfRange,
			ProofError::NotAnAnchor => Self::ProofNotAnAnchor,
			ProofError::Accumulators => Self::WrongPart,
			ProofError::Trace => Self::ProofTrace,
			ProofError::Before => Self::ProofBefore,
			ProofError::Anchors => Self::ProofAnchors,
			ProofError::States => Self::ProofStates,
			ProofError::Claimed => Self::ProofClaimed,
			ProofError::OperandCount => Self::ProofIncomplete,
			ProofError::Operand { .. } => Self::ProofOperand,
			ProofError::Unlisted => Self::NeedsList,
			ProofError::Lazy => Self::ProofLazy,
		}
	}
}
