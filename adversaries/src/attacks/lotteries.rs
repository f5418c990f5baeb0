//! Tickets: forged, borrowed, too early, from another fork; and owners who would rather choose who
//! verifies.

use super::{proved_by_verifier, PAID, PAID_TO_ONE};
use crate::{
	actors::{ProviderMisdeed, VerifierMisdeed},
	attack::{Attack, Blocks},
	calls::{self, genesis_hash, Offer},
	chain::{self, Tx, World},
	lottery::{self, Duty},
	models,
	people::{Person, VALIDATORS},
	stage::{ensure, expect, offer, prepare, Cast, Report, Stage},
	work::Lie,
};
use assay_market::{
	lottery::transcript, Hash, JobId, Phase, Purpose, SeatStatus, Ticket, VerifierAction,
};
use assay_runtime::{
	constants::currency::{MILLI, UNIT},
	Jobs, Runtime, System,
};
use codec::{Decode, Encode};
use pallet_assay_stake::{Call as Stake_, Ledgers};
use std::collections::BTreeSet;

/// A commitment with this ticket, in the name and by the key of `who`.
fn commit(who: &Person, job: JobId, ticket: Ticket) -> Tx {
	calls::commit_verdict(who, job, &[1; 32], &[2; 32], ticket)
}

/// What the open lottery of a job is to a validator.
fn duty(who: &Person, job: JobId) -> Result<Duty, String> {
	lottery::duty(who, job).ok_or_else(|| format!("{} may not take part", who.name))
}

/// Everyone who wins in no tranche.
fn losers(job: JobId) -> Vec<Person> {
	let winners = lottery::winners(job);
	let lost = |who: &Person| winners.iter().all(|(winner, _)| winner.name != who.name);
	VALIDATORS.map(Person::named).into_iter().filter(lost).collect()
}

/// Puts attempts before everyone else's moves into a block; all must be refused by this name.
fn all_refused(stage: &mut Stage, attempts: Vec<Tx>, why: &str) -> Result<(), String> {
	for verdict in stage.world.block(attempts) {
		expect("a ticket", verdict, Err(why))?;
	}
	Ok(())
}

/// Every byte of a good ticket with a bit flipped, and some that are nothing at all.
fn forged_ticket() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.until_phase(Phase::Verifying)?;
		let (winner, job) = (stage.drawn()[0].clone(), stage.job);
		let good = lottery::ticket(&winner, &duty(&winner, job)?).0.encode();
		let flipped = (0..good.len()).map(|at| {
			let mut bytes = good.clone();
			bytes[at] ^= 1 << (at % 8);
			bytes
		});
		let made_up = [0u8, 1, 0x80, 0xff].map(|byte| vec![byte; good.len()]);
		let forged: Vec<Tx> = flipped
			.chain(made_up)
			.map(|bytes| Ticket::decode(&mut &bytes[..]).expect("any bytes are one; qed"))
			.map(|ticket| commit(&winner, job, ticket))
			.collect();
		let count = forged.len();
		all_refused(&mut stage, forged, "invalid: Custom(4)")?;
		let report = stage.play()?;
		Ok(Report { outcome: format!("{count} × Custom(4), {}", report.outcome), ..report })
	})
}

/// Genuine tickets that are for something else, or somebody else's.
fn borrowed_ticket() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.until_phase(Phase::Verifying)?;
		let (winner, other, job) = (stage.drawn()[0].clone(), stage.drawn()[1].clone(), stage.job);
		let (genesis, seed) = (genesis_hash(), duty(&winner, job)?.seed);
		let order = calls::order_of(job);
		let borrowed = [
			winner.ticket(&transcript(&genesis, &[8; 32], &seed)),
			winner.ticket(&transcript(&[9; 32], &order, &seed)),
			winner.ticket(&transcript(&genesis, &order, &[9; 32])),
			other.ticket(&transcript(&genesis, &order, &seed)),
		];
		let attempts = borrowed.map(|ticket| commit(&winner, job, ticket)).to_vec();
		all_refused(&mut stage, attempts, "invalid: Custom(4)")?;
		// The other's ticket, account and all, under the winner's signature.
		let action = VerifierAction::CommitVerdict { commitment: [1; 32], ticket: borrowed[3] };
		let attempt = calls::forged(&winner, &other.account(), job, action);
		all_refused(&mut stage, vec![attempt], "invalid: BadProof")?;
		let report = stage.play()?;
		Ok(Report { outcome: format!("4 × Custom(4), BadProof, {}", report.outcome), ..report })
	})
}

