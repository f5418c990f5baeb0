//! Opening a lane, going down it, and closing it.

use super::ResultOf;
use crate::{
	AliveLanes, Children, Config, DepositLanes, Error, Event, Folds, Lane, LaneOf, Lanes, Opened,
	OpenedGroup, Pallet, Payer, ProofCommitment, ProofCommitments, Shape, StatedList, Statement,
	UsedUp, MAX_PROOF_COMMITMENTS,
};
use assay_commitments::{Below, Place};
use assay_market::{Disputes, Hash, JobId, Turn};
use assay_referee::LazyList;
use frame_support::ensure;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	traits::{Saturating, Zero},
	DispatchResult,
};

impl<T: Config> Pallet<T> {
	/// What a demand for `child` asks for, in a lane or as the first of one.
	pub(crate) fn next_place(
		job: JobId,
		who: &T::AccountId,
		lane: Option<&LaneOf<T>>,
		child: Option<u32>,
		result: &ResultOf<T>,
		shape: &Shape,
	) -> Result<(Place, Hash), Error<T>> {
		let answers = lane.map_or(0, |lane| lane.answers);
		let (Some(last), Some(child)) = (answers.checked_sub(1), child) else {
			ensure!(answers == 0 && child.is_none(), Error::<T>::WrongChild);
			return Self::top_of(result, shape);
		};
		let group =
			Opened::<T>::get((job, who.clone(), last)).ok_or(Error::<T>::ProgramUnreadable)?;
		// Past a list, the way goes on below what led to it; which child that is, the place tells.
		let past = || Some(lane?.list.as_ref()?.eager);
		let parent = group.children.get(child as usize).copied().or_else(past);
		let parent = parent.ok_or(Error::<T>::WrongChild)?;
		match group.place.below(child, shape) {
			Some(Below::Group(place)) => Ok((place, parent)),
			Some(Below::Chunk { .. }) => Err(Error::AtTheTile),
			None => Err(Error::WrongChild),
		}
	}

	/// Fails unless it is this challenger's move and in time; a job without its lane must still
	/// take new ones.
	pub(crate) fn ensure_may_move(
		lane: Option<&LaneOf<T>>,
		result: &ResultOf<T>,
	) -> Result<(), Error<T>> {
		match lane {
			None => ensure!(result.open, Error::<T>::TooLate),
			Some(lane) => {
				ensure!(lane.turn == Turn::Move, Error::<T>::AnswerPending);
				ensure!(Self::now() <= lane.deadline, Error::<T>::DeadlinePassed);
			}
		}
		Ok(())
	}

	/// Fails if a signed move was made for another list than the provider has stated in the lane:
	/// on a fork where it has stated this one, or before it did. It would lead the lane astray.
	pub(crate) fn ensure_same_list(
		job: JobId,
		who: &T::AccountId,
		list: Option<Hash>,
	) -> Result<(), Error<T>> {
		let stated = Lanes::<T>::get(job, who).and_then(|lane| lane.stated_root());
		ensure!(stated == list, Error::<T>::OtherList);
		Ok(())
	}

	/// Fails unless this challenger may bind itself to a proof now.
	pub(crate) fn ensure_may_commit(
		job: JobId,
		lane: Option<&LaneOf<T>>,
		result: &ResultOf<T>,
	) -> Result<(), Error<T>> {
		match lane {
			None => ensure!(result.open, Error::<T>::TooLate),
			Some(lane) => {
				ensure!(!lane.committed, Error::<T>::AlreadyCommitted);
				ensure!(Self::now() <= lane.deadline, Error::<T>::DeadlinePassed);
			}
		}
		let bound = ProofCommitments::<T>::decode_len(job).unwrap_or_default();
		ensure!(bound < MAX_PROOF_COMMITMENTS as usize, Error::<T>::TooManyCommitments);
		Ok(())
	}

