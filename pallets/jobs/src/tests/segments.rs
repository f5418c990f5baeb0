//! Jobs whose runs are cut into segments: what is refused, who is believed, who is paid and who is
//! reported.

use super::*;
use assay_commitments::{checkpoints_digest, open_segments, segment_roots, SegmentsOpening};
use assay_market::{segment_of, Assurance, Checkpoints, Disputes, JobId, Segments, VerifierAction};
use sp_core::Pair as _;

/// Steps of a segment.
const LENGTH: u32 = 2;
/// Steps of the job: three segments, the last with one step.
const STEPS: u32 = 5;

fn cut_into(length: u32) -> Assurance {
	Assurance { segments: Some(Segments { steps: length }), ..unattested() }
}

fn try_post_cut(steps: u32, length: u32) -> frame_support::dispatch::DispatchResult {
	Market::post_job(
		RuntimeOrigin::signed(requester()),
		STATEFUL,
		vec![[1; 32]; 2].try_into().expect("two inputs"),
		steps,
		PRICE,
		PRICE,
		0,
		cut_into(length),
	)
}

fn honest() -> Run {
	Run::new(1, STEPS)
}

/// What a provider commits to beside its result, for a run of its own.
fn checkpoints(run: &Run) -> Checkpoints {
	let ends = run.traces().chunks(LENGTH as usize).map(|traces| traces[traces.len() - 1]);
	let ends: Vec<_> = ends.take(run.traces().len().div_ceil(LENGTH as usize) - 1).collect();
	Checkpoints { manifest: [0xab; 32], digest: checkpoints_digest(&ends) }
}

fn opening(run: &Run) -> SegmentsOpening {
	open_segments(&job(0).offer.cut().expect("cut"), run.traces()).expect("as many steps")
}

fn commit_segmented(
	id: JobId,
	run: &Run,
	checkpoints: Checkpoints,
) -> frame_support::dispatch::DispatchResult {
	let commitment = result_hash(id, &provider(), run);
	let origin = RuntimeOrigin::signed(provider());
	Market::commit_result(origin, id, order(id), commitment, Some(checkpoints))
}

fn reveal_segmented(
	id: JobId,
	run: &Run,
	segments: SegmentsOpening,
) -> frame_support::dispatch::DispatchResult {
	Market::reveal_result(
		RuntimeOrigin::signed(provider()),
		id,
		order(id),
		run.root(),
		SALT,
		run.opening(),
		Some(segments),
	)?;
	keep_all(id);
	Ok(())
}

fn post_claimed_cut() -> JobId {
	let id = crate::NextJob::<Test>::get();
	assert_ok!(try_post_cut(STEPS, LENGTH));
	assert_ok!(claim(id, provider()));
	id
}

/// Up to the open lottery.
fn post_verifying_cut(run: &Run) -> JobId {
	let id = post_claimed_cut();
	assert_ok!(commit_segmented(id, run, checkpoints(run)));
	roll_past_deadline(id);
	assert_eq!(phase(id), Phase::Verifying);
	id
}

/// The segment that an account has drawn.
fn drawn(id: JobId, who: &AccountId) -> u32 {
	let count = job(id).offer.cut().expect("cut").count();
	segment_of(&ticket(id, who).pre_output, &Market::genesis_hash(), &order(id), count)
}

/// An account's part of a run.
fn part(id: JobId, who: &AccountId, run: &Run) -> Run {
	run.part(job(id).offer.cut().expect("cut").range(drawn_or_seated(id, who)).expect("drawn"))
}

fn drawn_or_seated(id: JobId, who: &AccountId) -> u32 {
	let seated = Market::seat_of(id, Purpose::Verify, who).and_then(|seat| seat.segment);
	seated.unwrap_or_else(|| drawn(id, who))
}

/// Those who may commit, by the segment that they have drawn.
fn by_segment(id: JobId) -> [Vec<AccountId>; 3] {
	let mut all = [Vec::new(), Vec::new(), Vec::new()];
	for who in winners(id) {
		all[drawn(id, &who) as usize].push(who);
	}
	assert!(all.iter().all(|some| !some.is_empty()), "every segment was drawn: {all:?}");
	all
}

/// Everyone replays its part of `theirs` and commits; the sample is known.
fn all_commit(id: JobId, theirs: &Run) -> Vec<AccountId> {
	let all = winners(id);
	for who in &all {
		assert_ok!(commit(id, who, &part(id, who, theirs)));
	}
	if phase(id) == Phase::Verifying {
		roll_past_deadline(id);
	}
	await_sample(id);
	all
}