/// One who has lost looks for a key that would have won, and bonds more; one who has won takes
/// another key too.
fn chosen_after_the_draw() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.draw = |draw| draw.is_some_and(|sizes| sizes[0] == 3 && sizes[1] < 3);
		stage.until_phase(Phase::Verifying)?;
		let job = stage.job;
		let loser = losers(job).into_iter().next().ok_or("nobody lost")?;
		let before = duty(&loser, job)?;
		let wins = |key: &Person| {
			let key_duty = Duty { key: key.verifier_key(), ..before.clone() };
			lottery::ticket(key, &key_duty).1 == Some(0)
		};
		let found = (0..1_000).map(Person::sock_puppet).find(|key| wins(key));
		let better = found.ok_or("no key wins")?;
		let winner = stage.drawn()[0].clone();
		let rotated = Person::sock_puppet(2_000);
		let more = calls::stake(&loser, Stake_::bond_extra { amount: 100_000 * UNIT });
		let changes = vec![
			calls::set_verifier_key(&loser, &better),
			more,
			calls::set_verifier_key(&winner, &rotated),
		];
		// Before anyone commits.
		for verdict in stage.world.block(changes) {
			expect("the change", verdict, Ok(()))?;
		}
		let now = duty(&loser, job)?;
		ensure(now == before, "the lottery has changed")?;
		ensure(lottery::duty(&better, job).is_none(), "the new key takes part")?;
		let (own, chosen) = (
			lottery::ticket(&loser, &now).0,
			better.ticket(&transcript(&genesis_hash(), &now.order, &now.seed)),
		);
		all_refused(&mut stage, vec![commit(&loser, job, own)], "invalid: Custom(2)")?;
		all_refused(&mut stage, vec![commit(&loser, job, chosen)], "invalid: Custom(4)")?;
		let action = VerifierAction::CommitVerdict { commitment: [1; 32], ticket: chosen };
		let signed_anew = calls::forged(&better, &loser.account(), job, action);
		all_refused(&mut stage, vec![signed_anew], "invalid: BadProof")?;
		// The winner goes on with the key of the draw, and is paid.
		let report = stage.play()?;
		let outcome = format!("Custom(2), Custom(4), BadProof, {}", report.outcome);
		Ok(Report { outcome, ..report })
	})
}

/// Two win a place in the first tranche, one in the second, and it cannot wait.
fn early_tranche() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.draw = |draw| draw.is_some_and(|sizes| sizes == [2, 1]);
		stage.until_phase(Phase::Verifying)?;
		let job = stage.job;
		let (early, _) = lottery::winners(job).pop().ok_or("nobody won")?;
		let loser = losers(job).into_iter().next().ok_or("nobody lost")?;
		for (who, why) in [(&early, "invalid: Future"), (&loser, "invalid: Custom(2)")] {
			let ticket = lottery::ticket(who, &duty(who, job)?).0;
			let attempts = vec![commit(who, job, ticket), calls::abstain(who, job, ticket)];
			all_refused(&mut stage, attempts, why)?;
		}
		let report = stage.play()?;
		let seat = stage
			.view()
			.verdicts
			.into_iter()
			.find(|seat| seat.account == early.account() && seat.purpose == Purpose::Verify);
		ensure(seat.is_some_and(|seat| seat.tranche == 1), "it is not of the second tranche")?;
		Ok(Report { outcome: format!("Future, Custom(2), {}", report.outcome), ..report })
	})
}

/// Three colluders commit at once, for as many verdicts as are wanted; the honest one takes all of
/// its time.
fn fast_colluders() -> Result<Report, String> {
	let lie = Lie::at(0, models::inference().anchor(0), 0);
	let mut drawn = vec![VerifierMisdeed::AlwaysValid; 3];
	drawn.push(VerifierMisdeed::Slow);
	let cast = Cast { provider: ProviderMisdeed::Lie(lie), drawn, ..Cast::default() };
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), cast);
		stage.draw = |draw| draw.is_some_and(|sizes| sizes[0] == 4);
		stage.until_phase(Phase::Verifying)?;
		let (slow, deadline) = (stage.drawn()[3].clone(), stage.view().deadline);
		let seats = |stage: &Stage| {
			let seats = stage.view().verdicts;
			seats.iter().filter(|seat| seat.purpose == Purpose::Verify).count()
		};
		stage.until(|stage| seats(stage) == 3)?;
		let fast = System::block_number();
		stage.until(|stage| stage.is_seated(&slow) || stage.phase() != Phase::Verifying)?;
		ensure(stage.is_seated(&slow), "the committee was closed before the slow one came")?;
		let came = System::block_number();
		ensure(Some(came) == deadline && fast + 1 < came, format!("it came in block {came}"))?;
		stage.play()
	})
}

