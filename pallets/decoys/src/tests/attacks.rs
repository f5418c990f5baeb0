//! Everything that a maker, or somebody who watches one, may try for money.

use super::*;

const FRAUD: ReasonCode = ReasonCode::ProvenFraud;

#[test]
fn fraud_should_not_become_a_decoy_when_it_is_sealed_afterwards() {
	run(|| {
		end(1, (POSTS, CLAIMS), FRAUD);
		roll(1);
		let late = secret(SALT);
		assert_ok!(seal(&late));
		assert_noop!(unseal(1, &late), Error::<Test>::SealedTooLate);
		// Not even in the block of the post, where the order is the author's choice.
		let same = secret([1; 32]);
		assert_ok!(seal(&same));
		end(2, (POSTS, CLAIMS), FRAUD);
		assert_noop!(unseal(2, &same), Error::<Test>::SealedTooLate);
	});
}

/// The maker's provider cheats somebody real, and would have its bond back.
#[test]
fn cheating_a_real_requester_should_not_be_reimbursed() {
	run(|| {
		let victims = (STRANGER, CLAIMS);
		// Without the requester's signature, with one's own, or with one that it gave for something
		// else.
		for (salt, first) in [([1; 32], MAKER), ([2; 32], CLAIMS), ([3; 32], POSTS)] {
			let forged = secret_signed_by(MAKER, victims, (first, CLAIMS), salt);
			assert_ok!(seal(&forged));
			roll(1);
			end(salt[0].into(), victims, FRAUD);
			assert_noop!(unseal(salt[0].into(), &forged), Error::<Test>::RequesterDidNotConsent);
		}
	});
}

#[test]
fn consent_should_open_one_seal_only() {
	run(|| {
		set_maker(RIVAL, ALLOWANCE).unwrap();
		let agreed = secret_signed_by(MAKER, (STRANGER, CLAIMS), (STRANGER, CLAIMS), SALT);
		// The stranger agreed to one decoy with this maker and this salt. Its signature in another
		// seal, of another salt or another maker, is none.
		let again = agreed.consents.clone();
		for (job, maker, salt) in [(1, MAKER, [9; 32]), (2, RIVAL, SALT)] {
			let hash = Decoys::seal_hash(
				&maker.to_account_id(),
				&STRANGER.to_account_id(),
				&CLAIMS.to_account_id(),
				&again,
				&salt,
			);
			let stolen = Secret { maker, salt, consents: again.clone(), hash };
			assert_ok!(seal(&stolen));
			roll(1);
			end(job, (STRANGER, CLAIMS), FRAUD);
			assert_noop!(unseal(job, &stolen), Error::<Test>::RequesterDidNotConsent);
		}
	});
}

/// A bribe after the fact comes too late: the signature is part of what was sealed.
#[test]
fn consent_should_be_older_than_the_job() {
	run(|| {
		let victims = (STRANGER, CLAIMS);
		let without = secret_signed_by(MAKER, victims, (MAKER, CLAIMS), SALT);
		assert_ok!(seal(&without));
		roll(1);
		end(1, victims, FRAUD);
		let bribed = secret_signed_by(MAKER, victims, (STRANGER, CLAIMS), SALT);
		assert_noop!(unseal(1, &bribed), Error::<Test>::NotSealed);
		let mixed = Secret { hash: without.hash, ..bribed };
		assert_noop!(unseal(1, &mixed), Error::<Test>::NotSealed);
	});
}

/// A real provider that cheats cannot be made a decoy by a requester that is a maker.
#[test]
fn real_provider_should_not_be_reimbursed() {
	run(|| {
		let forged = secret_signed_by(MAKER, (POSTS, STRANGER), (POSTS, MAKER), SALT);
		assert_ok!(seal(&forged));
		roll(1);
		end(1, (POSTS, STRANGER), FRAUD);
		assert_noop!(unseal(1, &forged), Error::<Test>::ProviderDidNotConsent);
	});
}

#[test]
fn job_of_strangers_should_not_open_a_seal() {
	run(|| {
		let own = secret(SALT);
		assert_ok!(seal(&own));
		roll(1);
		for (job, parties) in
			[(1, (STRANGER, CLAIMS)), (2, (POSTS, STRANGER)), (3, (CLAIMS, POSTS))]
		{
			end(job, parties, FRAUD);
			assert_noop!(unseal(job, &own), Error::<Test>::NotSealed);
		}
	});
}

#[test]
fn seal_should_open_nothing_for_another_maker_that_copies_it() {
	run(|| {
		set_maker(RIVAL, ALLOWANCE).unwrap();
		let own = secret(SALT);
		// The copy is first on chain.
		assert_ok!(Decoys::seal(signed(RIVAL), own.hash));
		caught(1, &own);
		let copy = Secret { maker: RIVAL, ..own.clone() };
		assert_noop!(unseal(1, &copy), Error::<Test>::NotSealed);
		assert_ok!(unseal(1, &own));
		assert_noop!(unseal(1, &copy), Error::<Test>::NotEnded);
	});
}