fn chain() -> ExtBuilder {
	ExtBuilder::default().verifiers(10)
}

#[test]
fn post_job_should_fail_when_the_run_cannot_be_cut_like_this() {
	chain().build_and_execute(|| {
		for (steps, length) in [(5, 0), (5, 1), (5, 3), (5, 8), (4, 4), (1, 2), (513, 2)] {
			assert_noop!(try_post_cut(steps, length), Error::<Test>::WrongSegments);
		}
		assert_ok!(try_post_cut(5, 2));
		assert_ok!(try_post_cut(3, 2));
	});
}

#[test]
fn bond_should_be_larger_when_fewer_steps_are_seen() {
	chain().build_and_execute(|| {
		let id = post_claimed_cut();
		let p = test_parameters();
		assert_eq!(bond_of(id), p.bond(PRICE, Permill::one(), 3, 10));
		assert!(bond_of(id) > p.bond(PRICE, Permill::one(), 1, 10));
	});
}

#[test]
fn result_should_be_refused_when_its_segments_are_missing_or_not_asked_for() {
	chain().build_and_execute(|| {
		let id = post_claimed_cut();
		assert_noop!(commit_result(id, &honest()), Error::<Test>::SegmentsMissing);
		assert_ok!(commit_segmented(id, &honest(), checkpoints(&honest())));
		roll_past_deadline(id);
		all_commit(id, &honest());
		assert_noop!(reveal_result(id, &honest()), Error::<Test>::SegmentsMissing);
		assert_ok!(reveal_segmented(id, &honest(), opening(&honest())));

		let plain = post_claimed();
		let some = checkpoints(&honest());
		assert_noop!(commit_segmented(plain, &right(), some), Error::<Test>::NotSegmented);
		assert_ok!(commit_result(plain, &right()));
		roll_past_deadline(plain);
		commit_wanted(plain, &right());
		close(plain);
		let segments = SegmentsOpening::default();
		assert_noop!(reveal_segmented(plain, &right(), segments), Error::<Test>::NotSegmented);
		assert_ok!(reveal_result(plain, &right()));
	});
}

#[test]
fn segments_should_be_refused_when_they_are_not_those_of_the_run() {
	chain().build_and_execute(|| {
		let id = post_verifying_cut(&honest());
		all_commit(id, &honest());
		let good = opening(&honest());
		let mut end = good.clone();
		end.ends[0].0 = honest().traces()[0];
		let mut path = good.clone();
		path.ends[1].1.siblings[0] = [0; 32];
		let mut last = good.clone();
		last.last = [9; 32];
		let mut fewer = good.clone();
		fewer.ends.pop();
		let swapped =
			SegmentsOpening { ends: vec![good.ends[1].clone(), good.ends[0].clone()], ..good };
		for wrong in [end, path, last, fewer, swapped, opening(&Run::new(2, STEPS))] {
			assert_noop!(reveal_segmented(id, &honest(), wrong), Error::<Test>::SegmentsMismatch);
		}
		assert_ok!(reveal_segmented(id, &honest(), good));
		let roots = segment_roots(&job(id).offer.cut().expect("cut"), honest().traces());
		assert_eq!(crate::SegmentRoots::<Test>::get(id).map(|roots| roots.into_inner()), roots);
	});
}

/// A provider whose checkpoints contradict its trace cannot open its result.
#[test]
fn result_should_stay_closed_when_its_checkpoints_are_not_in_the_run() {
	chain().build_and_execute(|| {
		let id = post_claimed_cut();
		// The states of another run: whoever starts from them finds something else.
		let lie = checkpoints(&honest().with(2, 1..2));
		assert_ok!(commit_segmented(id, &honest(), lie));
		roll_past_deadline(id);
		let all = all_commit(id, &honest());
		for run in [honest(), honest().with(2, 1..2)] {
			let segments = opening(&run);
			assert_noop!(
				reveal_segmented(id, &honest(), segments),
				Error::<Test>::SegmentsMismatch
			);
		}
		for who in &all {
			assert_ok!(reveal(id, who, &part(id, who, &honest())));
		}
		roll_past_deadline(id);
		assert_eq!(job(id).reason, Some(ReasonCode::Withheld));
		assert_eq!(Vouchers::get(id), None, "nobody who opened answers for it");
	});
}

