//! A job's life: who may answer, and how a job comes to where a test begins.

use super::*;
use assay_market::{Assurance, Attestation, Disputes, OpenResult, ReasonCode};
use frame_support::dispatch::DispatchResult;

pub fn sample_seed(id: JobId) -> Option<Hash> {
	Jobs::<Test>::get(id).and_then(|job| Market::sample_of(&job))
}
/// To the block in which the chunks that verifiers show are known.
pub fn await_sample(id: JobId) {
	if let Some(Sample::Awaited(closed)) = job(id).audits.sample {
		roll_to(closed + 3);
	}
	assert!(sample_seed(id).is_some());
}

/// The accounts that may answer now: drawn to attest, or winners of the open lottery.
pub fn pending(job: JobId, purpose: Purpose) -> Vec<AccountId> {
	if purpose == Purpose::Verify {
		return winners(job);
	}
	Seats::<Test>::get(job)
		.into_iter()
		.filter(|seat| seat.purpose == purpose && seat.answer == Answer::Pending)
		.map(|seat| seat.account)
		.collect()
}
/// Who may commit now: members in an open tranche that are no parties and have not answered.
pub fn winners(job: JobId) -> Vec<AccountId> {
	let Some(lottery) = Lotteries::<Test>::get(job) else { return Vec::new() };
	let record = self::job(job);
	Mock::members(lottery.session)
		.into_iter()
		.map(|member| member.account)
		.filter(|who| Market::candidate(job, &record, &lottery, who).is_ok())
		.filter(|who| tranche(job, who).is_some_and(|tranche| tranche <= lottery.tranche))
		.collect()
}
/// The accounts that have a seat to verify.
pub fn seated(job: JobId) -> Vec<AccountId> {
	Seats::<Test>::get(job)
		.into_iter()
		.filter(|seat| seat.purpose == Purpose::Verify)
		.map(|seat| seat.account)
		.collect()
}
/// The accounts that have a seat to verify, and those that may take one now.
pub fn committee(job: JobId) -> Vec<AccountId> {
	seated(job).into_iter().chain(winners(job)).collect()
}
/// Ends an audit in which as many have committed as were wanted, and waits for the sample.
pub fn close(id: JobId) {
	if phase(id) == Phase::Verifying {
		roll_past_deadline(id);
	}
	assert_eq!(phase(id), Phase::Revealing);
	if Market::has_hidden(id) {
		await_sample(id);
	}
}

pub fn standard() -> Assurance {
	Assurance::default()
}
pub fn unattested() -> Assurance {
	Assurance { attestation: Attestation::OptedOut, ..Assurance::default() }
}

pub fn job(id: JobId) -> Job<AccountId, u64, u64> {
	Jobs::<Test>::get(id).expect("the job exists")
}
pub fn phase(id: JobId) -> Phase {
	job(id).phase
}
pub const PRICE: u64 = 10 * UNIT;
/// What those get who hold the inputs and outputs: so little that nobody gets anything.
pub const DATA_FEE: u64 = 1;
/// The highest price, the fee of one committee and that.
pub const ESCROW: u64 = PRICE + PRICE / 5 + DATA_FEE;

