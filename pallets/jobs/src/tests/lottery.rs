//! Attacks on the private draw of verifiers and on the samples of their traces, by name.

use super::*;
use crate::{refusal, Lotteries};
use assay_market::{JobId, Ticket, VerifierAction};

fn custom(code: u8) -> Result<(), TransactionValidityError> {
	invalid(InvalidTransaction::Custom(code))
}

/// Commits with any ticket, signed by the account's own key.
fn commit_with(id: JobId, who: &AccountId, ticket: Ticket) -> Result<(), TransactionValidityError> {
	act(id, who, VerifierAction::CommitVerdict { commitment: [1; 32], ticket })
}

fn seed(id: JobId) -> [u8; 32] {
	Lotteries::<Test>::get(id).expect("a lottery is open").seed
}

#[test]
fn forged_ticket_should_be_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let who = winners(id)[0].clone();
		let good = ticket(id, &who);
		let (mut output, mut proof) = (good, good);
		output.pre_output[0] ^= 1;
		proof.proof[40] ^= 1;
		let zero = Ticket { pre_output: [0; 32], proof: [0; 64] };
		let ones = Ticket { pre_output: [255; 32], proof: [255; 64] };
		// The output of another with the own proof.
		let mixed = Ticket { pre_output: ticket(id, &winners(id)[1]).pre_output, ..good };
		for bad in [output, proof, zero, ones, mixed] {
			assert_eq!(commit_with(id, &who, bad), custom(refusal::BAD_TICKET), "{bad:?}");
			let reason = assay_market::AbstainReason::Other;
			let abstention = VerifierAction::Abstain { reason, ticket: bad };
			assert_eq!(act(id, &who, abstention), custom(refusal::BAD_TICKET));
		}
		assert!(seated(id).is_empty());
		assert_ok!(commit_with(id, &who, good));
	});
}

#[test]
fn ticket_of_another_key_should_be_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = winners(id);
		assert_eq!(commit_with(id, &drawn[0], ticket(id, &drawn[1])), custom(refusal::BAD_TICKET));
	});
}

#[test]
fn ticket_for_another_job_seed_or_chain_should_be_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let other = post_verifying(&right());
		let who = winners(id)[0].clone();
		let own =
			|genesis: [u8; 32], job, lottery| ticket_with(&seed_of(&who), &genesis, job, &lottery);
		let genesis = Market::genesis_hash();
		for bad in [
			own(genesis, other, seed(other)),
			own(genesis, id, seed(other)),
			own(genesis, other, seed(id)),
			own([9; 32], id, seed(id)),
		] {
			assert_eq!(commit_with(id, &who, bad), custom(refusal::BAD_TICKET));
		}
		assert_ok!(commit_with(id, &who, own(genesis, id, seed(id))));
	});
}

/// Whoever could choose a key after the seed is known would try keys until one wins.
#[test]
fn key_that_was_changed_after_the_draw_should_not_count() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let who = winners(id)[0].clone();
		let ground = seed_of(&bystander());
		Validators::mutate(|all| {
			all.iter_mut()
				.filter(|(account, ..)| *account == who)
				.for_each(|v| v.1 = ground.clone())
		});
		let genesis = Market::genesis_hash();
		let ticket = ticket_with(&ground, &genesis, id, &seed(id));
		let action = VerifierAction::CommitVerdict { commitment: [1; 32], ticket };
		let signature = sign(&pair(&ground), &genesis, id, &who, 0, &action);
		let call = call_with(id, &who, action, None, signature);
		assert_eq!(apply(call), invalid(InvalidTransaction::BadProof));
		// Not even where it signs with the old one.
		assert_eq!(commit_with(id, &who, ticket), custom(refusal::BAD_TICKET));
		// The key of the lottery's session counts.
		assert_ok!(commit(id, &who, &right()));
	});
}

#[test]
fn stake_that_was_raised_after_the_draw_should_not_count() {
	ExtBuilder::default().verifiers(40).narrow().build_and_execute(|| {
		let id = post_verifying(&right());
		let unlucky =
			(0..40).map(verifier).find(|who| tranche(id, who).is_none()).expect("most of them");
		Validators::mutate(|all| {
			all.iter_mut()
				.filter(|(account, ..)| *account == unlucky)
				.for_each(|validator| validator.2 = 1_000_000 * UNIT)
		});
		assert_eq!(commit(id, &unlucky, &right()), custom(refusal::NOT_DRAWN));
		// Nor where the next session has begun: the lottery stays with its own.
		let next = post_verifying(&right());
		assert_eq!(tranche(next, &unlucky), Some(0));
		assert_eq!(commit(id, &unlucky, &right()), custom(refusal::NOT_DRAWN));
	});
}