#[test]
fn result_should_be_paid_when_every_segment_is_confirmed_by_those_who_drew_it() {
	chain().build_and_execute(|| {
		let id = post_verifying_cut(&honest());
		by_segment(id);
		let all = all_commit(id, &honest());
		assert_ok!(reveal_segmented(id, &honest(), opening(&honest())));
		for who in &all {
			assert_ok!(reveal(id, who, &part(id, who, &honest())));
		}
		assert_eq!(phase(id), Phase::Challengeable);
		let view = Market::job_view(id).expect("the job");
		assert_eq!(view.segment_roots.len(), 3);
		let verdicts: Vec<_> =
			view.verdicts.iter().filter(|seat| seat.purpose == Purpose::Verify).collect();
		assert!(verdicts.iter().all(|seat| seat.matches == Some(true) && seat.segment.is_some()));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert!(all.iter().all(|who| Conduct::get(who) == [true]));
		roll(60);
		assert_eq!(crate::SegmentRoots::<Test>::iter().count(), 0, "pruned with the record");
	});
}

/// Each finds out what its own ticket says, and commits to nothing else.
#[test]
fn verdict_should_not_match_when_it_is_about_another_segment_or_the_whole_run() {
	chain().build_and_execute(|| {
		let id = post_verifying_cut(&honest());
		let [first, second, _] = by_segment(id);
		let (copier, hearsay) = (&first[0], &second[0]);
		let copied = part(id, hearsay, &honest());
		assert_ok!(commit(id, copier, &copied));
		assert_ok!(commit(id, hearsay, &honest()));
		roll_past_deadline(id);
		if phase(id) == Phase::Verifying {
			roll_past_deadline(id);
		}
		await_sample(id);
		assert_ok!(reveal_segmented(id, &honest(), opening(&honest())));
		// The chunks of another segment of as many steps fit its root, and that is not the provider's.
		assert_ok!(reveal(id, copier, &copied));
		// Those of the whole run are at other positions.
		let wrong = invalid(InvalidTransaction::Custom(crate::refusal::WRONG_CHUNKS));
		assert_eq!(reveal(id, hearsay, &honest()), wrong);
		assert_ok!(open_bare(id, hearsay, &honest()));
		let view = Market::job_view(id).expect("the job");
		let verdicts = view.verdicts.iter().filter(|seat| seat.purpose == Purpose::Verify);
		assert!(verdicts.clone().all(|seat| seat.matches == Some(false)));
		assert_eq!(verdicts.count(), 2);
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
	});
}

/// The provider lies in segment 1 alone; its friends there vouch for it, everyone else is honest.
fn lie_in_the_middle() -> (JobId, Run, [Vec<AccountId>; 3]) {
	// Step 2 is computed wrongly, and all later ones truly from there: other roots from there on.
	let lie = honest().with(2, 2..STEPS);
	let id = post_verifying_cut(&lie);
	let groups = by_segment(id);
	let all = all_commit(id, &lie);
	assert_ok!(reveal_segmented(id, &lie, opening(&lie)));
	for who in &all {
		assert_ok!(reveal(id, who, &part(id, who, &lie)));
	}
	(id, lie, groups)
}

#[test]
fn only_those_who_vouched_for_the_wrong_segment_should_be_reported() {
	for (step, segment) in [(2, 1), (3, 1), (1, 0), (4, 2)] {
		chain().build_and_execute(|| {
			let (id, _, groups) = lie_in_the_middle();
			assert!(condemn_at(id, step));
			assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
			let mut reported = Vouchers::get(id).unwrap_or_default();
			let mut wanted = groups[segment].clone();
			reported.sort();
			wanted.sort();
			assert_eq!(reported, wanted, "step {step}");
		});
	}
}

#[test]
fn hidden_verdict_should_be_reported_when_its_own_segment_is_proved_wrong_and_not_otherwise() {
	for (step, reported) in [(2, true), (0, false)] {
		chain().build_and_execute(|| {
			let id = post_verifying_cut(&honest());
			let [_, second, _] = by_segment(id);
			let all = all_commit(id, &honest());
			assert_ok!(reveal_segmented(id, &honest(), opening(&honest())));
			let hidden = &second[0];
			for who in all.iter().filter(|who| *who != hidden) {
				assert_ok!(open_bare(id, who, &part(id, who, &honest())));
			}
			assert!(condemn_at(id, step));
			roll_past_deadline(id);
			assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
			let vouchers = Vouchers::get(id).unwrap_or_default();
			assert_eq!(vouchers.contains(hidden), reported, "step {step}");
		});
	}
}

