//! The market's transactions, as the client and the nodes send them.

use crate::{
	chain::Tx,
	people::Person,
	work::{Table, Work},
};
use assay_commitments::{
	result_commitment, verdict_commitment, Hash, OutputsOpening, SegmentsOpening,
};
use assay_market::{
	verifier::signing_payload, AbstainReason, Assurance, ChallengeMove, Checkpoints, JobId,
	Purpose, SampledChunk, Ticket, VerifierAction,
};
use assay_referee::ProofPart;
use assay_runtime::{
	AccountId, Arbitration as Lanes, Balance, BlockNumber, Identity, Runtime, RuntimeCall,
	SessionKeys, System,
};
use codec::Encode;
use pallet_assay_arbitration::{Call as Arbitration, Statement};
use pallet_assay_identity::{Backend, Call as Identities, DeviceProfile, Roles};
use pallet_assay_jobs::Call as Jobs;
use pallet_assay_programs::Call as Programs;
use pallet_assay_stake::Call as Stake;
use sp_core::{crypto::Pair as _, proof_of_possession::statement_of_ownership};
use sp_io::hashing::blake2_256;

/// The hash that names this chain.
pub fn genesis_hash() -> Hash {
	System::block_hash(0).0
}

/// Registers an identity with these roles and, for providers, some device.
pub fn register(who: &Person, provider: bool) -> Tx {
	let node = who.node_key();
	let proof = node.sign(&Identity::peer_key_payload(who.account()));
	let device = provider.then(|| DeviceProfile {
		adapter: b"a test's device".to_vec().try_into().expect("a short name; qed"),
		backend: Backend::Cpu,
		memory_mib: 1_024,
		units_per_second: 1_000_000_000,
	});
	let roles = Roles { requester: !provider, provider, verifier: false };
	let call = Identities::<Runtime>::register { roles, device, peer_key: node.public(), proof };
	Tx::Signed(who.clone(), RuntimeCall::Identity(call))
}

/// Bonds stake.
pub fn bond(who: &Person, amount: Balance) -> Tx {
	stake(who, Stake::bond { amount })
}

/// Any call of the stake pallet.
pub fn stake(who: &Person, call: Stake<Runtime>) -> Tx {
	Tx::Signed(who.clone(), RuntimeCall::Stake(call))
}

/// Registers bytes as a program.
///
/// # Panics
/// For bytes that are longer than a call may carry.
pub fn register_program(who: &Person, bytes: &[u8]) -> Tx {
	let program = bytes.to_vec().try_into().expect("a program of at most 256 KiB");
	Tx::Signed(who.clone(), RuntimeCall::Programs(Programs::register_program { program }))
}

/// Removes a program.
pub fn remove_program(who: &Person, program: Hash) -> Tx {
	Tx::Signed(who.clone(), RuntimeCall::Programs(Programs::remove_program { program }))
}

/// The hash of a job's order, as the chain has it now; nothing for a job that it does not know.
pub fn order_of(job: JobId) -> Hash {
	pallet_assay_jobs::Jobs::<Runtime>::get(job).map(|job| job.order).unwrap_or_default()
}

fn jobs(who: &Person, call: Jobs<Runtime>) -> Tx {
	Tx::Signed(who.clone(), RuntimeCall::Jobs(call))
}

/// What a job pays, and how.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
	/// Price at the start of the ramp.
	pub price_start: Balance,
	/// Price at its end.
	pub price_max: Balance,
	/// Its length.
	pub ramp_blocks: BlockNumber,
	/// Audit and attestation.
	pub assurance: Assurance,
}

/// Posts a job.
pub fn post_job(who: &Person, work: &Work, offer: Offer) -> Tx {
	let Offer { price_start, price_max, ramp_blocks, assurance } = offer;
	let input_roots = work.input_roots().try_into().expect("an admitted number of inputs; qed");
	let (program, steps) = (work.id, work.steps);
	jobs(
		who,
		Jobs::post_job {
			program,
			input_roots,
			steps,
			price_start,
			price_max,
			ramp_blocks,
			assurance,
		},
	)
}