/// Nobody of the first tranche says anything, and nobody can tell who they are.
fn silent_winners() -> Result<Report, String> {
	let drawn = vec![VerifierMisdeed::Silent; 3];
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast { drawn, ..Cast::default() });
		stage.draw = |draw| draw.is_some_and(|sizes| sizes == [3, 1]);
		let report = stage.play()?;
		let seats = stage.view().verdicts;
		let named = seats.iter().filter(|seat| seat.purpose == Purpose::Verify).count();
		ensure(named == 1, "the chain names winners that stayed silent")?;
		Ok(report)
	})
}

/// How many cheap jobs a rival has under way.
const FLOOD: usize = 200;

/// More locks than a validator had room for once: were they used up, an audit would find nobody.
const FORMER_LOCKS: u32 = 64;

/// Posts cheap jobs that wait for a provider for as long as they can, and has their inputs
/// attested.
fn flood(world: &mut World) -> Result<(), String> {
	// As many as it takes with so many jobs an account.
	let rivals = ["Rival", "Accomplice", "Thief", "Outsider"].map(Person::named);
	let work = models::accumulator(1);
	for rival in &rivals {
		expect("a rival", world.send(calls::register(rival, false)), Ok(()))?;
	}
	let registered = world.send(calls::register_program(&rivals[0], &work.bytes));
	expect("its program", registered, Ok(()))?;
	let price = 2 * MILLI;
	let cheap = Offer { price_start: price, price_max: price, ramp_blocks: 1_000, ..offer() };
	let posts =
		(0..FLOOD).map(|at| calls::post_job(&rivals[at % rivals.len()], &work, cheap)).collect();
	for verdict in world.send_all(posts) {
		expect("a cheap job", verdict, Ok(()))?;
	}
	let open = || {
		let jobs = pallet_assay_jobs::Jobs::<Runtime>::iter_values();
		jobs.filter(|job| job.phase == Phase::Open).count()
	};
	for _ in 0..40 {
		if open() == FLOOD {
			return Ok(());
		}
		let mut attested = vec![];
		for who in VALIDATORS.map(Person::named) {
			let duties = Jobs::assignments(&[who.verifier_key()]).into_iter();
			let pending = duties
				.filter(|duty| duty.status == SeatStatus::Pending && duty.phase == Phase::Posted);
			attested.extend(pending.map(|duty| calls::attest(&who, duty.job, true)));
		}
		// Some come after the quorum.
		world.send_all(attested);
	}
	Err(format!("{} of {FLOOD} cheap jobs are open", open()))
}

fn flood_of_cheap_jobs() -> Result<Report, String> {
	chain::run(|world| {
		prepare(world);
		flood(world)?;
		for who in VALIDATORS.map(Person::named) {
			let locks = Ledgers::<Runtime>::get(who.account()).map_or(0, |ledger| ledger.locks);
			ensure(locks > FORMER_LOCKS, format!("{} is locked for {locks} jobs", who.name))?;
		}
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		let report = stage.play()?;
		let under_way = pallet_assay_jobs::ActiveJobs::<Runtime>::get();
		ensure(under_way as usize >= FLOOD, format!("only {under_way} jobs are left"))?;
		Ok(Report { outcome: format!("{} beside {under_way} jobs", report.outcome), ..report })
	})
}

/// Goes on without anyone's transactions until the lottery is open, and gives its seed.
fn seed_of_draw(world: &mut World, job: JobId) -> Option<Hash> {
	while Jobs::job_view(job)?.phase == Phase::Committed {
		world.block(vec![]);
	}
	Some(pallet_assay_jobs::Lotteries::<Runtime>::get(job)?.seed)
}

