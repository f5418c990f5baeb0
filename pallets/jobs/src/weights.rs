//! What weights the pallet asks for: one function for each call, and for what calls and hooks are made of.
//!
//! [`Bounds`](crate::Bounds) has upper bounds of all of them, counted by hand; measured ones come from
//! `benchmarking`.

use frame_support::weights::Weight;

/// What each call and hook may use up.
pub trait WeightInfo {
	/// `post_job` with `i` inputs.
	fn post_job(i: u32) -> Weight;
	/// `cancel_job`.
	fn cancel_job() -> Weight;
	/// `claim_job`.
	fn claim_job() -> Weight;
	/// `commit_result`.
	fn commit_result() -> Weight;
	/// `give_back`.
	fn give_back() -> Weight;
	/// `reveal_result` with `o` outputs, and segments that are opened with `h` hashes; 0 where the run
	/// is not cut.
	fn reveal_result(o: u32, h: u32) -> Weight;
	/// `request_audit`.
	fn request_audit() -> Weight;
	/// `poke`, without the push itself.
	fn poke() -> Weight;
	/// `set_parameters`.
	fn set_parameters() -> Weight;
	/// `attest_inputs`.
	fn attest_inputs() -> Weight;
	/// `attest_outputs`.
	fn attest_outputs() -> Weight;
	/// `commit_verdict`.
	fn commit_verdict() -> Weight;
	/// `abstain`.
	fn abstain() -> Weight;
	/// `reveal_verdict`.
	fn reveal_verdict() -> Weight;
	/// Checking the signature of any verifier call.
	fn authorize_verifier() -> Weight;
	/// Verifying a ticket of a lottery, on top of the signature.
	fn verify_ticket() -> Weight;
	/// Checking the chunks that a verdict is opened with, on top of the signature.
	fn check_chunks() -> Weight;
	/// A public draw from as many validators as there may be.
	fn draw() -> Weight;
	/// Pushing a job with `s` seats past any deadline, settling included, without a public draw.
	fn advance(s: u32) -> Weight;
	/// Condemning a job with `s` seats that all vouched for its result, its end included.
	fn condemn(s: u32) -> Weight;
	/// A job of the agenda that is not pushed waits for another block.
	fn reschedule() -> Weight;
	/// `on_initialize` with an empty agenda.
	fn on_initialize_base() -> Weight;
}
