//! `reveal_result`.

use super::*;

fn reveal_with(
	id: assay_market::JobId,
	who: AccountId,
	run: &Run,
	opening: assay_commitments::OutputsOpening,
) -> frame_support::dispatch::DispatchResult {
	Market::reveal_result(
		RuntimeOrigin::signed(who),
		id,
		order(id),
		run.root(),
		SALT,
		opening,
		None,
	)
}

#[test]
fn reveal_result_should_record_the_outputs_when_it_is_what_was_committed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		assert_ok!(reveal_result(id, &right()));
		let opened = job(id).opened().cloned().expect("it is open");
		assert_eq!(opened.run_root, right().root());
		assert_eq!(opened.trace_root, right().opening().trace_root);
		assert_eq!(opened.output_roots.to_vec(), right().outputs());
		assert!(has_event(Event::ResultRevealed {
			job: id,
			run_root: right().root(),
			output_roots: right().outputs(),
		}));
		// The verifiers have not revealed yet.
		assert_eq!(phase(id), Phase::Revealing);
		assert_noop!(reveal_result(id, &right()), Error::<Test>::AlreadyRevealed);
	});
}

#[test]
fn reveal_result_should_fail_when_it_is_not_what_was_committed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		assert_noop!(reveal_result(id, &wrong()), Error::<Test>::CommitmentMismatch);
		assert_noop!(
			Market::reveal_result(
				RuntimeOrigin::signed(provider()),
				id,
				order(id),
				right().root(),
				[0; 32],
				right().opening(),
				None
			),
			Error::<Test>::CommitmentMismatch
		);
	});
}

#[test]
fn reveal_result_should_fail_when_the_outputs_are_not_in_the_run() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let mut swapped = right().opening();
		swapped.outputs.swap(0, 1);
		let mut other = right().opening();
		other.outputs[0].0 = [9; 32];
		let mut fewer = right().opening();
		fewer.outputs.pop();
		let mut more = right().opening();
		more.outputs.push(more.outputs[0].clone());
		for opening in [swapped, other, fewer, more, wrong().opening()] {
			assert_noop!(
				reveal_with(id, provider(), &right(), opening),
				Error::<Test>::WrongOutputs
			);
		}
	});
}

#[test]
fn reveal_result_should_show_the_last_step_when_there_are_several() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(Market::post_job(
			RuntimeOrigin::signed(requester()),
			STATEFUL,
			vec![[1; 32]; 2].try_into().expect("two inputs"),
			5,
			PRICE,
			PRICE,
			0,
			unattested(),
		));
		assert_ok!(claim(0, provider()));
		let run = Run::new(1, 5);
		assert_ok!(commit_result(0, &run));
		roll_past_deadline(0);
		for who in pending(0, Purpose::Verify) {
			assert_ok!(commit(0, &who, &run));
		}
		assert_noop!(
			reveal_with(0, provider(), &run, Run::new(1, 4).opening()),
			Error::<Test>::WrongOutputs
		);
		assert_ok!(reveal_with(0, provider(), &run, run.opening()));
	});
}

#[test]
fn reveal_result_should_fail_when_it_is_early_or_by_another() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		assert_noop!(reveal_result(id, &right()), Error::<Test>::WrongPhase);
		assert_noop!(
			reveal_with(id, second_provider(), &right(), right().opening()),
			Error::<Test>::NotProvider
		);
	});
}
