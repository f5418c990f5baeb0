//! What validators lose stake for: vouching for a fraudulent result, and the two equivocations. All
//! of it is deferred, and root can cancel it until then.

// Every test program uses a part of it.
mod chain;

use assay_market::{ReportVouching, VerifierFaults, Verifiers};
use assay_runtime::{
	configs::market::SLASH_DEFERRAL_SESSIONS, genesis_config_presets::VALIDATOR_STAKE, AccountId,
	Babe, Balance, Balances, Header, Historical, Runtime, RuntimeCall, RuntimeEvent, RuntimeOrigin,
	Session, Stake, System,
};
use chain::{build_block, signed, with_preset, Claim};
use codec::{Decode, Encode};
use frame_support::{assert_noop, assert_ok, traits::KeyOwnerProofSystem};
use pallet_assay_stake::{Candidates, DeferredSlashes, Error, Event, Ledgers};
use sp_consensus_babe::digests::{CompatibleDigestItem, PreDigest, SecondaryPlainPreDigest};
use sp_core::{Pair, H256};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::{generic, traits::Header as _, Digest, DigestItem, Perbill};

const LOCAL_TESTNET: &str = "local_testnet";
/// A job that failed.
const JOB: u64 = 7;

fn alice() -> AccountId {
	Sr25519Keyring::Alice.to_account_id()
}
fn bob() -> AccountId {
	Sr25519Keyring::Bob.to_account_id()
}
fn vouching(job: u64, who: Vec<AccountId>) {
	<Runtime as pallet_assay_jobs::Config>::Vouching::report(job, who, vec![]);
}
/// The same of a verdict that was hidden to the end.
fn hiding(job: u64, who: Vec<AccountId>) {
	<Runtime as pallet_assay_jobs::Config>::Vouching::report(job, vec![], who);
}
fn bonded(who: &AccountId) -> Balance {
	Ledgers::<Runtime>::get(who).map(|ledger| ledger.total()).unwrap_or_default()
}
fn deferred() -> Vec<(AccountId, Balance, u32)> {
	let mut slashes: Vec<_> = DeferredSlashes::<Runtime>::iter_values()
		.map(|slash| (slash.who, slash.amount, slash.due))
		.collect();
	slashes.sort();
	slashes
}
fn roll_to_session(session: u32) {
	while Session::current_index() < session {
		build_block(Claim::Plain, vec![]);
	}
	// What becomes due with a session is carried out in its blocks.
	build_block(Claim::Plain, vec![]);
}
/// An offence of `who` was noted, waits and is carried out.
fn check_slash(who: &AccountId, amount: Balance) {
	let due = Session::current_index() + SLASH_DEFERRAL_SESSIONS;
	assert_eq!(deferred(), [(who.clone(), amount, due)]);
	assert!(!Candidates::<Runtime>::contains_key(who), "chilled at once");
	check_carried_out(who, amount, due);
}
/// The same, without the wait for all of the sessions in between.
fn check_slash_soon(who: &AccountId, amount: Balance) {
	let now = Session::current_index();
	assert_eq!(deferred(), [(who.clone(), amount, now + SLASH_DEFERRAL_SESSIONS)]);
	assert!(!Candidates::<Runtime>::contains_key(who), "chilled at once");
	for index in DeferredSlashes::<Runtime>::iter_keys().collect::<Vec<_>>() {
		DeferredSlashes::<Runtime>::mutate(index, |slash| {
			slash.as_mut().unwrap().due = now + 2;
		});
	}
	check_carried_out(who, amount, now + 2);
}
fn check_carried_out(who: &AccountId, amount: Balance, due: u32) {
	let (before, issued) = (bonded(who), Balances::total_issuance());
	roll_to_session(due - 1);
	assert_eq!((bonded(who), Balances::total_issuance()), (before, issued), "it waits");
	roll_to_session(due);
	assert_eq!(bonded(who), before - amount);
	assert_eq!(Balances::total_issuance(), issued - amount, "it is burned");
	assert_eq!(deferred(), []);
}