pub fn try_post(assurance: Assurance) -> DispatchResult {
	Market::post_job(
		RuntimeOrigin::signed(requester()),
		PROGRAM,
		vec![[1; 32], [2; 32]].try_into().expect("two inputs"),
		1,
		PRICE / 2,
		PRICE,
		10,
		assurance,
	)
}
pub fn post(assurance: Assurance) -> JobId {
	let id = crate::NextJob::<Test>::get();
	try_post(assurance).expect("a good job");
	id
}
pub fn post_open() -> JobId {
	post(unattested())
}
pub fn claim(id: JobId, who: AccountId) -> DispatchResult {
	Market::claim_job(RuntimeOrigin::signed(who), id, order(id), 0, u64::MAX)
}
/// Posted and claimed at the highest price.
pub fn post_claimed() -> JobId {
	let id = post_open();
	roll(10);
	claim(id, provider()).expect("an open job");
	id
}
/// Posted, attested by everyone who was drawn, and open.
pub fn post_attested() -> JobId {
	let id = post(standard());
	attest_all(id);
	id
}
/// Everyone who is drawn to attest the inputs holds them.
pub fn attest_all(id: JobId) {
	roll_past_deadline(id);
	for who in pending(id, Purpose::Attest) {
		let _ = attest(id, &who, true);
	}
	assert_eq!(phase(id), Phase::Open);
}
/// The same, and claimed at the highest price.
pub fn post_claimed_attested() -> JobId {
	let id = post_attested();
	roll(10);
	claim(id, provider()).expect("an open job");
	id
}
pub fn commit_result(id: JobId, run: &Run) -> DispatchResult {
	let commitment = result_hash(id, &provider(), run);
	Market::commit_result(RuntimeOrigin::signed(provider()), id, order(id), commitment, None)
}
pub fn post_committed(run: &Run) -> JobId {
	let id = post_claimed();
	commit_result(id, run).expect("a claimed job");
	id
}
/// Up to the open lottery.
pub fn post_verifying(run: &Run) -> JobId {
	let id = post_committed(run);
	roll_past_deadline(id);
	assert_eq!(phase(id), Phase::Verifying);
	id
}
/// As many as are wanted committed to `verdict`, and the sample of their chunks is known.
pub fn post_revealing(run: &Run, verdict: &Run) -> JobId {
	let id = post_verifying(run);
	commit_wanted(id, verdict);
	close(id);
	id
}
/// As many as are wanted commit to `verdict`.
pub fn commit_wanted(id: JobId, verdict: &Run) {
	for who in winners(id).into_iter().take(job(id).audits.wanted as usize) {
		commit(id, &who, verdict).expect("a winner");
	}
}
/// The provider opens its result, and everyone who was drawn to keep its outputs has them.
pub fn reveal_result(id: JobId, run: &Run) -> DispatchResult {
	let origin = RuntimeOrigin::signed(provider());
	Market::reveal_result(origin, id, order(id), run.root(), SALT, run.opening(), None)?;
	keep_all(id);
	Ok(())
}
pub fn give_back(id: JobId, who: AccountId) -> DispatchResult {
	Market::give_back(RuntimeOrigin::signed(who), id, order(id))
}
pub fn cancel(id: JobId, who: AccountId) -> DispatchResult {
	Market::cancel_job(RuntimeOrigin::signed(who), id, order(id))
}
pub fn request_audit(id: JobId, who: AccountId) -> DispatchResult {
	Market::request_audit(RuntimeOrigin::signed(who), id, order(id))
}
/// Everyone revealed.
pub fn post_challengeable(run: &Run, verdict: &Run) -> JobId {
	let id = post_revealing(run, verdict);
	reveal_result(id, run).expect("what was committed");
	for who in committee(id) {
		reveal(id, &who, verdict).expect("what was committed");
	}
	assert_eq!(phase(id), Phase::Challengeable);
	id
}

/// A lane is opened, as the arbitration pallet does it.
pub fn open_lane(id: JobId) {
	Lanes::insert(id, ());
}
/// The last lane is closed.
pub fn close_lane(id: JobId) {
	Lanes::remove(id);
	Market::quiet(id);
}
pub fn result(id: JobId) -> Option<OpenResult<AccountId, u64, u64>> {
	Market::result(id)
}
pub fn condemn(id: JobId, reason: ReasonCode, by: &AccountId) -> bool {
	Market::condemn(id, reason, by, None, 0)
}
/// A step is proved wrong.
pub fn condemn_at(id: JobId, step: u32) -> bool {
	Market::condemn(id, ReasonCode::ProvenFraud, &bystander(), Some(step), 0)
}
/// Everyone but the last of the drawn verifiers revealed.
pub fn post_with_one_hidden(run: &Run, verdict: &Run) -> JobId {
	let id = post_revealing(run, verdict);
	reveal_result(id, run).expect("what was committed");
	for who in &committee(id)[1..] {
		reveal(id, who, verdict).expect("what was committed");
	}
	assert_eq!(phase(id), Phase::Revealing);
	id
}
