//! The jobs that are benchmarked: records as long, seats as many and an agenda as crowded as can
//! be.

use super::*;
use frame_support::{
	storage::{with_transaction, TransactionOutcome},
	traits::UnfilteredDispatchable,
};
use sp_runtime::DispatchError;

/// Inputs of the jobs of benchmarks: the most there can be, as in the longest record.
pub const INPUTS: u32 = MAX_INPUTS;

/// Outputs of the programs that benchmarks post, where it does not matter.
pub const OUTPUTS: u32 = 1;

/// What hides every commitment of the benchmarks.
pub const SALT: Hash = [1; 32];

/// A price that is enough for any job of a benchmark.
pub fn price<T: Config>() -> BalanceOf<T> {
	Parameters::<T>::get().least_price(u32::MAX.into(), u32::MAX.into())
}

pub fn order<T: Config>(id: JobId) -> Hash {
	Jobs::<T>::get(id).expect("just posted; qed").order
}

pub fn rich<T: Config>(name: &'static str) -> T::AccountId {
	let who: T::AccountId = account(name, 0, 0);
	T::Currency::set_balance(&who, BalanceOf::<T>::max_value() / 1024u32.into());
	who
}

pub fn post<T: Config>(outputs: u32) -> JobId {
	post_with::<T>(outputs, Attestation::OptedOut)
}

pub fn post_with<T: Config>(outputs: u32, attestation: Attestation) -> JobId {
	let program = T::BenchmarkHelper::program(INPUTS, outputs);
	T::BenchmarkHelper::verifiers(MAX_SEATS);
	let price = price::<T>();
	let id = NextJob::<T>::get();
	assert_ok!(Pallet::<T>::do_post(
		rich::<T>("requester"),
		program,
		vec![[1; 32]; INPUTS as usize].try_into().expect("within the bound; qed"),
		1,
		(price, price, One::one()),
		Assurance { attestation, ..Default::default() },
	));
	fill_history::<T>(id);
	id
}

pub fn provider<T: Config>() -> T::AccountId {
	let who = rich::<T>("provider");
	T::BenchmarkHelper::provider(&who);
	who
}

pub fn claimed<T: Config>(outputs: u32) -> JobId {
	let id = post::<T>(outputs);
	assert_ok!(claim::<T>(id));
	id
}

pub fn claim<T: Config>(id: JobId) -> frame_support::dispatch::DispatchResult {
	let bond = BalanceOf::<T>::max_value();
	Pallet::<T>::do_claim(provider::<T>(), id, order::<T>(id), price::<T>(), bond)
}

/// The run that every benchmark's provider has made.
pub fn run<T: Config>(id: JobId) -> (Hash, OutputsOpening) {
	let program = Jobs::<T>::get(id).expect("just posted; qed").offer.program;
	let summary = T::Programs::summary(&program).expect("a job's program is registered; qed");
	let anchors = vec![[7; 32]; summary.anchors as usize];
	let traces = vec![trace_root(&anchors)];
	let opening = open_outputs(&traces, &anchors, &summary.outputs).expect("anchors exist; qed");
	(run_root(&traces), opening)
}

pub fn committed<T: Config>(outputs: u32) -> JobId {
	let id = claimed::<T>(outputs);
	let who = account::<T::AccountId>("provider", 0, 0);
	let bytes = Pallet::<T>::account_bytes(&who);
	let (root, _) = run::<T>(id);
	let commitment = {
		let genesis = Pallet::<T>::genesis_hash();
		result_commitment(&genesis, &order::<T>(id), &bytes, &root, &SALT)
	};
	assert_ok!(Pallet::<T>::do_commit_result(who, id, order::<T>(id), commitment, None));
	id
}

/// Seats as many verifiers as there can be, with these answers; the first has a key of its own.
pub fn seat<T: Config>(id: JobId, purpose: Purpose, answer: Answer) -> (T::AccountId, VerifierId) {
	let own = VerifierId::generate_pair(None);
	let deadline = BlockNumberFor::<T>::max_value();
	let seats: Vec<SeatOf<T>> = (0..MAX_SEATS)
		.map(|index| Seat {
			account: account("verifier", index, 0),
			key: if index == 0 { own.clone() } else { key_of(index) },
			purpose: if index == 0 || purpose == Purpose::Verify {
				purpose
			} else {
				Purpose::Verify
			},
			tranche: 0,
			drawn_at: Pallet::<T>::now(),
			deadline,
			answer: if index == 0 {
				answer.clone()
			} else {
				Answer::Opened { commitment: [0; 32], run_root: [0; 32] }
			},
			segment: None,
		})
		.collect();
	for seat in &seats {
		JobsOfKey::<T>::insert(&seat.key, id, ());
	}
	Seats::<T>::insert(id, SeatsOf::<T>::try_from(seats).expect("exactly the bound; qed"));
	(account("verifier", 0, 0), own)
}