#[test]
fn decoy_should_be_unsealed_once_whatever_seals_there_are() {
	run(|| {
		let (one, two) = (secret([1; 32]), secret([2; 32]));
		assert_ok!(seal(&two));
		caught(1, &one);
		assert_ok!(unseal(1, &one));
		assert_noop!(unseal(1, &one), Error::<Test>::NotEnded);
		assert_noop!(unseal(1, &two), Error::<Test>::NotEnded);
		assert_eq!(free(CLAIMS), BALANCE);
		// Nor does a used seal open another job.
		end(2, (POSTS, CLAIMS), FRAUD);
		assert_noop!(unseal(2, &one), Error::<Test>::NotSealed);
		assert_ok!(unseal(2, &two));
		// A miss is counted once.
		let three = secret([3; 32]);
		assert_ok!(seal(&three));
		let four = secret([4; 32]);
		assert_ok!(seal(&four));
		roll(1);
		end(3, (POSTS, CLAIMS), ReasonCode::Paid);
		assert_ok!(unseal(3, &three));
		assert_noop!(unseal(3, &four), Error::<Test>::NotEnded);
		assert_eq!(tally(), (2, 0, 1));
	});
}

#[test]
fn allowance_should_bound_what_a_maker_takes() {
	run(|| {
		set_maker(MAKER, 2 * (BURNED + PROVER) - 1).unwrap();
		let (first, second) = (secret([1; 32]), secret([2; 32]));
		caught(1, &first);
		assert_ok!(unseal(1, &first));
		assert_eq!(allowance(MAKER), Some(BURNED + PROVER - 1));
		caught(2, &second);
		let before = (free(CLAIMS), pot(), Balances::total_issuance());
		assert_noop!(unseal(2, &second), Error::<Test>::AllowanceExceeded);
		assert_eq!((free(CLAIMS), pot(), Balances::total_issuance()), before);
		// Root may think again while the record is there.
		set_maker(MAKER, BURNED + PROVER).unwrap();
		assert_ok!(unseal(2, &second));
		assert_eq!(allowance(MAKER), None, "it has nothing left, and no seal");
		assert_noop!(seal(&secret([3; 32])), Error::<Test>::NotMaker);
	});
}

#[test]
fn pot_should_never_be_emptied_to_dust() {
	run(|| {
		let left = pot();
		// All but what is one short of keeping the pot alive after the next decoy.
		let drop = left - (PROVER + ED) + 1;
		let who = STRANGER.to_account_id();
		use frame_support::traits::{fungible::Mutate, tokens::Preservation::Preserve};
		Balances::transfer(&Decoys::pot(), &who, drop, Preserve).unwrap();
		let own = secret(SALT);
		caught(1, &own);
		let issuance = Balances::total_issuance();
		assert_noop!(unseal(1, &own), Error::<Test>::PotTooSmall);
		assert_ok!(Decoys::fund(signed(FINDER), 1));
		assert_ok!(unseal(1, &own));
		assert_eq!((pot(), Balances::total_issuance()), (ED, issuance + BURNED));
	});
}

#[test]
fn seal_should_open_nothing_after_it_has_expired() {
	run(|| {
		let (first, second) = (secret([1; 32]), secret([2; 32]));
		caught(1, &first);
		roll(LIFETIME);
		assert_noop!(unseal(1, &first), Error::<Test>::Expired);
		caught(2, &second);
		roll(LIFETIME - 1);
		assert_ok!(unseal(2, &second));
	});
}

#[test]
fn unsealing_should_fail_when_anything_sealed_is_another() {
	run(|| {
		let own = secret(SALT);
		caught(1, &own);
		let other_salt = Secret { salt: [6; 32], ..own.clone() };
		assert_noop!(unseal(1, &other_salt), Error::<Test>::NotSealed);
		// A second signature of the same account over the same payload.
		let resigned = secret(SALT);
		assert_ne!(resigned.consents, own.consents, "sr25519 signs with randomness");
		assert_noop!(unseal(1, &resigned), Error::<Test>::NotSealed);
		let mut swapped = own.clone();
		std::mem::swap(&mut swapped.consents.requester, &mut swapped.consents.provider);
		assert_noop!(unseal(1, &swapped), Error::<Test>::NotSealed);
		assert_noop!(unseal(9, &own), Error::<Test>::NotEnded);
		assert_noop!(
			Decoys::unseal(signed(RIVAL), 1, own.salt, own.consents.clone()),
			Error::<Test>::NotSealed
		);
		assert_ok!(unseal(1, &own));
	});
}