#[test]
fn vouching_should_be_slashed_later_when_it_is_reported() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		vouching(JOB, vec![bob()]);
		let reported = |event: &RuntimeEvent| {
			matches!(
				event,
				RuntimeEvent::Offences(pallet_offences::Event::Offence { kind, slot })
					if kind == b"assay:vouching\0\0" && *slot == (JOB, bob()).encode()
			)
		};
		assert!(System::events().iter().any(|record| reported(&record.event)));
		check_slash(&bob(), Perbill::from_percent(2) * VALIDATOR_STAKE);
		assert_eq!(Session::validators(), [alice()]);
	});
}

#[test]
fn vouching_should_cost_nothing_when_root_cancels_the_slash() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		vouching(JOB, vec![alice(), bob()]);
		assert_eq!(deferred().len(), 2);
		roll_to_session(SLASH_DEFERRAL_SESSIONS - 1);
		for (index, slash) in DeferredSlashes::<Runtime>::iter().collect::<Vec<_>>() {
			if slash.who == bob() {
				assert_ok!(Stake::cancel_deferred_slash(RuntimeOrigin::root(), index));
			}
		}
		roll_to_session(SLASH_DEFERRAL_SESSIONS);
		let part = Perbill::from_percent(2) * VALIDATOR_STAKE;
		assert_eq!((bonded(&alice()), bonded(&bob())), (VALIDATOR_STAKE - part, VALIDATOR_STAKE));
	});
}

/// Bob is drawn, leaves the validators and sets all of his stake on its way out before the job
/// fails.
#[test]
fn vouching_should_reach_stake_in_exit_when_the_verifier_has_left_the_set() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		Stake::lock(&bob(), JOB);
		assert_ok!(Stake::chill(RuntimeOrigin::signed(bob())));
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(bob()), VALIDATOR_STAKE));
		roll_to_session(3);
		assert_eq!(Session::validators(), [alice()]);
		assert_noop!(Stake::withdraw(RuntimeOrigin::signed(bob())), Error::<Runtime>::LockedByJob);
		vouching(JOB, vec![bob()]);
		Stake::unlock(&bob(), JOB);
		let ledger = Ledgers::<Runtime>::get(bob()).unwrap();
		assert_eq!((ledger.active, ledger.unbonding.len()), (0, 1));
		check_slash_soon(&bob(), Perbill::from_percent(2) * VALIDATOR_STAKE);
	});
}

/// With everything due to be withdrawn, what the deferred slash claims stays.
#[test]
fn vouching_should_be_slashed_when_the_stake_is_withdrawn_in_between() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		Stake::lock(&bob(), JOB);
		assert_ok!(Stake::chill(RuntimeOrigin::signed(bob())));
		assert_ok!(Stake::unbond(RuntimeOrigin::signed(bob()), VALIDATOR_STAKE));
		roll_to_session(3);
		Ledgers::<Runtime>::mutate(bob(), |ledger| {
			ledger.as_mut().unwrap().unbonding[0].releasable_at = 3;
		});
		vouching(JOB, vec![bob()]);
		Stake::unlock(&bob(), JOB);
		assert_ok!(Stake::withdraw(RuntimeOrigin::signed(bob())));
		let part = Perbill::from_percent(2) * VALIDATOR_STAKE;
		assert_eq!(bonded(&bob()), part);
		check_slash_soon(&bob(), part);
		assert!(Ledgers::<Runtime>::get(bob()).is_none());
	});
}

