//! Randomness, and the public draws: of those who attest inputs, and of those who keep outputs.

use crate::{
	Answer, BalanceOf, Config, Event, JobOf, JobsOfKey, Mixes, Pallet, Parameters, ParametersOf,
	Sample, Seat, Seats,
};
use alloc::vec::Vec;
use assay_market::{
	parameters::{MAX_DRAW_DELAY, SAMPLE_DELAY},
	AuthorRandomness, Hash, JobId, Phase, Purpose, VerifierInfo, Verifiers,
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

const _: () = assert!(SAMPLE_DELAY < KEPT_MIXES);

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

	/// The seed of a draw for a purpose, from the mix that it has waited for.
	pub(crate) fn draw_seed(mix: &[u8], job: &JobOf<T>, purpose: Purpose) -> Hash {
		// Keepers are drawn anew after the same number of tranches, but with another mix.
		(b"assay/draw/2", mix, job.order, purpose, job.audits.tranches).using_encoded(blake2_256)
	}

	/// Performs the draw that the job waits for.
	pub(crate) fn perform_draw(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		if job.draw.take().is_none() {
			return;
		}
		let Some(mix) = Mixes::<T>::get(job.deadline) else {
			return Self::await_draw(id, job, job.phase, parameters);
		};
		match job.phase {
			Phase::Posted => {
				let seed = Self::draw_seed(&mix, job, Purpose::Attest);
				let size = parameters.attest_size;
				let time = parameters.attest.blocks(0, job.offer.input_bytes);
				let deadline = Self::now().saturating_add(time);
				if Self::draw(id, job, Purpose::Attest, &seed, size, deadline) == 0 {
					return Self::inputs_unavailable(id, job);
				}
				Self::set_deadline(id, job, deadline);
			}
			Phase::Committed => {
				if job.audits.second.is_none() {
					Self::draw_keepers(id, job, parameters, &mix);
				}
				let seed = Self::draw_seed(&mix, job, Purpose::Verify);
				Self::open_lottery(id, job, seed, parameters);
			}
			Phase::Challengeable => {
				Self::draw_keepers(id, job, parameters, &mix);
				let time = parameters.attest.blocks(0, job.offer.output_bytes);
				Self::set_deadline(id, job, Self::now().saturating_add(time));
			}
			_ => {
				defensive!("draws only wait in these phases");
			}
		}
	}

	/// The validators that may be drawn: not the requester, nor the provider, nor those that have been.
	fn eligible(id: JobId, job: &JobOf<T>, purpose: Purpose) -> Vec<Candidate<T>> {
		let seats = Seats::<T>::get(id);
		let mut candidates = T::Verifiers::active();
		candidates.retain(|candidate| {
			!candidate.stake.is_zero()
				&& candidate.account != job.offer.requester
				&& job.provider() != Some(&candidate.account)
				&& !seats
					.iter()
					.any(|seat| seat.purpose == purpose && seat.account == candidate.account)
		});
		candidates
	}

	/// Draws up to `size` accounts, weighted by stake and without replacement, snapshots their keys and
	/// locks their stake. Gives how many were drawn. In public: who fetches inputs or outputs must be
	/// found by those that serve them, and serves them in turn.
	pub(crate) fn draw(
		id: JobId,
		job: &JobOf<T>,
		purpose: Purpose,
		seed: &Hash,
		size: u32,
		deadline: BlockNumberFor<T>,
	) -> u32 {
		let mut pool = Self::eligible(id, job, purpose);
		let mut accounts = Vec::new();
		for index in 0..size {
			let random = (b"pick", seed, index).using_encoded(blake2_256);
			let Some(at) = pick(&pool, u128_of(&random)) else { break };
			let Candidate::<T> { account, key, .. } = pool.swap_remove(at);
			let seat = Seat {
				account: account.clone(),
				key,
				purpose,
				tranche: 0,
				drawn_at: Self::now(),
				deadline,
				answer: Answer::Pending,
				segment: None,
			};
			if !Self::take_seat(id, seat) {
				defensive!("there are seats for everyone whom parameters allow to be drawn");
				break;
			}
			accounts.push(account);
		}
		let count = accounts.len() as u32;
		if count > 0 {
			Self::deposit_event(Event::ValidatorsDrawn { job: id, purpose, tranche: 0, accounts });
		}
		count
	}

	/// Gives an account a seat and locks its stake. `false` where there is no room.
	pub(crate) fn take_seat(id: JobId, seat: crate::SeatOf<T>) -> bool {
		let (account, key) = (seat.account.clone(), seat.key.clone());
		let mut seats = Seats::<T>::get(id);
		let locked = seats.iter().any(|other| other.account == account);
		if seats.try_push(seat).is_err() {
			return false;
		}
		Seats::<T>::insert(id, seats);
		if !locked {
			T::Verifiers::lock(&account, id);
		}
		JobsOfKey::<T>::insert(&key, id, ());
		true
	}

	/// Marks everyone who was drawn to attest and has said nothing in time.
	pub(crate) fn mark_no_shows(id: JobId) {
		let now = Self::now();
		Seats::<T>::mutate(id, |seats| {
			for seat in seats.iter_mut() {
				let pending = seat.answer == Answer::Pending && seat.deadline < now;
				if seat.purpose == Purpose::Attest && pending {
					seat.answer = Answer::NoShow;
				}
			}
		});
	}

	/// The seed of the positions at which the verifiers of this job open their traces, once it is known.
	pub(crate) fn sample_of(job: &JobOf<T>) -> Option<Hash> {
		match job.audits.sample? {
			Sample::Drawn(seed) => Some(seed),
			Sample::Awaited(closed) => {
				let mix = Mixes::<T>::get(closed.saturating_add(SAMPLE_DELAY.into()))?;
				Some((b"assay/sample/2", mix, job.order, closed).using_encoded(blake2_256))
			}
		}
	}

	/// Writes the seed of the sample into the job as soon as it is known, since mixes are forgotten. One
	/// that waited so long that its mix is gone (the agenda was full and nobody poked) starts over.
	pub(crate) fn keep_sample(job: &mut JobOf<T>) {
		let Some(Sample::Awaited(closed)) = job.audits.sample else { return };
		let now = Self::now();
		if let Some(seed) = Self::sample_of(job) {
			job.audits.sample = Some(Sample::Drawn(seed));
		} else if now > closed.saturating_add(SAMPLE_DELAY.into()) {
			job.audits.sample = Some(Sample::Awaited(now));
		}
	}

	/// Whether the attesters that said no have kept the quorum from being reached, and not those that said
	/// nothing.
	pub(crate) fn attesters_refused(id: JobId) -> bool {
		let seats = Seats::<T>::get(id);
		let attesters = seats.iter().filter(|seat| seat.purpose == Purpose::Attest);
		let drawn = attesters.clone().count() as u32;
		let refused =
			attesters.filter(|seat| seat.answer == Answer::Attested(false)).count() as u32;
		let quorum = Parameters::<T>::get().attest_quorum.min(drawn);
		drawn.saturating_sub(refused) < quorum
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
pub(crate) fn u128_of(hash: &Hash) -> u128 {
	let mut bytes = [0; 16];
	bytes.copy_from_slice(&hash[..16]);
	u128::from_le_bytes(bytes)
}

/// The candidate whose stretch of the summed stakes `random` falls into; `None` of an empty pool.
/// The modulo favours nobody by more than total stake / 2^128.
pub(crate) fn pick<AccountId, Balance: AtLeast32BitUnsigned + Copy>(
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
