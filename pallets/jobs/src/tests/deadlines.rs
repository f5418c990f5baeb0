//! Both sides of every deadline: an answer in the deadline block counts, the default comes in the
//! block after.

use super::*;

/// To the last block in which an answer counts.
fn roll_to_deadline(id: assay_market::JobId) {
	roll_to(job(id).deadline);
}

#[test]
fn attestation_should_count_when_it_comes_in_the_deadline_block() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post(standard());
		roll_past_deadline(id);
		let drawn = pending(id, Purpose::Attest);
		roll_to_deadline(id);
		assert_ok!(attest(id, &drawn[0], true));
		assert_ok!(attest(id, &drawn[1], true));
		assert_eq!(phase(id), Phase::Open);
	});
}

#[test]
fn job_should_end_inputs_unavailable_when_the_attestation_deadline_has_passed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post(standard());
		roll_past_deadline(id);
		let drawn = pending(id, Purpose::Attest);
		assert_ok!(attest(id, &drawn[0], true));
		roll_to_deadline(id);
		assert_eq!(phase(id), Phase::Posted);
		roll(1);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::InputsUnavailable)));
		assert_eq!(attest(id, &drawn[1], true), invalid(InvalidTransaction::Stale));
		assert_eq!(free(&requester()), BALANCE);
		assert_eq!(outcomes(&drawn[0]), [Outcome::VerifierAttested]);
		assert_eq!(outcomes(&drawn[1]), [Outcome::VerifierNoShow]);
	});
}

#[test]
fn job_should_end_inputs_unavailable_when_nobody_can_be_drawn() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post(standard());
		Validators::kill();
		roll_to_deadline(id);
		assert_eq!(phase(id), Phase::Posted);
		roll(1);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::InputsUnavailable)));
		assert_eq!(free(&requester()), BALANCE);
	});
}

#[test]
fn claim_should_count_when_it_comes_in_the_deadline_block() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		roll_to_deadline(id);
		assert_ok!(claim(id, provider()));
	});
}

#[test]
fn job_should_expire_when_the_open_deadline_has_passed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Expired)));
		assert_noop!(claim(id, provider()), Error::<Test>::WrongPhase);
		assert_eq!(free(&requester()), BALANCE);
	});
}

#[test]
fn result_should_count_when_it_comes_in_the_deadline_block() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed();
		roll_to_deadline(id);
		assert_ok!(commit_result(id, &right()));
	});
}

#[test]
fn job_should_open_once_more_when_the_provider_is_silent() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed_attested();
		let bond = bond_of(id);
		roll_past_deadline(id);
		// A fifth of the bond is burned, the rest comes back.
		assert_eq!((phase(id), job(id).claim), (Phase::Open, None));
		assert_eq!(free(&requester()), BALANCE - ESCROW);
		assert_eq!(FreeStake::get(provider()), STAKE - bond / 5);
		assert_eq!(outcomes(&provider()), [Outcome::ProviderStalled]);
		assert!(has_event(Event::ProviderStalled {
			job: id,
			provider: provider(),
			burned: bond / 5,
		}));
		assert_noop!(commit_result(id, &right()), Error::<Test>::NotProvider);
		assert_noop!(claim(id, provider()), Error::<Test>::Barred);
		// The ramp does not start over.
		assert_eq!(Market::current_price(id), Some(PRICE));
		assert_ok!(claim(id, second_provider()));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProviderTimeout)));
		assert_eq!(outcomes(&second_provider()), [Outcome::ProviderStalled]);
		let second_bond = test_parameters().bond(PRICE, Permill::one(), 1, 5);
		assert_eq!(BurnedStake::get(), bond / 5 + second_bond / 5);
		assert_eq!(free(&requester()), BALANCE);
	});
}

#[test]
fn job_should_end_provider_timeout_when_nobody_claims_it_after_a_stall() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed();
		roll_past_deadline(id);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProviderTimeout)));
	});
}

#[test]
fn lottery_should_be_opened_when_the_wait_for_randomness_is_over() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_committed(&right());
		let committed = now();
		roll_to_deadline(id);
		assert_eq!((phase(id), now()), (Phase::Committed, committed + 2));
		roll(1);
		assert_eq!(phase(id), Phase::Verifying);
	});
}

#[test]
fn verdict_should_count_when_it_comes_in_the_deadline_block() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		roll_to_deadline(id);
		for who in committee(id) {
			assert_ok!(commit(id, &who, &right()));
		}
		assert_eq!(phase(id), Phase::Revealing);
	});
}

#[test]
fn verdict_should_be_refused_when_it_comes_after_the_deadline() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = winners(id);
		let (commitment, ticket) = (verdict_hash(id, &drawn[3], &right()), ticket(id, &drawn[3]));
		commit_wanted(id, &right());
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Revealing);
		let late = assay_market::VerifierAction::CommitVerdict { commitment, ticket };
		assert_eq!(act(id, &drawn[3], late), invalid(InvalidTransaction::Stale));
	});
}