#[test]
fn newcomer_should_not_take_part_in_a_lottery_that_was_open_before_it_came() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		Validators::append((bystander(), seed_of(&bystander()), 1_000 * UNIT));
		let later = post_verifying(&right());
		assert_eq!(commit(id, &bystander(), &right()), custom(refusal::NOT_DRAWN));
		assert_ok!(commit(later, &bystander(), &right()));
	});
}

#[test]
fn party_should_not_verify_its_own_job() {
	ExtBuilder::default().build_and_execute(|| {
		for party in [requester(), provider()] {
			Validators::append((party.clone(), seed_of(&party), 1_000 * UNIT));
		}
		let id = post_verifying(&right());
		for party in [requester(), provider()] {
			assert_eq!(commit(id, &party, &right()), custom(refusal::NOT_DRAWN));
			assert_eq!(abstain(id, &party), custom(refusal::NOT_DRAWN));
		}
		assert_eq!(Lotteries::<Test>::get(id).expect("open").terms.candidates, 5);
	});
}

#[test]
fn suspended_validator_should_not_take_part() {
	ExtBuilder::default().build_and_execute(|| {
		Suspended::put(vec![verifier(0)]);
		let id = post_verifying(&right());
		assert_eq!(commit(id, &verifier(0), &right()), custom(refusal::NOT_DRAWN));
		// Nor one that is suspended while the lottery is open.
		Suspended::put(vec![verifier(0), verifier(1)]);
		assert_eq!(commit(id, &verifier(1), &right()), custom(refusal::NOT_DRAWN));
		assert_ok!(commit(id, &verifier(2), &right()));
	});
}

#[test]
fn busy_validator_should_wait_until_a_job_ends() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		Busy::put(vec![verifier(0)]);
		assert_eq!(commit(id, &verifier(0), &right()), custom(refusal::TOO_MANY_LOCKS));
		Busy::kill();
		assert_ok!(commit(id, &verifier(0), &right()));
	});
}

#[test]
fn later_tranche_should_wait_for_its_turn() {
	ExtBuilder::default().verifiers(12).narrow().build_and_execute(|| {
		let id = post_verifying(&right());
		let second =
			(0..12).map(verifier).find(|who| tranche(id, who) == Some(1)).expect("some of twelve");
		assert_eq!(commit(id, &second, &right()), invalid(InvalidTransaction::Future));
		assert_eq!(abstain(id, &second), invalid(InvalidTransaction::Future));
		let ticket = ticket(id, &second);
		assert_noop!(
			Market::do_commit_verdict(id, second.clone(), [1; 32], ticket),
			Error::<Test>::TrancheNotOpen
		);
		roll_past_deadline(id);
		assert_ok!(commit(id, &second, &right()));
	});
}

#[test]
fn second_seat_should_be_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let who = winners(id)[0].clone();
		assert_ok!(commit(id, &who, &right()));
		for again in [commit(id, &who, &wrong()), commit(id, &who, &right()), abstain(id, &who)] {
			assert_eq!(again, invalid(InvalidTransaction::Stale));
		}
		assert_noop!(
			Market::do_commit_verdict(id, who.clone(), [1; 32], ticket(id, &who)),
			Error::<Test>::AlreadyAnswered
		);
		assert_eq!(seated(id), vec![who.clone()]);
		assert!(Locks::contains_key((who, id)));
	});
}

/// Friends of the provider are fast: they were told the root and need not replay. Were the audit over
/// with as many verdicts as it wants, they alone would be heard.
#[test]
fn slow_honest_verifiers_should_be_heard_when_fast_colluders_have_answered() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&wrong());
		let drawn = winners(id);
		for who in &drawn[..3] {
			assert_ok!(commit(id, who, &wrong()));
		}
		assert_eq!(phase(id), Phase::Verifying);
		roll_to(job(id).deadline);
		assert_eq!(phase(id), Phase::Verifying);
		for who in &drawn[3..] {
			assert_ok!(commit(id, who, &right()));
		}
		assert_eq!(phase(id), Phase::Revealing);
	});
}

#[test]
fn flood_should_end_at_the_capacity_when_more_have_won_than_there_are_seats() {
	ExtBuilder::default()
		.verifiers(12)
		.parameters(|p| (p.committee, p.quorum, p.max_tranches) = (1, 1, 4))
		.build_and_execute(|| {
			let id = post_verifying(&right());
			let lottery = Lotteries::<Test>::get(id).expect("open");
			assert_eq!((job(id).audits.wanted, lottery.terms.capacity()), (1, 8));
			let mut refused = 0;
			while phase(id) == Phase::Verifying {
				for who in winners(id) {
					match abstain(id, &who) {
						Ok(()) => {}
						refusal => {
							assert_eq!(refusal, custom(refusal::SEATS_TAKEN));
							refused += 1;
						}
					}
				}
				if seated(id).len() == 8 {
					let late = (0..12).map(verifier).find(|who| !seated(id).contains(who));
					let late = late.expect("eight of twelve have seats");
					let answer = commit(id, &late, &right());
					assert_eq!(answer, custom(refusal::SEATS_TAKEN));
					refused += 1;
				}
				roll_past_deadline(id);
			}
			assert!(seated(id).len() <= 8);
			assert!(refused > 0, "or the test shows nothing");
		});
}