/// Cancels a job.
pub fn cancel_job(who: &Person, job: JobId) -> Tx {
	jobs(who, Jobs::cancel_job { job, order: order_of(job) })
}

/// Claims a job at whatever price it has, with whatever bond it needs.
pub fn claim_job(who: &Person, job: JobId) -> Tx {
	claim_order(who, job, order_of(job))
}

/// Claims a job under this number if it has this order.
pub fn claim_order(who: &Person, job: JobId, order: Hash) -> Tx {
	jobs(who, Jobs::claim_job { job, order, min_price: 0, max_bond: Balance::MAX })
}

/// Gives a claimed job back.
pub fn give_back(who: &Person, job: JobId) -> Tx {
	jobs(who, Jobs::give_back { job, order: order_of(job) })
}

/// Requests an audit.
pub fn request_audit(who: &Person, job: JobId) -> Tx {
	jobs(who, Jobs::request_audit { job, order: order_of(job) })
}

/// Pushes a job.
pub fn poke_job(who: &Person, job: JobId) -> Tx {
	jobs(who, Jobs::poke { job })
}

fn commitment_of(who: &Person, job: JobId, run_root: &Hash, salt: &Hash) -> Hash {
	result_commitment(&genesis_hash(), &order_of(job), &who.bytes(), run_root, salt)
}

/// Commits to a run root.
pub fn commit_result(who: &Person, job: JobId, run_root: &Hash, salt: &Hash) -> Tx {
	commit_raw(who, job, commitment_of(who, job, run_root, salt))
}

/// Sends a result commitment as it is.
pub fn commit_raw(who: &Person, job: JobId, commitment: Hash) -> Tx {
	commit_order(who, job, order_of(job), commitment)
}

/// Sends a result commitment for this order.
pub fn commit_order(who: &Person, job: JobId, order: Hash, commitment: Hash) -> Tx {
	jobs(who, Jobs::commit_result { job, order, commitment, checkpoints: None })
}

/// Commits to a run root and to the checkpoints of the run.
pub fn commit_segmented(
	who: &Person,
	job: JobId,
	run_root: &Hash,
	salt: &Hash,
	checkpoints: Checkpoints,
) -> Tx {
	let (order, commitment) = (order_of(job), commitment_of(who, job, run_root, salt));
	jobs(who, Jobs::commit_result { job, order, commitment, checkpoints: Some(checkpoints) })
}

/// Opens a result: `run_root` with whatever is shown of it.
pub fn reveal_raw(
	who: &Person,
	job: JobId,
	run_root: Hash,
	salt: Hash,
	opening: OutputsOpening,
	segments: Option<SegmentsOpening>,
) -> Tx {
	let order = order_of(job);
	jobs(who, Jobs::reveal_result { job, order, run_root, salt, opening, segments })
}

/// Opens a result.
pub fn reveal_result(who: &Person, job: JobId, work: &Work, run: &Table, salt: Hash) -> Tx {
	reveal_raw(who, job, run.run_root(), salt, run.opening(work), None)
}

/// The signature of a drawn verifier's session key over an action.
pub fn sign_action(
	key: &Person,
	account: &AccountId,
	job: JobId,
	action: &VerifierAction,
) -> assay_market::VerifierSignature {
	let order = order_of(job);
	key.sign_as_verifier(&signing_payload(&genesis_hash(), job, &order, account, 0, action))
}

/// A drawn verifier's transaction.
pub fn as_verifier(who: &Person, job: JobId, action: VerifierAction) -> Tx {
	forged(who, &who.account(), job, action)
}