	/// A lane for an account that has none.
	fn open_lane(
		job: JobId,
		who: &T::AccountId,
		payer: Payer,
		result: &ResultOf<T>,
	) -> Result<LaneOf<T>, sp_runtime::DispatchError> {
		let deposit = match payer {
			Payer::Deposit => Self::take_deposit(job, who, result)?,
			Payer::Seat => Zero::zero(),
		};
		AliveLanes::<T>::mutate(job, |alive| alive.saturating_inc());
		Self::deposit_event(Event::LaneOpened { job, challenger: who.clone(), deposit });
		Ok(Lane {
			provider: result.provider.clone(),
			deposit,
			opened_at: Self::now(),
			turn: Turn::Move,
			deadline: Self::now().saturating_add(result.move_time),
			own_deadline: Zero::zero(),
			patience: result.patience,
			parent: result.run_root,
			answers: 0,
			committed: false,
			list: None,
			scheduled: None,
		})
	}

	pub(crate) fn do_demand(
		job: JobId,
		result: ResultOf<T>,
		who: T::AccountId,
		child: Option<u32>,
		payer: Payer,
	) -> DispatchResult {
		let lane = Lanes::<T>::get(job, &who);
		Self::ensure_may_move(lane.as_ref(), &result)?;
		let shape = Self::shape_of(&result)?;
		let (place, parent) = Self::next_place(job, &who, lane.as_ref(), child, &result, &shape)?;
		let mut lane = match lane {
			Some(lane) => lane,
			None => Self::open_lane(job, &who, payer, &result)?,
		};
		let deadline = Self::note_demand(job, &mut lane, &result);
		lane.turn = Turn::Answer(place);
		lane.parent = parent;
		Self::put_lane(job, &who, lane, deadline);
		Self::deposit_event(Event::OpeningDemanded { job, challenger: who, place, deadline });
		Ok(())
	}

	pub(crate) fn do_answer(
		job: JobId,
		result: ResultOf<T>,
		challenger: T::AccountId,
		by: T::AccountId,
		children: Children,
	) -> DispatchResult {
		let lane = Lanes::<T>::get(job, &challenger).ok_or(Error::<T>::NoLane)?;
		let Turn::Answer(place) = lane.turn else {
			return Err(Error::<T>::NothingDemanded.into());
		};
		ensure!(Self::now() <= lane.deadline, Error::<T>::DeadlinePassed);
		let shape = Self::shape_of(&result)?;
		// Nothing proves what is stated there but that the provider says it, of this very place.
		ensure!(!place.is_stated(&shape), Error::<T>::ProviderOnly);
		ensure!(place.verify(&lane.parent, &children, &shape), Error::<T>::WrongAnswer);
		Self::keep_answer(job, challenger, by, lane, place, children, result.move_time);
		Ok(())
	}

	/// Takes the provider's statement of the roots of lazy anchors.
	pub(crate) fn do_list_roots(
		job: JobId,
		result: ResultOf<T>,
		challenger: T::AccountId,
		by: T::AccountId,
		stated: Statement,
	) -> DispatchResult {
		let mut lane = Lanes::<T>::get(job, &challenger).ok_or(Error::<T>::NoLane)?;
		ensure!(by == lane.provider, Error::<T>::ProviderOnly);
		let Turn::Answer(place) = lane.turn else {
			return Err(Error::<T>::NothingDemanded.into());
		};
		ensure!(Self::now() <= lane.deadline, Error::<T>::DeadlinePassed);
		let shape = Self::shape_of(&result)?;
		let Statement { run_root, step, anchor, children } = stated;
		// A statement that was signed for another run, step or anchor may arrive late: its author
		// would be held to it as to a lie.
		let asked = match place {
			Place::Lazy { step: of, anchor: before, .. } => {
				place.is_stated(&shape) && (of, before) == (step, anchor)
			}
			_ => false,
		};
		ensure!(asked && run_root == result.run_root, Error::<T>::OtherList);
		let root = place.stated_root(&children, &shape).ok_or(Error::<T>::WrongAnswer)?;
		lane.list = Some(StatedList { list: LazyList { step, anchor, root }, eager: lane.parent });
		Self::keep_answer(job, challenger, by, lane, place, children, result.move_time);
		Ok(())
	}