/// Tickets that were drawn on one fork, shown on another.
fn forks_around_the_draw() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.until_phase(Phase::Committed)?;
		let job = stage.job;
		let everyone = VALIDATORS.map(Person::named);
		// Forks on which one author more after another misses its slot.
		let mut forks = vec![];
		for missed in 0..5u32 {
			let seed = stage.world.on_a_fork(|world| {
				(0..missed).for_each(|_| world.skip_slot());
				seed_of_draw(world, job)
			});
			forks.push(seed.ok_or("no lottery on the fork")?);
		}
		stage.until_phase(Phase::Verifying)?;
		let here = pallet_assay_jobs::Lotteries::<Runtime>::get(job).ok_or("no lottery")?.seed;
		// The chain may have gone on as one of them did.
		forks.retain(|seed| *seed != here);
		ensure(forks.len() >= 4, "forks draw alike")?;
		let mut attempts = vec![];
		for seed in &forks[..4] {
			let data = transcript(&genesis_hash(), &calls::order_of(job), seed);
			attempts.extend(everyone.iter().map(|who| commit(who, job, who.ticket(&data))));
		}
		let count = attempts.len();
		all_refused(&mut stage, attempts, "invalid: Custom(4)")?;
		let report = stage.play()?;
		Ok(Report { outcome: format!("{count} × Custom(4), {}", report.outcome), ..report })
	})
}

/// The provider commits in each of six blocks, and for each the chain goes on in two ways: whoever
/// will author next decides, and nobody knows at the commit.
fn chosen_commit_block() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.until_phase(Phase::Claimed)?;
		let (job, provider) = (stage.job, stage.provider.who.clone());
		let mut seeds = BTreeSet::new();
		for wait in 0..6u32 {
			stage.world.on_a_fork(|world| {
				(0..wait).for_each(|_| drop(world.block(vec![])));
				let commit = calls::commit_raw(&provider, job, [7; 32]);
				expect("the commitment", world.send(commit), Ok(()))?;
				let drawn = pallet_assay_jobs::Lotteries::<Runtime>::contains_key(job);
				ensure(!drawn, "the lottery is open at the commit")?;
				for missed in 0..2u32 {
					let seed = world.on_a_fork(|world| {
						(0..missed).for_each(|_| world.skip_slot());
						seed_of_draw(world, job)
					});
					seeds.insert(seed.ok_or("no lottery")?);
				}
				Ok::<_, String>(())
			})?;
		}
		let outcome = format!("{} seeds for 6 commit blocks", seeds.len());
		Ok(Report { outcome, blocks: None, money: stage.money()? })
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "forged-ticket",
		what: "a good ticket with one bit flipped in each of its 96 bytes, and four made up",
		outcome: "100 × Custom(4), Paid",
		blocks: Blocks::None,
		money: PAID,
		run: forged_ticket,
	},
	Attack {
		name: "borrowed-ticket",
		what: "genuine tickets of another job, chain, seed and validator",
		outcome: "4 × Custom(4), BadProof, Paid",
		blocks: Blocks::None,
		money: PAID,
		run: borrowed_ticket,
	},
	Attack {
		name: "key-and-stake-chosen-after-the-draw",
		what: "a loser finds a session key that would win and bonds more; a winner rotates its key",
		outcome: "Custom(2), Custom(4), BadProof, Paid",
		blocks: Blocks::None,
		money: PAID,
		run: chosen_after_the_draw,
	},
	Attack {
		name: "ticket-before-its-tranche",
		what: "a winner of the second tranche cannot wait, a loser does not believe it",
		outcome: "Future, Custom(2), Paid",
		blocks: Blocks::None,
		money: PAID,
		run: early_tranche,
	},
	Attack {
		name: "fast-colluders-close-the-committee",
		what:
			"three colluders commit at once, the only honest winner in the last block that counts",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: "provider -10, verifier +2, requester +2.5, burned 5.5; \
			deferred: 3 verifiers -2000 each",
		run: fast_colluders,
	},
	Attack {
		name: "winners-stay-silent",
		what: "all of the first tranche keep quiet to block the audit: the second one verifies",
		outcome: "Paid",
		blocks: Blocks::None,
		money: PAID_TO_ONE,
		run: silent_winners,
	},
	Attack {
		name: "flood-of-cheap-jobs",
		what: "200 cheap jobs are under way, to use up what validators can be locked for",
		outcome: "Paid beside 200 jobs",
		blocks: Blocks::None,
		money: PAID,
		run: flood_of_cheap_jobs,
	},
	Attack {
		name: "tickets-of-another-fork",
		what: "all validators show on one fork what they have drawn on four others",
		outcome: "24 × Custom(4), Paid",
		blocks: Blocks::None,
		money: PAID,
		run: forks_around_the_draw,
	},
	Attack {
		name: "commit-block-grinding",
		what: "the provider chooses its commit block to suit a colluder: each leaves the seed open",
		outcome: "12 seeds for 6 commit blocks",
		blocks: Blocks::None,
		money: "nothing",
		run: chosen_commit_block,
	},
];