/// The same for `account`, signed by the key of `key`.
///
/// # Panics
/// For [`VerifierAction::RevealVerdict`] and [`VerifierAction::Challenge`], which are not all that is sent:
/// see [`open_verdict`] and [`move_as_verifier`].
pub fn forged(key: &Person, account: &AccountId, job: JobId, action: VerifierAction) -> Tx {
	let signature = sign_action(key, account, job, &action);
	let (order, account, retry) = (order_of(job), account.clone(), 0);
	Tx::Authorized(RuntimeCall::Jobs(match action {
		VerifierAction::AttestInputs { ok, .. } => {
			Jobs::attest_inputs { job, order, account, ok, retry, signature }
		}
		VerifierAction::AttestOutputs { ok, .. } => {
			Jobs::attest_outputs { job, order, account, ok, retry, signature }
		}
		VerifierAction::CommitVerdict { commitment, ticket } => {
			Jobs::commit_verdict { job, order, account, commitment, ticket, retry, signature }
		}
		VerifierAction::Abstain { reason, ticket } => {
			Jobs::abstain { job, order, account, reason, ticket, retry, signature }
		}
		VerifierAction::RevealVerdict { .. } => unreachable!("a verdict is sent by open_verdict"),
		VerifierAction::Challenge { .. } => unreachable!("a move is sent by move_as_verifier"),
	}))
}

/// When the account was drawn for this, as far as the chain knows.
fn drawn_at(who: &Person, job: JobId, purpose: Purpose) -> BlockNumber {
	let seats = pallet_assay_jobs::Seats::<Runtime>::get(job);
	let account = who.account();
	let seat = seats.iter().find(|seat| seat.purpose == purpose && seat.account == account);
	seat.map_or(0, |seat| seat.drawn_at)
}

/// Attests that the inputs are there, or not.
pub fn attest(who: &Person, job: JobId, ok: bool) -> Tx {
	let drawn_at = drawn_at(who, job, Purpose::Attest);
	as_verifier(who, job, VerifierAction::AttestInputs { ok, drawn_at })
}

/// Attests that the outputs are there, or not.
pub fn attest_outputs(who: &Person, job: JobId, ok: bool) -> Tx {
	let drawn_at = drawn_at(who, job, Purpose::Keep);
	as_verifier(who, job, VerifierAction::AttestOutputs { ok, drawn_at })
}

/// Commits to a verdict, and shows the ticket.
pub fn commit_verdict(
	who: &Person,
	job: JobId,
	run_root: &Hash,
	salt: &Hash,
	ticket: Ticket,
) -> Tx {
	let order = order_of(job);
	let commitment = verdict_commitment(&genesis_hash(), &order, &who.bytes(), run_root, salt);
	as_verifier(who, job, VerifierAction::CommitVerdict { commitment, ticket })
}

/// Gives no verdict, and shows the ticket.
pub fn abstain(who: &Person, job: JobId, ticket: Ticket) -> Tx {
	as_verifier(who, job, VerifierAction::Abstain { reason: AbstainReason::Other, ticket })
}

/// Opens a verdict, with these chunks of the trace or without any.
pub fn reveal_verdict(
	who: &Person,
	job: JobId,
	run_root: Hash,
	salt: Hash,
	chunks: Option<Vec<SampledChunk>>,
) -> Tx {
	open_verdict(who, job, run_root, salt, chunks.is_some(), chunks)
}

/// The same; whether chunks are `announced` in what is signed, and what is sent, need not agree.
///
/// # Panics
/// For more chunks than a call may carry.
pub fn open_verdict(
	who: &Person,
	job: JobId,
	run_root: Hash,
	salt: Hash,
	announced: bool,
	chunks: Option<Vec<SampledChunk>>,
) -> Tx {
	let (account, retry) = (who.account(), 0);
	let action = VerifierAction::RevealVerdict { run_root, salt, chunks: announced };
	let signature = sign_action(who, &account, job, &action);
	let chunks = chunks.map(|chunks| chunks.try_into().expect("as many as are asked for"));
	let order = order_of(job);
	let call =
		Jobs::reveal_verdict { job, order, account, run_root, salt, chunks, retry, signature };
	Tx::Authorized(RuntimeCall::Jobs(call))
}