#[test]
fn another_tranche_should_open_when_too_few_show() {
	ExtBuilder::default().verifiers(12).narrow().build_and_execute(|| {
		let id = (0..8)
			.map(|_| post_verifying(&right()))
			.find(|id| winners(*id).len() > 1)
			.expect("most lotteries have more than one winner");
		let first = winners(id);
		assert_ok!(commit(id, &first[0], &right()));
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Verifying);
		// The first tranche may still answer in the time of the second.
		let both = winners(id);
		assert!(both.len() > first.len() - 1 && first[1..].iter().all(|who| both.contains(who)));
		let second: Vec<_> = both.into_iter().filter(|who| !first.contains(who)).collect();
		for who in [&first[1], &second[0]] {
			assert_ok!(commit(id, who, &right()));
		}
		let tranches: Vec<_> = crate::Seats::<Test>::get(id)
			.iter()
			.filter(|seat| seat.purpose == Purpose::Verify)
			.map(|seat| seat.tranche)
			.collect();
		assert_eq!(tranches, [0, 0, 1]);
		close(id);
		assert_ok!(reveal_result(id, &right()));
		for who in [&first[0], &first[1], &second[0]] {
			assert_ok!(reveal(id, who, &right()));
		}
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		// Nobody knows of the others that they were drawn.
		assert!(first[2..].iter().all(|who| outcomes(who).is_empty()));
	});
}

#[test]
fn no_tranche_should_open_when_everyone_was_in_the_first() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		for who in &winners(id)[..2] {
			assert_ok!(commit(id, who, &right()));
		}
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Revealing, "two are enough, although three were wanted");
	});
}

#[test]
fn job_should_end_inconclusive_when_no_tranche_shows() {
	ExtBuilder::default().verifiers(12).narrow().build_and_execute(|| {
		let id = post_verifying(&right());
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Verifying);
		roll_past_deadline(id);
		// Two tranches are all.
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		assert_eq!((free(&requester()), free(&provider())), (BALANCE, BALANCE));
	});
}

#[test]
fn job_should_end_inconclusive_when_nobody_can_be_drawn_to_verify() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_committed(&right());
		Validators::kill();
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
	});
}

#[test]
fn reveal_should_count_when_it_comes_in_the_deadline_block() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		roll_to_deadline(id);
		assert_ok!(reveal_result(id, &right()));
		roll(1);
		assert_eq!(phase(id), Phase::Challengeable);
	});
}

#[test]
fn job_should_end_withheld_when_the_provider_does_not_reveal() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let bond = bond_of(id);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Withheld)));
		assert_noop!(reveal_result(id, &right()), Error::<Test>::WrongPhase);
		// The whole bond is gone: a quarter to the requester, the rest burned.
		let paid = bond / 4;
		assert_eq!(FreeStake::get(provider()), STAKE - bond);
		assert_eq!(free(&requester()), BALANCE + paid);
		assert_eq!(BurnedStake::get(), bond - paid);
		assert_eq!(outcomes(&provider()), [Outcome::ProviderFraud]);
		let burned = bond - paid;
		assert!(has_event(Event::BondSlashed { job: id, provider: provider(), burned, paid }));
	});
}

#[test]
fn job_should_settle_when_the_challenge_deadline_has_passed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		roll_to_deadline(id);
		assert_eq!(phase(id), Phase::Challengeable);
		assert_ok!(request_audit(id, requester()));
		let id = post_challengeable(&right(), &right());
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Settled);
		assert_noop!(request_audit(id, requester()), Error::<Test>::WrongPhase);
	});
}

/// Two hundred ends would not fit into a block.
#[test]
fn agenda_should_go_on_in_the_next_block_when_half_of_the_block_is_used() {
	use frame_support::traits::Get;
	ExtBuilder::default().build_and_execute(|| {
		MaxAgenda::set(200);
		MaxActiveJobs::set(400);
		MaxJobsPerRequester::set(200);
		let post_cheap = |_| {
			let id = crate::NextJob::<Test>::get();
			let inputs = vec![[1; 32], [2; 32]].try_into().expect("two inputs");
			let origin = RuntimeOrigin::signed(requester());
			let price = UNIT / 10;
			assert_ok!(Market::post_job(
				origin,
				PROGRAM,
				inputs,
				1,
				price,
				price,
				10,
				unattested()
			));
			id
		};
		let jobs: Vec<_> = (0..200).map(post_cheap).collect();
		let half = <<Test as frame_system::Config>::BlockWeights as Get<
			frame_system::limits::BlockWeights,
		>>::get()
		.max_block / 2;
		let one = Market::weight_to_advance(jobs[0], &job(jobs[0]));
		let fit = half.ref_time() / one.ref_time();
		assert!((60..200).contains(&fit), "or the test shows nothing: {fit}");
		roll_past_deadline(jobs[0]);
		let ended = |jobs: &[u64]| jobs.iter().filter(|id| phase(**id).is_terminal()).count();
		assert_eq!(ended(&jobs) as u64, fit);
		roll(1);
		assert_eq!(ended(&jobs), 200);
	});
}