#[test]
fn copied_root_should_not_be_paid_when_its_trace_is_missing() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let thief = seated(id)[0].clone();
		let sample = sample_seed(id).expect("drawn");
		// It knows the root, but its chunks are of something else, or made up.
		let other = wrong().chunks(&sample, &thief);
		let mut forged = right().chunks(&sample, &thief);
		forged[1].chunk[1_023] ^= 1;
		let mut path = right().chunks(&sample, &thief);
		path[0].opening.trace.0[0] ^= 1;
		let mut fewer = right().chunks(&sample, &thief);
		fewer.pop();
		for chunks in [other, forged, path, fewer, Default::default()] {
			let answer = reveal_showing(id, &thief, &right(), Some(chunks));
			assert_eq!(answer, custom(refusal::WRONG_CHUNKS));
		}
		assert_ok!(reveal(id, &thief, &right()));
	});
}

#[test]
fn chunks_of_another_position_should_be_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let (thief, honest) = (seated(id)[0].clone(), seated(id)[1].clone());
		let sample = sample_seed(id).expect("drawn");
		// Right chunks of the same run: those of another verifier, of another seed, in another order.
		let others = right().chunks(&sample, &honest);
		let older = right().chunks(&[9; 32], &thief);
		let mut swapped = right().chunks(&sample, &thief).into_inner();
		swapped.reverse();
		let swapped = swapped.try_into().expect("two again");
		for chunks in [others, older, swapped] {
			assert_ne!(chunks, right().chunks(&sample, &thief));
			let answer = reveal_showing(id, &thief, &right(), Some(chunks));
			assert_eq!(answer, custom(refusal::WRONG_CHUNKS));
		}
	});
}

/// Whoever relays a transaction must not turn a verdict into an opening that earns nothing.
#[test]
fn stripped_chunks_should_break_the_signature() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let who = seated(id)[0].clone();
		let chunks = right().chunks(&sample_seed(id).expect("drawn"), &who);
		let (run_root, salt) = (right().root(), SALT);
		let bad = invalid(InvalidTransaction::BadProof);
		for (signed, sent) in [(true, None), (false, Some(chunks))] {
			let action = VerifierAction::RevealVerdict { run_root, salt, chunks: signed };
			assert_eq!(apply(call_showing(id, &who, action, sent)), bad);
		}
		assert_ok!(reveal(id, &who, &right()));
	});
}

/// A seat of the second audit is taken when the result and the first audit's positions are public.
#[test]
fn positions_of_the_first_audit_should_not_serve_the_second() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		let first = sample_seed(id).expect("drawn");
		assert_ok!(request_audit(id, requester()));
		roll_past_deadline(id);
		assert_eq!(sample_seed(id), None);
		let thief = winners(id)[0].clone();
		assert_ok!(commit(id, &thief, &right()));
		let known = Some(right().chunks(&first, &thief));
		let answer = reveal_showing(id, &thief, &right(), known.clone());
		assert_eq!(answer, invalid(InvalidTransaction::Future));
		close(id);
		assert_ne!(sample_seed(id), Some(first));
		assert_eq!(reveal_showing(id, &thief, &right(), known), custom(refusal::WRONG_CHUNKS));
	});
}

#[test]
fn replayed_commitment_should_be_refused() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let who = winners(id)[0].clone();
		let ticket = ticket(id, &who);
		let action = VerifierAction::CommitVerdict { commitment: [1; 32], ticket };
		let call = call_of(id, &who, action);
		assert_ok!(apply(call.clone()));
		assert_eq!(apply(call.clone()), invalid(InvalidTransaction::Stale));
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
			assert_eq!(apply(call.clone()), invalid(InvalidTransaction::Stale));
		}
	});
}

/// Nothing that the chain stores or tells may name a verifier before its commitment.
#[test]
fn state_should_name_nobody_when_a_lottery_is_opened() {
	ExtBuilder::default().verifiers(12).narrow().build_and_execute(|| {
		let id = post_verifying(&right());
		// But those who were drawn in public to keep the outputs.
		let told = Market::job_view(id).expect("exists").verdicts;
		assert!(seated(id).is_empty() && told.iter().all(|seat| seat.purpose == Purpose::Keep));
		assert_eq!((crate::JobsOfKey::<Test>::iter().count(), Locks::iter().count()), (3, 3));
		let stored = codec::Encode::encode(&(job(id), Lotteries::<Test>::get(id)));
		for who in (0..12).map(verifier) {
			let bytes: &[u8] = who.as_ref();
			assert!(!stored.windows(32).any(|window| window == bytes));
		}
	});
}
