//! The calls, as they are meant.

use super::*;
use crate::Seals;
use sp_keyring::Sr25519Keyring;

#[test]
fn caught_decoy_should_cost_its_maker_nothing_and_leave_the_issuance_as_it_was() {
	run(|| {
		let issuance = Balances::total_issuance();
		let all = [free(MAKER), free(POSTS), free(CLAIMS), pot()];
		let own = secret(SALT);
		assert_ok!(seal(&own));
		assert_eq!((held(MAKER), free(MAKER)), (DEPOSIT, BALANCE - DEPOSIT));
		roll(1);
		end(1, (POSTS, CLAIMS), ReasonCode::ProvenFraud);
		assert_eq!(Balances::total_issuance(), issuance - BURNED);
		assert_ok!(unseal(1, &own));
		assert_eq!(Balances::total_issuance(), issuance, "to the unit");
		assert_eq!([free(MAKER), free(POSTS), free(CLAIMS)], all[..3]);
		assert_eq!((pot(), free(FINDER)), (POT - PROVER, BALANCE + PROVER));
		assert_eq!(allowance(MAKER), Some(ALLOWANCE - BURNED - PROVER));
		assert_eq!(held(MAKER), 0);
		assert_eq!(tally(), (1, 0, 0));
		assert_emitted!(Event::DecoyCaught {
			job: 1,
			maker: MAKER.to_account_id(),
			reason: ReasonCode::ProvenFraud,
			minted: BURNED,
			from_pot: PROVER,
		});
	});
}

#[test]
fn withheld_decoy_should_be_reimbursed_without_the_pot() {
	run(|| {
		let issuance = Balances::total_issuance();
		let own = secret(SALT);
		assert_ok!(seal(&own));
		roll(1);
		end(1, (POSTS, CLAIMS), ReasonCode::Withheld);
		assert_ok!(unseal(1, &own));
		assert_eq!((pot(), tally()), (POT, (0, 1, 0)));
		assert_eq!((free(CLAIMS), Balances::total_issuance()), (BALANCE, issuance));
	});
}

#[test]
fn missed_decoy_should_be_told_and_nothing_be_given_back() {
	run(|| {
		let own = secret(SALT);
		assert_ok!(seal(&own));
		roll(1);
		end(1, (POSTS, CLAIMS), ReasonCode::Paid);
		let before = (free(CLAIMS), pot(), Balances::total_issuance(), allowance(MAKER));
		assert_ok!(unseal(1, &own));
		assert_eq!((free(CLAIMS), pot(), Balances::total_issuance(), allowance(MAKER)), before);
		assert_eq!((held(MAKER), tally()), (0, (0, 0, 1)));
		assert_emitted!(Event::DecoyMissed { job: 1, maker: MAKER.to_account_id() });
	});
}

#[test]
fn seal_should_stay_when_the_job_ended_otherwise() {
	run(|| {
		let own = secret(SALT);
		assert_ok!(seal(&own));
		roll(1);
		for (job, reason) in [
			ReasonCode::Cancelled,
			ReasonCode::CancelledWhileClaimed,
			ReasonCode::InputsUnavailable,
			ReasonCode::Expired,
			ReasonCode::ProviderTimeout,
			ReasonCode::Inconclusive,
		]
		.into_iter()
		.enumerate()
		{
			end(job as u64, (POSTS, CLAIMS), reason);
			assert_noop!(unseal(job as u64, &own), Error::<Test>::WrongEnding);
		}
		end(9, (POSTS, CLAIMS), ReasonCode::ProvenFraud);
		assert_ok!(unseal(9, &own));
	});
}

#[test]
fn consent_should_count_when_a_wallet_has_wrapped_it() {
	run(|| {
		let (who, posts, claims) =
			(MAKER.to_account_id(), POSTS.to_account_id(), CLAIMS.to_account_id());
		let payload = Decoys::consent_payload(&who, &posts, &claims, &SALT);
		let wrapped = [b"<Bytes>", &payload[..], b"</Bytes>"].concat();
		let consents = crate::Consents {
			requester: POSTS.sign(&wrapped).into(),
			provider: CLAIMS.sign(&payload).into(),
		};
		let hash = Decoys::seal_hash(&who, &posts, &claims, &consents, &SALT);
		let own = Secret { maker: MAKER, salt: SALT, consents, hash };
		caught(1, &own);
		assert_ok!(unseal(1, &own));
	});
}

