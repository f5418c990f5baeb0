//! Randomness, draws and the tranches of an audit.

use crate::{
	Answer, BalanceOf, Config, Event, JobOf, JobsOfKey, Mixes, Pallet, Parameters, ParametersOf,
	Seat, Seats,
};
use alloc::vec::Vec;
use assay_market::{
	parameters::MAX_DRAW_DELAY, AuthorRandomness, Hash, JobId, Phase, Purpose, VerifierInfo,
	Verifiers,
};
use codec::Encode;
use frame_support::defensive;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_io::hashing::blake2_256;
use sp_runtime::traits::{AtLeast32BitUnsigned, One, SaturatedConversion, Saturating, Zero};

/// How many blocks' mixes are kept. A draw that waits longer (the agenda was full and nobody poked)
/// starts over.
pub(crate) const KEPT_MIXES: u32 = 4 * MAX_DRAW_DELAY;

type Candidate<T> = VerifierInfo<<T as frame_system::Config>::AccountId, BalanceOf<T>>;

impl<T: Config> Pallet<T> {
	/// Adds the parent's author randomness to the rolling mix. Where the parent had none, its hash
	/// stands in, so that the mix still changes.
	pub(crate) fn mix_randomness(now: BlockNumberFor<T>) {
		let parent = now.saturating_sub(One::one());
		let before = Mixes::<T>::get(parent.saturating_sub(One::one())).unwrap_or_default();
		let mix = match T::AuthorRandomness::parent() {
			Some(randomness) => (b"vrf", before, randomness).using_encoded(blake2_256),
			None => (b"parent", before, frame_system::Pallet::<T>::parent_hash())
				.using_encoded(blake2_256),
		};
		Mixes::<T>::insert(parent, mix);
		if now > KEPT_MIXES.into() {
			Mixes::<T>::remove(now.saturating_sub(KEPT_MIXES.into()));
		}
	}

	/// Puts the job into `phase` to wait for a draw: `draw_delay` blocks from now are mixed into its
	/// seed.
	pub(crate) fn await_draw(
		id: JobId,
		job: &mut JobOf<T>,
		phase: Phase,
		parameters: &ParametersOf<T>,
	) {
		let now = Self::now();
		let deadline = now.saturating_add(parameters.draw_delay);
		job.draw = Some(now);
		if job.phase == phase && !job.history.is_empty() {
			Self::set_deadline(id, job, deadline);
		} else {
			Self::enter(id, job, phase, deadline);
		}
	}

	/// Performs the draw that the job waits for.
	pub(crate) fn perform_draw(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		let Some(cause) = job.draw.take() else { return };
		let Some(mix) = Mixes::<T>::get(job.deadline) else {
			return Self::await_draw(id, job, job.phase, parameters);
		};
		let seed = |purpose: Purpose| {
			(b"assay/draw/1", mix, id, cause, purpose, job.tranches).using_encoded(blake2_256)
		};
		match job.phase {
			Phase::Posted => {
				let seed = seed(Purpose::Attest);
				let size = parameters.attest_size;
				let time = parameters.attest.blocks(0, job.input_bytes);
				let deadline = Self::now().saturating_add(time);
				if Self::draw(id, job, Purpose::Attest, &seed, size, deadline) == 0 {
					return Self::inputs_unavailable(id, job);
				}
				Self::set_deadline(id, job, deadline);
			}
			Phase::Committed => {
				let seed = seed(Purpose::Verify);
				let audited = job.audit_requested || {
					let chance = u128_of(&(b"audit", seed).using_encoded(blake2_256)) % 1_000_000;
					chance < u128::from(job.audit.deconstruct())
				};
				// A second audit keeps what the first one was.
				job.audited = Some(audited);
				Self::deposit_event(Event::AuditDecided { job: id, audited });
				if !audited {
					return Self::begin_reveal(id, job, parameters);
				}
				let available = Self::candidates(id, job).len() as u32;
				job.first_tranche = job.tranches;
				job.wanted = parameters.committee.min(available);
				job.shares = job.shares.saturating_add(job.wanted);
				Self::draw_tranche(id, job, &seed, job.wanted, parameters);
			}
			Phase::Verifying => {
				let seed = seed(Purpose::Verify);
				let missing = job.wanted.saturating_sub(Self::verdicts(id, job));
				Self::draw_tranche(id, job, &seed, missing, parameters);
			}
			_ => {
				defensive!("draws only wait in these phases");
			}
		}
	}

	/// Draws one tranche of verifiers. Where nobody is left, the audit ends with what it has.
	fn draw_tranche(
		id: JobId,
		job: &mut JobOf<T>,
		seed: &Hash,
		size: u32,
		parameters: &ParametersOf<T>,
	) {
		let time = parameters.verify.blocks(job.work_units, job.input_bytes);
		let deadline = Self::now().saturating_add(time);
		let drawn = Self::draw(id, job, Purpose::Verify, seed, size, deadline);
		job.tranches = job.tranches.saturating_add(1);
		if drawn == 0 {
			return Self::begin_reveal(id, job, parameters);
		}
		if job.phase == Phase::Verifying {
			Self::set_deadline(id, job, deadline);
		} else {
			Self::enter(id, job, Phase::Verifying, deadline);
		}
	}

	/// Everyone of a tranche has answered, or its deadline has passed.
	pub(crate) fn conclude_tranche(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		let complete = Self::verdicts(id, job) >= job.wanted;
		let exhausted = job.tranches.saturating_sub(job.first_tranche) >= parameters.max_tranches;
		if complete || exhausted || Self::candidates(id, job).is_empty() {
			Self::begin_reveal(id, job, parameters)
		} else {
			Self::await_draw(id, job, Phase::Verifying, parameters)
		}
	}