/// A key of its own for each seat, which nobody signs with.
fn key_of(index: u32) -> VerifierId {
	let mut bytes = [5; 32];
	bytes[..4].copy_from_slice(&index.to_le_bytes());
	sp_application_crypto::sr25519::Public::from_raw(bytes).into()
}

/// A claimed job whose inputs as many attested as can be drawn; all of them are paid when it ends.
pub fn attested<T: Config>() -> JobId {
	let id = post_with::<T>(OUTPUTS, Attestation::Required);
	force::<T>(id, Phase::Open);
	assert_ok!(claim::<T>(id));
	seat::<T>(id, Purpose::Attest, Answer::Attested(true));
	Seats::<T>::mutate(id, |seats| {
		seats.truncate(MAX_COMMITTEE as usize);
		for seat in seats.iter_mut() {
			(seat.purpose, seat.answer) = (Purpose::Attest, Answer::Attested(true));
			T::Verifiers::lock(&seat.account, id);
		}
	});
	id
}

/// All others that may give it back or stay silent have done so.
pub fn bar_others<T: Config>(id: JobId) {
	let others = (0..MAX_BARRED - 1).map(|index| account("barred", index, 0)).collect();
	Jobs::<T>::mutate(id, |job| {
		let job = job.as_mut().expect("just posted; qed");
		job.barred = BoundedVec::truncate_from(others);
	});
}

/// The history of a job is as long as it can be, but for the phases that a call enters.
fn fill_history<T: Config>(id: JobId) {
	/// A verdict that ends the audit ends the reveal phase, too.
	const ENTERED: u32 = 6;
	Jobs::<T>::mutate(id, |job| {
		let history = &mut job.as_mut().expect("just posted; qed").history;
		let first = history.first().copied().expect("a posted job has entered a phase; qed");
		while history.len() < (MAX_HISTORY_OF_PHASES - ENTERED) as usize {
			history.try_push(first).expect("below the bound; qed");
		}
	});
}

/// Carries the call out.
pub fn carry_out<T: Config>(call: Call<T>, origin: RawOrigin<T::AccountId>) {
	assert_ok!(call.dispatch_bypass_filter(origin.into()));
}

/// [`crowd`] for a call.
pub fn crowd_for<T: Config>(id: JobId, call: &Call<T>, origin: &RawOrigin<T::AccountId>) {
	crowd::<T>(id, || carry_out::<T>(call.clone(), origin.clone()));
}

/// Of the blocks of the agenda that are looked at for a place for the job after `step`, the last
/// one has one left, and those before them none. The block that the job waits for so far is full as
/// well. The step is taken once to see where it puts the job, and undone.
pub fn crowd<T: Config>(id: JobId, step: impl FnOnce()) {
	let scheduled = || Jobs::<T>::get(id).and_then(|job| job.scheduled);
	let undone = with_transaction(|| {
		step();
		TransactionOutcome::Rollback(Ok::<_, DispatchError>(scheduled()))
	});
	let Ok(Some(first)) = undone else { return };
	let most = T::MaxAgenda::get() as usize;
	let fill = |block: BlockNumberFor<T>, length: usize| {
		let full: Vec<JobId> = (1_000_000..).take(length).collect();
		Agenda::<T>::insert(block, BoundedVec::truncate_from(full));
	};
	let spill = BlockNumberFor::<T>::from(impls::AGENDA_SPILL);
	let last = first.saturating_add(spill).saturating_sub(One::one());
	let mut block = first.saturating_sub(spill).max(Pallet::<T>::now().saturating_add(One::one()));
	while block < last {
		fill(block, most);
		block.saturating_inc();
	}
	fill(last, most - 1);
	// Behind them, so that leaving its block makes no place.
	if scheduled().is_some() {
		let block = last.saturating_add(One::one());
		fill(block, most - 1);
		Agenda::<T>::mutate(block, |jobs| jobs.try_push(id).expect("one place is left; qed"));
		Jobs::<T>::mutate(id, |job| {
			job.as_mut().expect("just posted; qed").scheduled = Some(block);
		});
	}
}