#[test]
fn makers_should_be_named_by_root_and_bounded() {
	run(|| {
		let who = RIVAL.to_account_id();
		assert_noop!(Decoys::set_maker(signed(RIVAL), who.clone(), 1), DispatchError::BadOrigin);
		assert_noop!(Decoys::seal(signed(RIVAL), [0; 32]), Error::<Test>::NotMaker);
		assert_ok!(set_maker(RIVAL, 1));
		assert_emitted!(Event::MakerSet { maker: who.clone(), allowance: 1 });
		assert_noop!(set_maker(STRANGER, 1), Error::<Test>::TooManyMakers);
		assert_ok!(set_maker(RIVAL, 2));
		assert_ok!(set_maker(RIVAL, 0));
		assert_eq!(allowance(RIVAL), None);
		assert_ok!(set_maker(STRANGER, 1));
		assert_ok!(set_maker(RIVAL, 0));
	});
}

#[test]
fn maker_without_allowance_should_be_known_until_its_last_seal_is_gone() {
	run(|| {
		let own = secret(SALT);
		assert_ok!(seal(&own));
		assert_ok!(set_maker(MAKER, 0));
		assert_eq!(allowance(MAKER), Some(0));
		assert_noop!(seal(&secret([2; 32])), Error::<Test>::NotMaker);
		roll(1);
		end(1, (POSTS, CLAIMS), ReasonCode::ProvenFraud);
		assert_noop!(unseal(1, &own), Error::<Test>::AllowanceExceeded);
		end(2, (POSTS, CLAIMS), ReasonCode::Paid);
		assert_ok!(unseal(2, &own));
		assert_eq!(allowance(MAKER), None);
	});
}

#[test]
fn seals_should_be_bounded_and_paid_for() {
	run(|| {
		for salt in 1..=3 {
			assert_ok!(seal(&secret([salt; 32])));
		}
		assert_eq!(held(MAKER), 3 * DEPOSIT);
		assert_noop!(seal(&secret([4; 32])), Error::<Test>::TooManySeals);
		let (who, hash, _) = Seals::<Test>::iter().next().unwrap();
		assert_ok!(Decoys::discard(signed(MAKER), who.clone(), hash));
		assert_noop!(Decoys::discard(signed(MAKER), who.clone(), hash), Error::<Test>::NoSeal);
		assert_emitted!(Event::SealDiscarded { maker: who, hash });
		assert_ok!(Decoys::seal(signed(MAKER), [7; 32]));
		assert_emitted!(Event::Sealed {
			maker: MAKER.to_account_id(),
			hash: [7; 32],
			expires: 1 + LIFETIME
		});
		MaxSeals::set(9);
		assert_noop!(Decoys::seal(signed(MAKER), [7; 32]), Error::<Test>::AlreadySealed);
		// Whoever has no money seals nothing.
		assert_ok!(set_maker(Sr25519Keyring::One, 1));
		assert!(Decoys::seal(signed(Sr25519Keyring::One), [7; 32]).is_err());
	});
}

#[test]
fn seal_should_be_discarded_by_anyone_when_it_has_expired() {
	run(|| {
		assert_ok!(Decoys::seal(signed(MAKER), [7; 32]));
		let discard = || Decoys::discard(signed(STRANGER), MAKER.to_account_id(), [7; 32]);
		roll(LIFETIME);
		assert_noop!(discard(), Error::<Test>::NotExpired);
		roll(1);
		assert_ok!(discard());
		assert_eq!((free(MAKER), held(MAKER)), (BALANCE, 0));
	});
}

#[test]
fn pot_should_be_funded_by_anyone() {
	run(|| {
		assert_ok!(Decoys::fund(signed(FINDER), 77));
		assert_eq!(pot(), POT + 77);
		assert_emitted!(Event::PotFunded { from: FINDER.to_account_id(), amount: 77 });
		assert!(Decoys::fund(signed(FINDER), BALANCE).is_err());
	});
}