/// Replaces the `verifier` session key by that of somebody else, who agrees.
pub fn set_verifier_key(who: &Person, other: &Person) -> Tx {
	let keys = SessionKeys {
		babe: who.pair().public().into(),
		grandpa: who.node_key().public().into(),
		verifier: other.verifier_key(),
	};
	let statement = statement_of_ownership(&who.account().encode());
	let proof = (
		who.pair().sign(&statement),
		who.node_key().sign(&statement),
		other.pair().sign(&statement),
	);
	let call = pallet_session::Call::<Runtime>::set_keys { keys, proof: proof.encode() };
	Tx::Signed(who.clone(), RuntimeCall::Session(call))
}

/// A drawn verifier's move in its lane, as the lane stands.
pub fn move_as_verifier(who: &Person, job: JobId, action: ChallengeMove) -> Tx {
	let lane = Lanes::lane(job, who.account());
	// The signature binds how the lane stands, so that a move cannot be sent again further down.
	let opened = lane.as_ref().map(|lane| lane.opened.len() as u32);
	let list = lane.as_ref().and_then(|lane| lane.list);
	let parts = lane.map_or(0, |lane| lane.parts);
	let hash = (opened, list, parts, &action).using_encoded(blake2_256);
	let signature = sign_action(who, &who.account(), job, &VerifierAction::Challenge { hash });
	let (order, account, retry) = (order_of(job), who.account(), 0);
	let call = Arbitration::move_as_verifier { job, order, account, action, retry, signature };
	Tx::Authorized(RuntimeCall::Arbitration(call))
}

fn arbitration(who: &Person, call: Arbitration<Runtime>) -> Tx {
	Tx::Signed(who.clone(), RuntimeCall::Arbitration(call))
}

/// Demands an opening, as the sender's lane stands.
pub fn demand(who: &Person, job: JobId, child: Option<u32>) -> Tx {
	let list = Lanes::lane(job, who.account()).and_then(|lane| lane.list);
	arbitration(who, Arbitration::demand { job, order: order_of(job), child, list })
}

/// Answers a demand.
///
/// # Panics
/// For more children than a group has.
pub fn answer(who: &Person, job: JobId, challenger: AccountId, children: Vec<Hash>) -> Tx {
	let children = children.try_into().expect("at most 256 children");
	arbitration(who, Arbitration::answer { job, order: order_of(job), challenger, children })
}

/// States the roots of the lazy anchors before eager anchor `at.1` of step `at.0`, of this run.
///
/// # Panics
/// For more children than a group has.
pub fn list_roots(
	who: &Person,
	job: JobId,
	challenger: AccountId,
	run_root: Hash,
	at: (u32, u32),
	children: Vec<Hash>,
) -> Tx {
	let children = children.try_into().expect("at most 256 children");
	let stated = Statement { run_root, step: at.0, anchor: at.1, children };
	arbitration(who, Arbitration::list_roots { job, order: order_of(job), challenger, stated })
}

/// Binds the sender to a proof.
pub fn commit_proof(who: &Person, job: JobId, first: &ProofPart) -> Tx {
	let hash = assay_market::proof_hash(first);
	let order = order_of(job);
	let commitment = assay_market::proof_commitment(&genesis_hash(), &order, &who.bytes(), &hash);
	commit_proof_raw(who, job, commitment)
}

/// Sends a proof commitment as it is.
pub fn commit_proof_raw(who: &Person, job: JobId, commitment: Hash) -> Tx {
	arbitration(who, Arbitration::commit_proof { job, order: order_of(job), commitment })
}

/// Proves fraud, or sends one part of the proof.
pub fn prove_fraud(who: &Person, job: JobId, part: ProofPart) -> Tx {
	let part = Box::new(part);
	arbitration(who, Arbitration::prove_fraud { job, order: order_of(job), part })
}

/// Pushes a lane.
pub fn poke_lane(who: &Person, job: JobId, challenger: AccountId) -> Tx {
	arbitration(who, Arbitration::poke { job, challenger })
}