/// The provider chooses when its frauds are proved, so that all of them may be in one session.
#[test]
fn vouching_should_add_up_when_several_jobs_fail_in_a_session() {
	for jobs in [1u32, 2, 20, 60] {
		with_preset(LOCAL_TESTNET, || {
			build_block(Claim::Plain, vec![]);
			for job in 0..u64::from(jobs) {
				vouching(job, vec![bob(), alice()]);
			}
			let slashed = |who: &AccountId| -> Balance {
				let own = deferred().into_iter().filter(|(other, ..)| other == who);
				own.map(|(_, amount, _)| amount).sum()
			};
			let part = Perbill::from_percent((2 * jobs).min(100)) * VALIDATOR_STAKE;
			assert_eq!((slashed(&alice()), slashed(&bob())), (part, part), "{jobs} jobs");
			// Each is told of by itself, but not twice.
			assert_eq!(deferred().len() as u32, 2 * jobs.min(50));
		});
	}
}

/// A node that is cut off hides the verdicts on all of its jobs.
#[test]
fn hidden_verdicts_should_count_once_in_a_session() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		for job in 0..5 {
			hiding(job, vec![bob()]);
		}
		let due = Session::current_index() + SLASH_DEFERRAL_SESSIONS;
		let part = Perbill::from_percent(2) * VALIDATOR_STAKE;
		assert_eq!(deferred(), [(bob(), part, due)]);
		// An opened one comes on top, in whichever order.
		vouching(5, vec![bob()]);
		hiding(6, vec![bob()]);
		assert_eq!(deferred(), [(bob(), part, due), (bob(), part, due)]);
	});
}

#[test]
fn vouching_should_count_on_top_of_an_equivocation_of_the_session() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		let session = Session::current_index();
		let known = Perbill::from_percent(10);
		pallet_assay_stake::Offences::<Runtime>::insert(session, bob(), known);
		vouching(JOB, vec![bob()]);
		let part = Perbill::from_percent(2) * VALIDATOR_STAKE;
		let due = session + SLASH_DEFERRAL_SESSIONS;
		assert_eq!(deferred(), [(bob(), part, due)]);
		// The next session begins with nothing known.
		roll_to_session(session + 1);
		vouching(JOB + 1, vec![bob()]);
		assert_eq!(deferred().len(), 2);
	});
}

#[test]
fn vouching_should_report_nobody_when_the_account_has_no_stake() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		vouching(JOB, vec![Sr25519Keyring::Dave.to_account_id()]);
		vouching(JOB + 1, vec![]);
		assert_eq!(deferred(), []);
		assert_eq!(pallet_offences::Reports::<Runtime>::iter().count(), 0);
	});
}

/// Two prevotes of one round, both signed with Bob's GRANDPA key.
fn grandpa_equivocation(round: u64, set_id: u64) -> Vec<u8> {
	let key = Ed25519Keyring::Bob;
	let vote = |hash: u8| {
		let target = (H256::repeat_byte(hash), 1u32);
		// A message is a variant; prevotes are the first.
		let message = (0u8, target);
		let payload = sp_consensus_grandpa::localized_payload(round, set_id, &message);
		(target, key.pair().sign(&payload))
	};
	// As `EquivocationProof`: the set, the variant, the round, the voter and both votes.
	(set_id, 0u8, round, key.public(), vote(1), vote(2)).encode()
}

#[test]
fn grandpa_equivocation_should_be_slashed_later_when_its_proof_is_in_a_block() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		let proof = Decode::decode(&mut &grandpa_equivocation(3, 0)[..]).unwrap();
		let key: (_, sp_consensus_grandpa::AuthorityId) =
			(sp_consensus_grandpa::KEY_TYPE, Ed25519Keyring::Bob.public().into());
		let call = pallet_grandpa::Call::report_equivocation_unsigned {
			equivocation_proof: Box::new(proof),
			key_owner_proof: Historical::prove(key).unwrap(),
		};
		let report = || generic::UncheckedExtrinsic::new_bare(RuntimeCall::Grandpa(call.clone()));
		let outcomes = build_block(Claim::Plain, vec![report()]);
		assert_eq!(outcomes, [Ok(Ok(()))]);
		// Known, so that nobody is slashed twice.
		let again = build_block(Claim::Plain, vec![report()]);
		assert!(!matches!(again[0], Ok(Ok(()))), "{again:?}");
		// One of two validators: the whole stake.
		check_slash_soon(&bob(), VALIDATOR_STAKE);
	});
}