	/// Verdicts that the present audit has, hidden or open.
	pub(crate) fn verdicts(id: JobId, job: &JobOf<T>) -> u32 {
		Seats::<T>::get(id)
			.iter()
			.filter(|seat| {
				seat.purpose == Purpose::Verify
					&& seat.tranche >= job.first_tranche
					&& seat.answer.is_verdict()
			})
			.count() as u32
	}

	/// The accounts whose open verdict is the provider's result, in the order they were drawn.
	pub(crate) fn matching(id: JobId, job: &JobOf<T>) -> Vec<T::AccountId> {
		Seats::<T>::get(id)
			.into_iter()
			.filter_map(|seat| match seat.answer {
				Answer::Revealed { run_root, .. } if Some(run_root) == job.run_root => {
					Some(seat.account)
				}
				_ => None,
			})
			.collect()
	}

	/// The validators that may be drawn to verify this job: not its parties, nor those that were.
	pub(crate) fn candidates(id: JobId, job: &JobOf<T>) -> Vec<Candidate<T>> {
		Self::eligible(id, job, Purpose::Verify)
	}

	fn eligible(id: JobId, job: &JobOf<T>, purpose: Purpose) -> Vec<Candidate<T>> {
		let seats = Seats::<T>::get(id);
		let mut candidates = T::Verifiers::active();
		candidates.retain(|candidate| {
			!candidate.stake.is_zero()
				&& candidate.account != job.requester
				&& job.provider.as_ref() != Some(&candidate.account)
				&& !seats
					.iter()
					.any(|seat| seat.purpose == purpose && seat.account == candidate.account)
		});
		candidates
	}

	/// Draws up to `size` accounts, weighted by stake and without replacement, snapshots their keys
	/// and locks their stake. Gives how many were drawn.
	fn draw(
		id: JobId,
		job: &JobOf<T>,
		purpose: Purpose,
		seed: &Hash,
		size: u32,
		deadline: BlockNumberFor<T>,
	) -> u32 {
		let mut pool = Self::eligible(id, job, purpose);
		let mut seats = Seats::<T>::get(id);
		let mut accounts = Vec::new();
		for index in 0..size {
			let random = (b"pick", seed, index).using_encoded(blake2_256);
			let Some(at) = pick(&pool, u128_of(&random)) else { break };
			let drawn = pool.swap_remove(at);
			let locked = seats.iter().any(|seat| seat.account == drawn.account);
			let seat = Seat {
				account: drawn.account.clone(),
				key: drawn.key.clone(),
				purpose,
				tranche: if purpose == Purpose::Verify { job.tranches } else { 0 },
				drawn_at: Self::now(),
				deadline,
				answer: Answer::Pending,
			};
			if seats.try_push(seat).is_err() {
				defensive!("there are seats for every tranche that parameters allow");
				break;
			}
			if !locked {
				T::Verifiers::lock(&drawn.account, id);
			}
			JobsOfKey::<T>::insert(&drawn.key, id, ());
			accounts.push(drawn.account);
		}
		let count = accounts.len() as u32;
		if count > 0 {
			Seats::<T>::insert(id, seats);
			Self::deposit_event(Event::ValidatorsDrawn {
				job: id,
				purpose,
				tranche: job.tranches,
				accounts,
			});
		}
		count
	}

	/// Marks every seat for `purpose` that has said nothing.
	pub(crate) fn mark_no_shows(id: JobId, purpose: Purpose) {
		Seats::<T>::mutate(id, |seats| {
			for seat in seats.iter_mut() {
				if seat.purpose == purpose && seat.answer == Answer::Pending {
					seat.answer = Answer::NoShow;
				}
			}
		});
	}

	/// How many attestations open the job, and whether that is reached (`Some(true)`) or out of
	/// reach (`Some(false)`).
	pub(crate) fn attestation(id: JobId) -> Option<bool> {
		let seats = Seats::<T>::get(id);
		let count = |wanted: fn(&Answer) -> bool| {
			seats
				.iter()
				.filter(|seat| seat.purpose == Purpose::Attest && wanted(&seat.answer))
				.count() as u32
		};
		let drawn = count(|_| true);
		let quorum = Parameters::<T>::get().attest_quorum.min(drawn);
		let held = count(|answer| *answer == Answer::Attested(true));
		let open = count(|answer| *answer == Answer::Pending);
		if held >= quorum {
			Some(true)
		} else if held.saturating_add(open) < quorum {
			Some(false)
		} else {
			None
		}
	}
}

/// The first 16 bytes of a hash as a number.
fn u128_of(hash: &Hash) -> u128 {
	let mut bytes = [0; 16];
	bytes.copy_from_slice(&hash[..16]);
	u128::from_le_bytes(bytes)
}

/// The candidate whose stretch of the summed stakes `random` falls into; `None` of an empty pool.
/// The modulo favours nobody by more than total stake / 2^128.
fn pick<AccountId, Balance: AtLeast32BitUnsigned + Copy>(
	pool: &[VerifierInfo<AccountId, Balance>],
	random: u128,
) -> Option<usize> {
	let stake =
		|candidate: &VerifierInfo<AccountId, Balance>| candidate.stake.saturated_into::<u128>();
	let total = pool.iter().fold(0u128, |sum, candidate| sum.saturating_add(stake(candidate)));
	let mut point = random.checked_rem(total)?;
	for (index, candidate) in pool.iter().enumerate() {
		let weight = stake(candidate);
		if point < weight {
			return Some(index);
		}
		point -= weight;
	}
	None
}