/// When [`seat`] has them drawn, as an attester signs it.
pub fn drawn_at<T: Config>() -> u32 {
	Pallet::<T>::now().saturated_into()
}

pub fn force<T: Config>(id: JobId, phase: Phase) {
	Jobs::<T>::mutate(id, |job| {
		let job = job.as_mut().expect("just posted; qed");
		job.phase = phase;
		job.draw = None;
		job.deadline = BlockNumberFor::<T>::max_value();
		job.audits.wanted = MAX_COMMITTEE;
	});
}

/// A job whose challenge period is over, in which so many verifiers opened the provider's root.
pub fn vouched<T: Config>(seats: u32) -> JobId {
	let id = committed::<T>(OUTPUTS);
	force::<T>(id, Phase::Challengeable);
	let (root, opening) = run::<T>(id);
	seat::<T>(id, Purpose::Verify, Answer::Committed([0; 32]));
	Seats::<T>::mutate(id, |all| {
		all.truncate(seats as usize);
		for seat in all.iter_mut() {
			seat.answer = Answer::Revealed { commitment: [0; 32], run_root: root };
			T::Verifiers::lock(&seat.account, id);
		}
	});
	Jobs::<T>::mutate(id, |job| {
		let job = job.as_mut().expect("just posted; qed");
		let result = job.committed_mut().expect("just committed; qed");
		result.opened = Some(Opened {
			run_root: root,
			trace_root: opening.trace_root,
			output_roots: BoundedVec::new(),
			// A job without seats has nobody who holds its outputs; its end is the same.
			keepers_redrawn: seats == 0,
			condemned: None,
		});
		job.audits.audited = Some(seats > 0);
		job.audits.wanted = 1;
		job.audits.needed = seats.min(1);
	});
	id
}

/// A lottery with one seat left, and an account that may take part. Its ticket is
/// of another key and lottery; that is for the authorization to see.
pub fn lottery<T: Config>(id: JobId) -> (T::AccountId, VerifierSignature) {
	let electorate = T::Verifiers::electorate();
	let terms = LotteryTerms {
		// Whoever answers is the last of them, and ends the audit.
		candidates: 1,
		stake: 1,
		size: MAX_COMMITTEE,
		width_percent: u32::MAX,
		max_tranches: 1,
		audit: sp_runtime::Permill::one(),
	};
	let key = VerifierId::generate_pair(None);
	let opened_at = Pallet::<T>::now();
	let session = electorate.session;
	Lotteries::<T>::insert(id, Lottery { seed: [1; 32], session, opened_at, tranche: 0, terms });
	// All other seats are taken by attesters and by verifiers of an earlier audit.
	seat::<T>(id, Purpose::Verify, Answer::Committed([0; 32]));
	Seats::<T>::mutate(id, |seats| {
		for (index, seat) in (0u32..).zip(seats.iter_mut()) {
			seat.account = account("seat", index, 0);
		}
		seats.pop();
	});
	Jobs::<T>::mutate(id, |job| {
		let job = job.as_mut().expect("just posted; qed");
		(job.audits.first_tranche, job.audits.tranches) = (1, 2);
	});
	let signature = key.sign(&[0u8; 1]).expect("the keystore has just made the key; qed");
	(account("verifier", 0, 0), signature)
}

pub fn sign<T: Config>(
	key: &VerifierId,
	id: JobId,
	account: &T::AccountId,
	action: &VerifierAction,
) -> VerifierSignature {
	let genesis = Pallet::<T>::genesis_hash();
	key.sign(&signing_payload(&genesis, id, &order::<T>(id), account, 0, action))
		.expect("the benchmark's keystore has just made the key; qed")
}

pub fn verdict<T: Config>(id: JobId, account: &T::AccountId) -> Hash {
	let bytes = Pallet::<T>::account_bytes(account);
	let genesis = Pallet::<T>::genesis_hash();
	verdict_commitment(&genesis, &order::<T>(id), &bytes, &[7; 32], &SALT)
}
