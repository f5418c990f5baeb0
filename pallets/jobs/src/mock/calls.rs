//! Verifiers' calls: commitments, tickets, signatures, and what the chain makes of them.

use super::*;
use assay_commitments::{result_commitment, verdict_commitment};
use assay_market::{
	lottery::{draw_output, tranche_of, transcript},
	verifier::{signing_payload, verifier_crypto::AuthorityPair},
	AbstainReason, Ticket, VerifierAction, VerifierSignature,
};
use sp_core::{crypto::VrfSecret, sr25519, Pair as _};
use sp_runtime::transaction_validity::TransactionValidityError;

/// The order of a job; of none, where there is no such job.
pub fn order(job: JobId) -> Hash {
	Jobs::<Test>::get(job).map(|job| job.order).unwrap_or_default()
}
pub fn result_hash(job: JobId, who: &AccountId, run: &Run) -> Hash {
	result_commitment(&Market::genesis_hash(), &order(job), who.as_ref(), &run.root(), &SALT)
}
pub fn verdict_hash(job: JobId, who: &AccountId, run: &Run) -> Hash {
	verdict_commitment(&Market::genesis_hash(), &order(job), who.as_ref(), &run.root(), &SALT)
}

pub fn sign(
	key: &AuthorityPair,
	genesis: &Hash,
	job: JobId,
	account: &AccountId,
	retry: u32,
	action: &VerifierAction,
) -> VerifierSignature {
	key.sign(&signing_payload(genesis, job, &order(job), account, retry, action))
}

/// What the key of this seed draws in a lottery.
pub fn ticket_with(seed: &str, genesis: &Hash, job: JobId, lottery: &Hash) -> Ticket {
	let key = sr25519::Pair::from_string(seed, None).expect("a raw seed");
	Ticket::from(&key.vrf_sign(&transcript(genesis, &order(job), lottery)))
}
/// The ticket of an account for the open lottery of a job. For nothing, where there is none.
pub fn ticket(job: JobId, who: &AccountId) -> Ticket {
	let seed = Lotteries::<Test>::get(job).map(|lottery| lottery.seed).unwrap_or_default();
	ticket_with(&seed_of(who), &Market::genesis_hash(), job, &seed)
}
/// The tranche of a member by its ticket.
pub fn tranche(job: JobId, who: &AccountId) -> Option<u32> {
	let lottery = Lotteries::<Test>::get(job)?;
	let member = Mock::member(lottery.session, who)?;
	let data = transcript(&Market::genesis_hash(), &order(job), &lottery.seed);
	let output = draw_output(&member.key, &data, &ticket(job, who)).expect("its own ticket");
	tranche_of(output, member.stake.into(), &lottery.terms)
}

/// The call of an action, signed with the key that the account was registered with.
pub fn call_of(job: JobId, account: &AccountId, action: VerifierAction) -> RuntimeCall {
	call_showing(job, account, action, None)
}

pub fn call_showing(
	job: JobId,
	account: &AccountId,
	action: VerifierAction,
	chunks: Option<Chunks>,
) -> RuntimeCall {
	let key = pair(account);
	let signature = sign(&key, &Market::genesis_hash(), job, account, 0, &action);
	call_with(job, account, action, chunks, signature)
}

pub fn call_with(
	job: JobId,
	account: &AccountId,
	action: VerifierAction,
	chunks: Option<Chunks>,
	signature: VerifierSignature,
) -> RuntimeCall {
	call_of_order(job, order(job), account, action, chunks, signature)
}

pub fn call_of_order(
	job: JobId,
	order: Hash,
	account: &AccountId,
	action: VerifierAction,
	chunks: Option<Chunks>,
	signature: VerifierSignature,
) -> RuntimeCall {
	let (account, retry) = (account.clone(), 0);
	RuntimeCall::Market(match action {
		VerifierAction::AttestInputs { ok, .. } => {
			crate::Call::attest_inputs { job, order, account, ok, retry, signature }
		}
		VerifierAction::CommitVerdict { commitment, ticket } => crate::Call::commit_verdict {
			job,
			order,
			account,
			commitment,
			ticket,
			retry,
			signature,
		},
		VerifierAction::Abstain { reason, ticket } => {
			crate::Call::abstain { job, order, account, reason, ticket, retry, signature }
		}
		VerifierAction::RevealVerdict { run_root, salt, .. } => crate::Call::reveal_verdict {
			job,
			order,
			account,
			run_root,
			salt,
			chunks,
			retry,
			signature,
		},
		VerifierAction::AttestOutputs { ok, .. } => {
			crate::Call::attest_outputs { job, order, account, ok, retry, signature }
		}
		VerifierAction::Challenge { .. } => panic!("no call of this pallet carries a challenge"),
	})
}

pub fn act(
	job: JobId,
	account: &AccountId,
	action: VerifierAction,
) -> Result<(), TransactionValidityError> {
	apply(call_of(job, account, action))
}
pub fn attest(job: JobId, who: &AccountId, ok: bool) -> Result<(), TransactionValidityError> {
	let drawn_at = Market::drawn_at(job, Purpose::Attest, who);
	act(job, who, VerifierAction::AttestInputs { ok, drawn_at })
}
pub fn keep(job: JobId, who: &AccountId, ok: bool) -> Result<(), TransactionValidityError> {
	let drawn_at = Market::drawn_at(job, Purpose::Keep, who);
	act(job, who, VerifierAction::AttestOutputs { ok, drawn_at })
}
/// Every keeper has the outputs.
pub fn keep_all(job: JobId) {
	for who in pending(job, Purpose::Keep) {
		keep(job, &who, true).expect("a keeper of an open result");
	}
}
pub fn commit(job: JobId, who: &AccountId, run: &Run) -> Result<(), TransactionValidityError> {
	commit_hash(job, who, verdict_hash(job, who, run))
}
/// Commits to anything.
pub fn commit_hash(
	job: JobId,
	who: &AccountId,
	commitment: Hash,
) -> Result<(), TransactionValidityError> {
	act(job, who, VerifierAction::CommitVerdict { commitment, ticket: ticket(job, who) })
}
pub fn abstain(job: JobId, who: &AccountId) -> Result<(), TransactionValidityError> {
	let reason = AbstainReason::DeviceFault;
	act(job, who, VerifierAction::Abstain { reason, ticket: ticket(job, who) })
}
/// Opens a verdict with the chunks of its trace, or with those of a wrong seed where there is no
/// sample.
pub fn reveal(job: JobId, who: &AccountId, run: &Run) -> Result<(), TransactionValidityError> {
	let chunks = run.chunks(&sample_seed(job).unwrap_or_default(), who);
	reveal_showing(job, who, run, Some(chunks))
}
/// Opens a verdict without chunks.
pub fn open_bare(job: JobId, who: &AccountId, run: &Run) -> Result<(), TransactionValidityError> {
	reveal_showing(job, who, run, None)
}
pub fn reveal_showing(
	job: JobId,
	who: &AccountId,
	run: &Run,
	chunks: Option<Chunks>,
) -> Result<(), TransactionValidityError> {
	let action = VerifierAction::RevealVerdict {
		run_root: run.root(),
		salt: SALT,
		chunks: chunks.is_some(),
	};
	apply(call_showing(job, who, action, chunks))
}
