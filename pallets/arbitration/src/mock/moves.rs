//! Both sides' moves in a lane.

use super::*;
use crate::{LaneOf, Lanes, Statement};
use assay_commitments::{Below, Place};
use assay_market::{
	proof_commitment, proof_hash,
	verifier::{signing_payload, verifier_crypto::AuthorityPair},
	ChallengeMove, Turn, VerifierAction, VerifierSignature,
};
use assay_referee::{Accusation, ProofPart};
use codec::Encode;
use frame_support::dispatch::{DispatchResult, DispatchResultWithPostInfo};
use sp_core::Pair as _;
use sp_runtime::transaction_validity::TransactionValidityError;

pub fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}
pub fn demand(id: JobId, who: &AccountId, child: Option<u32>) -> DispatchResult {
	let list = Lanes::<Test>::get(id, who).and_then(|lane| lane.stated_root());
	Arbitration::demand(signed(who), id, order(id), child, list)
}
pub fn answer_with(
	id: JobId,
	of: &AccountId,
	by: &AccountId,
	children: Vec<Hash>,
) -> DispatchResultWithPostInfo {
	let children = children.try_into().expect("at most 256");
	Arbitration::answer(signed(by), id, order(id), of.clone(), children)
}
/// The provider states this of the lazy anchors that are demanded.
pub fn list_with(
	id: JobId,
	of: &AccountId,
	by: &AccountId,
	place: Place,
	run_root: Hash,
	children: Vec<Hash>,
) -> DispatchResultWithPostInfo {
	let (step, anchor) = match place {
		Place::Lazy { step, anchor, .. } => (step, anchor),
		_ => (0, 0),
	};
	let children = children.try_into().expect("at most 256");
	let stated = Statement { run_root, step, anchor, children };
	Arbitration::list_roots(signed(by), id, order(id), of.clone(), stated)
}
/// The provider answers truly by its run.
pub fn answer(id: JobId, of: &AccountId, run: &Run) -> DispatchResultWithPostInfo {
	let place = demanded(id, of);
	if place.is_stated(run) {
		return list_with(id, of, &provider(), place, run.root(), run.children(place));
	}
	answer_with(id, of, &provider(), run.children(place))
}
pub fn commit(id: JobId, who: &AccountId, first: &ProofPart) -> DispatchResult {
	commit_with(id, who, commitment(id, who, first))
}
pub fn commit_with(id: JobId, who: &AccountId, commitment: Hash) -> DispatchResult {
	Arbitration::commit_proof(signed(who), id, order(id), commitment)
}
pub fn commitment(id: JobId, who: &AccountId, first: &ProofPart) -> Hash {
	proof_commitment(&Arbitration::genesis_hash(), &order(id), who.as_ref(), &proof_hash(first))
}
pub fn prove_fraud(id: JobId, who: &AccountId, part: &ProofPart) -> DispatchResultWithPostInfo {
	Arbitration::prove_fraud(signed(who), id, order(id), Box::new(part.clone()))
}
pub fn poke(id: JobId, of: &AccountId) -> DispatchResultWithPostInfo {
	Arbitration::poke(signed(&bystander()), id, of.clone())
}
pub fn lane(id: JobId, who: &AccountId) -> LaneOf<Test> {
	Lanes::<Test>::get(id, who).expect("the lane is open")
}
pub fn has_lane(id: JobId, who: &AccountId) -> bool {
	Lanes::<Test>::contains_key(id, who)
}
/// The group that is owed in a lane.
pub fn demanded(id: JobId, who: &AccountId) -> Place {
	match lane(id, who).turn {
		Turn::Answer(place) => place,
		Turn::Move => panic!("nothing is demanded"),
	}
}

/// Where the way down goes on below the group that was opened last, for who has `own`.
pub fn next_child(id: JobId, who: &AccountId, own: &Run) -> (u32, Below) {
	let view = Arbitration::lane(id, who.clone()).expect("the lane is open");
	let (place, children) = view.opened.last().expect("a group is open").clone();
	let child = own
		.children(place)
		.iter()
		.zip(&children)
		.position(|(own, theirs)| own != theirs)
		.or(place.is_stated(own).then_some(children.len()))
		.expect("runs that differ") as u32;
	(child, place.below(child, own).expect("a child of this run"))
}

/// Goes down to the first difference between `run`, the provider's, and `own`, everyone moving at
/// once.
pub fn descend(id: JobId, who: &AccountId, run: &Run, own: &Run) -> Accusation {
	demand(id, who, None).expect("a first demand");
	loop {
		answer(id, who, run).expect("the only answer");
		match next_child(id, who, own) {
			(_, Below::Chunk { step, anchor, tile }) => {
				return own.accusation(Lie { step, anchor, tile })
			}
			(child, Below::Group(_)) => demand(id, who, Some(child)).expect("a next demand"),
		}
	}
}

pub fn sign(
	key: &AuthorityPair,
	genesis: &Hash,
	job: JobId,
	account: &AccountId,
	retry: u32,
	action: &ChallengeMove,
) -> VerifierSignature {
	let view = Arbitration::lane(job, account.clone());
	let opened = view.as_ref().map(|lane| lane.opened.len() as u32);
	let list = view.as_ref().and_then(|lane| lane.list);
	let parts = view.map_or(0, |lane| lane.parts);
	let hash = (opened, list, parts, action).using_encoded(sp_io::hashing::blake2_256);
	let action = VerifierAction::Challenge { hash };
	key.sign(&signing_payload(genesis, job, &order(job), account, retry, &action))
}
/// A verifier's move, signed with its own key.
pub fn move_call(id: JobId, who: &AccountId, action: ChallengeMove) -> RuntimeCall {
	let signature = sign(&pair(who), &Arbitration::genesis_hash(), id, who, 0, &action);
	call_with(id, who, action, 0, signature)
}
pub fn call_with(
	job: JobId,
	account: &AccountId,
	action: ChallengeMove,
	retry: u32,
	signature: VerifierSignature,
) -> RuntimeCall {
	let account = account.clone();
	RuntimeCall::Arbitration(crate::Call::move_as_verifier {
		job,
		order: order(job),
		account,
		action,
		retry,
		signature,
	})
}
pub fn act(
	id: JobId,
	who: &AccountId,
	action: ChallengeMove,
) -> Result<(), TransactionValidityError> {
	apply(move_call(id, who, action))
}
pub fn act_demand(
	id: JobId,
	who: &AccountId,
	child: Option<u32>,
) -> Result<(), TransactionValidityError> {
	act(id, who, ChallengeMove::Demand { child })
}
pub fn act_prove(
	id: JobId,
	who: &AccountId,
	part: &ProofPart,
) -> Result<(), TransactionValidityError> {
	act(id, who, ChallengeMove::Prove { part: Box::new(part.clone()) })
}
