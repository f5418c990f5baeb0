//! `reveal_verdict`.

use super::*;

#[test]
fn reveal_verdict_should_be_accepted_until_the_end_when_the_others_have_gone_on() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let drawn = committee(id);
		assert_ok!(reveal(id, &drawn[0], &right()));
		assert_ok!(reveal_result(id, &right()));
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Challengeable);
		assert_ok!(reveal(id, &drawn[1], &right()));
		assert!(has_event(Event::VerdictRevealed {
			job: id,
			account: drawn[1].clone(),
			run_root: right().root(),
			matches: Some(true),
			shown: true,
		}));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(reveal(id, &drawn[2], &right()), invalid(InvalidTransaction::Stale));
		assert_eq!(free(&drawn[2]), 0);
		assert_eq!(outcomes(&drawn[2]), [Outcome::VerifierUnrevealed]);
	});
}

#[test]
fn reveal_verdict_should_be_refused_when_it_is_not_what_was_committed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let who = committee(id)[0].clone();
		let mismatch = InvalidTransaction::Custom(crate::refusal::COMMITMENT_MISMATCH);
		assert_eq!(reveal(id, &who, &wrong()), invalid(mismatch));
		assert_noop!(
			Market::do_reveal_verdict(id, who.clone(), wrong().root(), SALT, None),
			Error::<Test>::CommitmentMismatch
		);
		assert_ok!(reveal(id, &who, &right()));
		assert_eq!(reveal(id, &who, &right()), invalid(InvalidTransaction::Stale));
	});
}

#[test]
fn reveal_verdict_should_wait_when_others_have_not_committed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		assert_ok!(commit(id, &drawn[0], &right()));
		assert_eq!(reveal(id, &drawn[0], &right()), invalid(InvalidTransaction::Future));
		assert_eq!(open_bare(id, &drawn[0], &right()), invalid(InvalidTransaction::Future));
		let refusal = InvalidTransaction::Custom(crate::refusal::NOT_DRAWN);
		assert_eq!(reveal(id, &drawn[1], &right()), invalid(refusal));
	});
}

/// The positions of the chunks must not be known before the commitments are closed.
#[test]
fn reveal_verdict_should_wait_with_chunks_when_their_positions_are_not_drawn() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		commit_wanted(id, &right());
		roll_past_deadline(id);
		let closed = now();
		let drawn = seated(id);
		for _ in 0..3 {
			assert_eq!((phase(id), sample_seed(id)), (Phase::Revealing, None));
			assert_eq!(reveal(id, &drawn[0], &right()), invalid(InvalidTransaction::Future));
			roll(1);
		}
		assert_eq!(now(), closed + 3);
		assert_ok!(reveal(id, &drawn[0], &right()));
		assert!(has_event(Event::VerdictRevealed {
			job: id,
			account: drawn[0].clone(),
			run_root: right().root(),
			matches: None,
			shown: true,
		}));
	});
}

#[test]
fn sample_should_be_kept_in_the_job_when_its_mix_is_forgotten() {
	ExtBuilder::default().parameters(|p| p.reveal.base = 300).build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let seed = sample_seed(id);
		assert_eq!(job(id).audits.sample, seed.map(crate::Sample::Drawn));
		assert_eq!(job(id).scheduled, Some(job(id).deadline + 1));
		roll(280);
		assert_eq!(sample_seed(id), seed);
		assert_ok!(reveal(id, &seated(id)[0], &right()));
	});
}

#[test]
fn sample_should_start_over_when_nobody_pushed_the_job_until_its_mix_was_forgotten() {
	ExtBuilder::default().parameters(|p| p.reveal.base = 300).build_and_execute(|| {
		let id = post_verifying(&right());
		commit_wanted(id, &right());
		roll_past_deadline(id);
		let due = job(id).scheduled.expect("on the agenda");
		crate::Agenda::<Test>::remove(due);
		crate::Jobs::<Test>::mutate(id, |job| job.as_mut().expect("exists").scheduled = None);
		assert_ok!(reveal_result(id, &right()));
		roll(320);
		assert_eq!(sample_seed(id), None);
		assert_ok!(Market::poke(RuntimeOrigin::signed(bystander()), id));
		assert_eq!(job(id).audits.sample, Some(crate::Sample::Awaited(now())));
		await_sample(id);
		assert_ok!(reveal(id, &seated(id)[0], &right()));
	});
}

/// A verifier that lost its device after the commitment is no accomplice, and gave no verdict.
#[test]
fn reveal_verdict_should_count_for_nothing_when_it_comes_without_chunks() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let drawn = seated(id);
		assert_ok!(reveal_result(id, &right()));
		assert_ok!(open_bare(id, &drawn[0], &right()));
		assert!(has_event(Event::VerdictRevealed {
			job: id,
			account: drawn[0].clone(),
			run_root: right().root(),
			matches: Some(true),
			shown: false,
		}));
		// It is final.
		assert_eq!(reveal(id, &drawn[0], &right()), invalid(InvalidTransaction::Stale));
		for who in &drawn[1..] {
			assert_ok!(reveal(id, who, &right()));
		}
		assert_eq!(phase(id), Phase::Challengeable, "nothing is hidden any more");
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(free(&drawn[0]), 0);
		assert!(free(&drawn[1]) > 0);
		assert!(Conduct::get(&drawn[0]).is_empty(), "neither a fault nor the end of one");
		assert_eq!(Conduct::get(&drawn[1]), [true]);
	});
}

#[test]
fn bare_openings_should_make_no_quorum_when_nobody_shows_a_trace() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		assert_ok!(reveal_result(id, &right()));
		for who in seated(id) {
			assert_ok!(open_bare(id, &who, &right()));
		}
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
	});
}

#[test]
fn reveal_verdict_should_count_as_local_fault_when_it_differs_and_others_match() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		let runs = [right(), wrong(), right()];
		for (who, run) in drawn.iter().zip(&runs) {
			assert_ok!(commit(id, who, run));
		}
		close(id);
		assert_ok!(reveal_result(id, &right()));
		for (who, run) in drawn.iter().zip(&runs) {
			assert_ok!(reveal(id, who, run));
		}
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(free(&drawn[1]), 0, "no fee, and no slash either");
		assert!(free(&drawn[0]) > 0);
	});
}