#[test]
fn grandpa_equivocation_should_be_refused_when_a_signature_is_not_the_voters() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		let mut forged = grandpa_equivocation(3, 0);
		*forged.last_mut().unwrap() ^= 1;
		let proof = Decode::decode(&mut &forged[..]).unwrap();
		let key: (_, sp_consensus_grandpa::AuthorityId) =
			(sp_consensus_grandpa::KEY_TYPE, Ed25519Keyring::Bob.public().into());
		let call = pallet_grandpa::Call::report_equivocation {
			equivocation_proof: Box::new(proof),
			key_owner_proof: Historical::prove(key).unwrap(),
		};
		let call = RuntimeCall::Grandpa(call);
		let outcomes = build_block(Claim::Plain, vec![signed(Sr25519Keyring::Charlie, 0, call)]);
		assert!(matches!(outcomes[0], Ok(Err(_))), "{outcomes:?}");
		assert_eq!(deferred(), []);
	});
}

/// One of two headers for one slot, sealed with Bob's BABE key.
fn sealed_header(slot: u64, state: u8) -> Header {
	let claim = PreDigest::SecondaryPlain(SecondaryPlainPreDigest {
		authority_index: 0,
		slot: slot.into(),
	});
	let digest =
		Digest { logs: vec![<DigestItem as CompatibleDigestItem>::babe_pre_digest(claim)] };
	let mut header = Header::new(1, H256::zero(), H256::repeat_byte(state), H256::zero(), digest);
	let signature = Sr25519Keyring::Bob.pair().sign(header.hash().as_ref());
	header.digest_mut().push(<DigestItem as CompatibleDigestItem>::babe_seal(signature.into()));
	header
}

#[test]
fn babe_equivocation_should_be_slashed_later_when_its_proof_is_in_a_block() {
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		let slot = u64::from(Babe::current_slot());
		let key: (_, sp_consensus_babe::AuthorityId) =
			(sp_consensus_babe::KEY_TYPE, Sr25519Keyring::Bob.public().into());
		let proof = sp_consensus_babe::EquivocationProof {
			offender: Sr25519Keyring::Bob.public().into(),
			slot: slot.into(),
			first_header: sealed_header(slot, 1),
			second_header: sealed_header(slot, 2),
		};
		let call = RuntimeCall::Babe(pallet_babe::Call::report_equivocation {
			equivocation_proof: Box::new(proof),
			key_owner_proof: Historical::prove(key).unwrap(),
		});
		let outcomes = build_block(Claim::Plain, vec![signed(Sr25519Keyring::Charlie, 0, call)]);
		assert_eq!(outcomes, [Ok(Ok(()))]);
		check_slash_soon(&bob(), VALIDATOR_STAKE);
	});
}

#[test]
fn verifier_should_be_suspended_from_draws_when_the_market_counts_three_faults() {
	type Faults = <Runtime as pallet_assay_jobs::Config>::VerifierFaults;
	with_preset(LOCAL_TESTNET, || {
		build_block(Claim::Plain, vec![]);
		let drawable = || {
			let mut all: Vec<_> = <Stake as Verifiers<AccountId, Balance>>::active()
				.into_iter()
				.map(|verifier| verifier.account)
				.collect();
			all.sort();
			all
		};
		Faults::note_fault(&bob());
		Faults::note_fault(&bob());
		assert_eq!(drawable().len(), 2);
		Faults::note_fault(&bob());
		assert_eq!(drawable(), [alice()]);
		let event = Event::<Runtime>::VerifierSuspended { who: bob(), until: 24 };
		assert!(System::events().iter().any(|record| record.event == event.clone().into()));
		assert_eq!((bonded(&bob()), deferred()), (VALIDATOR_STAKE, vec![]));
		roll_to_session(24);
		assert_eq!(drawable().len(), 2);
		assert_eq!(Session::validators().len(), 2, "it stayed a validator");
	});
}