/// One liar's friends elsewhere do not make it right for those who see the lie.
#[test]
fn verifier_should_be_asked_to_dispute_when_its_segment_differs_and_not_when_another_does() {
	chain().build_and_execute(|| {
		let lie = honest().with(2, 2..3);
		let id = post_verifying_cut(&lie);
		let [first, second, third] = by_segment(id);
		let all = all_commit(id, &honest());
		assert_ok!(reveal_segmented(id, &lie, opening(&lie)));
		for who in &all {
			assert_ok!(reveal(id, who, &part(id, who, &honest())));
		}
		let keys = |group: &[AccountId]| -> Vec<_> {
			group.iter().map(|who| pair(&seed_of(who)).public()).collect()
		};
		assert_eq!(Market::differing(&keys(&second)).len(), second.len());
		assert_eq!(Market::differing(&keys(&first)), []);
		assert_eq!(Market::differing(&keys(&third)), []);
	});
}

#[test]
fn hidden_verdict_on_a_segment_should_not_be_asked_to_dispute() {
	chain().build_and_execute(|| {
		let id = post_verifying_cut(&honest());
		let all = all_commit(id, &honest());
		assert_ok!(reveal_segmented(id, &honest(), opening(&honest())));
		open_lane(id);
		let keys: Vec<_> = all.iter().map(|who| pair(&seed_of(who)).public()).collect();
		assert_eq!(Market::differing(&keys), []);
		close_lane(id);
	});
}

#[test]
fn audit_should_wait_for_a_whole_replay_when_nobody_got_the_checkpoints() {
	let slow = |builder: ExtBuilder| {
		builder.parameters(|p| {
			p.verify.work_per_block = WORK;
			p.max_tranches = 2;
		})
	};
	slow(chain()).build_and_execute(|| {
		let id = post_verifying_cut(&honest());
		let base = test_parameters().verify.base + 1;
		let opened = now();
		assert_eq!(job(id).deadline, opened + base + u64::from(LENGTH), "one segment");
		let by_key = |who: &AccountId| pair(&seed_of(who)).public();
		let duty = Market::lotteries(&[by_key(&verifier(0))]).remove(0);
		assert_eq!(duty.segments.map(|terms| terms.steps), Some(LENGTH));
		roll_past_deadline(id);
		// Everyone was in the first tranche, and it goes on all the same.
		assert_eq!(phase(id), Phase::Verifying);
		assert_eq!(job(id).deadline, now() + base + u64::from(STEPS), "the whole run");
		all_commit(id, &honest());
		assert_ok!(reveal_segmented(id, &honest(), opening(&honest())));
	});
	// An audit of a plain job ends here, as ever.
	slow(ExtBuilder::default()).build_and_execute(|| {
		let id = post_verifying(&right());
		commit_wanted(id, &right());
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Revealing);
	});
}

#[test]
fn seat_should_tell_its_owner_which_segment_it_is() {
	chain().build_and_execute(|| {
		let id = post_verifying_cut(&honest());
		let who = winners(id).remove(0);
		let segment = drawn(id, &who);
		assert_ok!(commit(id, &who, &part(id, &who, &honest())));
		let key = pair(&seed_of(&who)).public();
		let mut seats = Market::assignments(&[key]).into_iter();
		let seat = seats.find(|seat| seat.purpose == Purpose::Verify).expect("one");
		let duty = seat.segment.expect("the run is cut");
		assert_eq!((duty.index, duty.terms.steps), (segment, LENGTH));
		let committed = job(id).committed().and_then(|result| result.checkpoints);
		assert_eq!(Some(duty.terms.checkpoints), committed);
	});
}

/// The signature of a verdict binds it: nobody can have another segment opened under it.
#[test]
fn verdict_should_be_refused_when_it_opens_another_segment_than_was_committed() {
	chain().build_and_execute(|| {
		let id = post_verifying_cut(&honest());
		let all = all_commit(id, &honest());
		let who = &all[0];
		let other = honest().part(0..STEPS);
		let action =
			VerifierAction::RevealVerdict { run_root: other.root(), salt: SALT, chunks: false };
		let refused = invalid(InvalidTransaction::Custom(crate::refusal::COMMITMENT_MISMATCH));
		assert_eq!(act(id, who, action), refused);
	});
}