	/// Keeps an answer that is as it must be; the challenger has the move.
	fn keep_answer(
		job: JobId,
		challenger: T::AccountId,
		by: T::AccountId,
		mut lane: LaneOf<T>,
		place: Place,
		children: Children,
		move_time: BlockNumberFor<T>,
	) {
		let at = (job, challenger.clone(), lane.answers);
		Opened::<T>::insert(at, OpenedGroup { place, children });
		Self::note_answer(job, &mut lane);
		lane.answers.saturating_inc();
		lane.turn = Turn::Move;
		let deadline = Self::now().saturating_add(move_time);
		Self::put_lane(job, &challenger, lane, deadline);
		Self::deposit_event(Event::OpeningAnswered { job, challenger, by, place, deadline });
	}

	pub(crate) fn do_commit_proof(
		job: JobId,
		result: ResultOf<T>,
		who: T::AccountId,
		commitment: Hash,
		payer: Payer,
	) -> DispatchResult {
		let lane = Lanes::<T>::get(job, &who);
		Self::ensure_may_commit(job, lane.as_ref(), &result)?;
		let mut lane = match lane {
			Some(lane) => lane,
			None => Self::open_lane(job, &who, payer, &result)?,
		};
		ProofCommitments::<T>::try_mutate(job, |commitments| {
			commitments.try_push(ProofCommitment { account: who.clone(), commitment })
		})
		.map_err(|_| Error::<T>::TooManyCommitments)?;
		lane.committed = true;
		let deadline = match lane.turn {
			// An answer that is owed is not owed longer.
			Turn::Answer(_) => lane.deadline,
			Turn::Move => lane.deadline.max(Self::now().saturating_add(result.proof_time)),
		};
		Self::put_lane(job, &who, lane, deadline);
		Self::deposit_event(Event::ProofCommitted { job, challenger: who, commitment });
		Ok(())
	}

	/// Closes a lane. The deposit comes back, except where the lane is `forfeited`: its challenger
	/// stayed silent or was wrong about a result that still stands.
	pub(crate) fn close_lane(job: JobId, who: T::AccountId, lane: LaneOf<T>, forfeited: bool) {
		Self::unschedule(job, &who, lane.scheduled);
		Lanes::<T>::remove(job, &who);
		let held = Folds::<T>::take(job, &who).map_or(Zero::zero(), |fold| fold.held);
		if let Turn::Answer(_) = lane.turn {
			Self::forget_demand(job);
		}
		for at in 0..lane.answers {
			Opened::<T>::remove((job, who.clone(), at));
		}
		let (returned, paid, burned) = Self::settle_deposit(job, &who, &lane, forfeited);
		let (released, charged) = Self::settle_held(&who, held, forfeited);
		let (returned, burned) =
			(returned.saturating_add(released), burned.saturating_add(charged));
		Self::deposit_event(Event::LaneClosed { job, challenger: who, returned, paid, burned });
		// A job that has ended keeps no count.
		if !AliveLanes::<T>::contains_key(job) {
			return;
		}
		let alive = AliveLanes::<T>::mutate_exists(job, |alive| {
			let left = alive.unwrap_or_default().saturating_sub(1);
			*alive = (left > 0).then_some(left);
			left
		});
		if alive == 0 {
			T::Jobs::quiet(job);
		}
	}

	/// Whether the account is a drawn verifier that may still use a lane without deposit.
	pub(crate) fn has_free_lane(job: JobId, who: &T::AccountId) -> bool {
		T::Jobs::verifier_key(job, who).is_some() && !UsedUp::<T>::get(job).contains(who)
	}

	/// A job has ended: what would otherwise be kept for it goes. Its lanes follow one by one, as
	/// the agenda comes to them.
	pub(crate) fn job_ended(job: JobId) {
		Self::forget_demands(job);
		AliveLanes::<T>::remove(job);
		DepositLanes::<T>::remove(job);
		ProofCommitments::<T>::remove(job);
		UsedUp::<T>::remove(job);
	}
}

impl<T: Config> assay_market::Arbitration for Pallet<T> {
	fn is_disputed(job: JobId) -> bool {
		AliveLanes::<T>::get(job) > 0
	}

	fn ended(job: JobId) {
		Self::job_ended(job);
	}
}
