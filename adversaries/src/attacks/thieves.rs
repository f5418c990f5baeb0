//! Space in blocks, places in the market and others' stakes, for nothing or for little.

use crate::{
	actors::{ProviderMisdeed, RequesterMisdeed, VerifierMisdeed},
	attack::{Attack, Blocks},
	calls::{self, Offer},
	chain::{self, Tx, World},
	models,
	money::{amount, Purses},
	people::Person,
	stage::{ensure, expect, offer, prepare, Cast, Report, Stage},
	work::{Lie, Table, Work},
};
use assay_commitments::Path;
use assay_market::{
	AbstainReason, Assurance, Attestation, Audit, ChallengeMove, Phase, ReportVouching, Ticket,
};
use assay_referee::{Accusation, ProofPart, RootsOpening};
use assay_runtime::{
	configs::{offences::ReportToOffences, utilities::ProxyType},
	constants::currency::{MILLI, UNIT},
	Runtime, RuntimeCall,
};
use pallet_assay_arbitration::Call as Arbitration;
use pallet_assay_jobs::Call as Jobs;
use sp_runtime::Permill;

fn opted_out() -> Offer {
	let audit = Audit::Custom(Permill::from_percent(5));
	let attestation = Attestation::OptedOut;
	Offer { assurance: Assurance { audit, attestation, ..Assurance::default() }, ..offer() }
}

/// A requester that names inputs which nobody has, and a provider that falls for it.
fn robbery_by_stall(offer: Offer) -> Result<Report, String> {
	chain::run(|world| {
		let cast = Cast {
			provider: ProviderMisdeed::Stall,
			requester: RequesterMisdeed::WithholdInputs,
			..Cast::default()
		};
		Stage::post_for(world, models::inference(), cast, offer).play()
	})
}

/// A provider that cannot get the inputs gives the job back, and nobody else claims it.
fn give_back(offer: Offer) -> Result<Report, String> {
	chain::run(|world| {
		let cast = Cast { provider: ProviderMisdeed::Stall, ..Cast::default() };
		let mut stage = Stage::post_for(world, models::inference(), cast, offer);
		stage.until_phase(Phase::Claimed)?;
		let who = stage.provider.who.clone();
		let stranger = stage.world.on_a_fork(|world| {
			world.send(calls::give_back(&Person::named("Rival"), 0)).err().unwrap_or_default()
		});
		expect("giving back", stage.world.send(calls::give_back(&who, 0)), Ok(()))?;
		let again = stage.world.send(calls::give_back(&who, 0)).err().ok_or("given back twice")?;
		let barred = stage.view().barred.len();
		ensure(barred == 1, "the provider may claim it again")?;
		let report = stage.play()?;
		Ok(Report { outcome: format!("{stranger}, {again}, {}", report.outcome), ..report })
	})
}

fn junk_part() -> ProofPart {
	ProofPart {
		accusation: Accusation { step: 0, node: 0, tile: 0 },
		part: 0,
		trace: ([0; 32], Path { siblings: vec![] }),
		before: None,
		claimed: ([0; 32], Path { siblings: vec![] }),
		anchors: RootsOpening::default(),
		lazy: RootsOpening::default(),
		states: RootsOpening::default(),
		operands: vec![],
	}
}

/// Every call that verifiers make without a fee, signed by a thief.
fn signed_verifier_calls(who: &Person, retry: u32) -> Vec<RuntimeCall> {
	let (job, order, account) = (0, [0; 32], who.account());
	let signature = who.sign_as_verifier(b"anything");
	let ticket = Ticket { pre_output: [0; 32], proof: [0; 64] };
	let action = ChallengeMove::Prove { part: Box::new(junk_part()) };
	let (run_root, salt, chunks) = ([0; 32], [0; 32], None);
	let reason = AbstainReason::Other;
	let commitment = [0; 32];
	vec![
		Arbitration::<Runtime>::move_as_verifier {
			job,
			order,
			account: account.clone(),
			action,
			retry,
			signature: signature.clone(),
		}
		.into(),
		Jobs::<Runtime>::attest_inputs {
			job,
			order,
			account: account.clone(),
			ok: true,
			retry,
			signature: signature.clone(),
		}
		.into(),
		Jobs::<Runtime>::attest_outputs {
			job,
			order,
			account: account.clone(),
			ok: true,
			retry,
			signature: signature.clone(),
		}
		.into(),
		Jobs::<Runtime>::commit_verdict {
			job,
			order,
			account: account.clone(),
			commitment,
			ticket,
			retry,
			signature: signature.clone(),
		}
		.into(),
		Jobs::<Runtime>::abstain {
			job,
			order,
			account: account.clone(),
			reason,
			ticket,
			retry,
			signature: signature.clone(),
		}
		.into(),
		Jobs::<Runtime>::reveal_verdict {
			job,
			order,
			account,
			run_root,
			salt,
			chunks,
			retry,
			signature,
		}
		.into(),
	]
}

/// Whether a transaction was refused before a block took it.
fn refused_before(verdict: &Result<(), String>) -> bool {
	matches!(verdict, Err(text) if text.starts_with("invalid: "))
}

/// Blocks full of verifiers' calls, signed, and an honest provider that has to reveal meanwhile.
fn free_block_space() -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, models::inference(), Cast::default());
		stage.until_phase(Phase::Revealing)?;
		let thief = Person::named("Thief");
		let mut all = 0;
		for retry in 0..4 {
			let junk: Vec<Tx> = (0..4)
				.flat_map(|at| signed_verifier_calls(&thief, retry * 4 + at))
				.map(|call| Tx::Signed(thief.clone(), call))
				.collect();
			all += junk.len();
			let count = junk.len();
			let verdicts = stage.tick_with(junk);
			ensure(verdicts.len() == count, "verdicts of all")?;
			let taken = verdicts.iter().filter(|verdict| !refused_before(verdict)).count();
			ensure(taken == 0, format!("{taken} of {count} were taken into a block"))?;
		}
		let report = stage.play()?;
		Ok(Report {
			outcome: format!("{all} refused before a block, {}", report.outcome),
			..report
		})
	})
}

/// One account fills the market with cheap jobs.
fn market_filled() -> Result<Report, String> {
	chain::run(|world| {
		prepare(world);
		let rival = Person::named("Rival");
		let work = models::accumulator(1);
		expect("the program", world.send(calls::register_program(&rival, &work.bytes)), Ok(()))?;
		let cheap = Offer { price_start: 2 * MILLI, price_max: 2 * MILLI, ..opted_out() };
		let before = Purses::now(world);
		let held = || {
			let holds = pallet_balances::Holds::<Runtime>::get(rival.account());
			holds.iter().map(|hold| hold.amount).sum::<u128>()
		};
		let held_before = held();
		let posts = (0..66).map(|_| calls::post_job(&rival, &work, cheap)).collect();
		let verdicts = world.send_all(posts);
		let taken = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
		let refused = verdicts.last().cloned().unwrap_or(Ok(())).err().ok_or("without a limit")?;
		let each = (held() - held_before) / taken as u128;
		ensure(each >= UNIT, format!("{} is held for a job", amount(each as i128)))?;
		let requester = Person::named("Requester");
		let registered = world.send(calls::post_job(&requester, &work, offer()));
		expect("an honest post", registered, Ok(()))?;
		for job in 0..taken as u64 {
			expect("a cancellation", world.send(calls::cancel_job(&rival, job)), Ok(()))?;
		}
		let moved = Purses::now(world).since(&before)?;
		let burned = amount(moved.burned);
		Ok(Report {
			outcome: format!("{taken} taken, {refused}"),
			blocks: None,
			money: format!("burned {burned}"),
		})
	})
}

/// Work that keeps validators busy for a quarter of an hour, at the lowest price that there was.
fn unpriced_verification() -> Result<Report, String> {
	chain::run(|world| {
		prepare(world);
		let rival = Person::named("Rival");
		let work = models::accumulator(1);
		expect("the program", world.send(calls::register_program(&rival, &work.bytes)), Ok(()))?;
		let heavy = Work { steps: assay_market::MAX_STEPS, ..work };
		let cheap = Offer { price_start: MILLI, price_max: MILLI, ..offer() };
		let posted = world.send(calls::post_job(&rival, &heavy, cheap));
		let refused = posted.err().ok_or("heavy work at the lowest price was taken")?;
		let enough = Offer { price_start: 2 * UNIT, price_max: 2 * UNIT, ..offer() };
		expect("at a price", world.send(calls::post_job(&rival, &heavy, enough)), Ok(()))?;
		Ok(Report { outcome: refused, blocks: None, money: "nothing".into() })
	})
}

/// A proof of many parts against a right result: each part is charged.
fn parts_for_nothing() -> Result<Report, String> {
	chain::run(|world| {
		let work = models::long_product(4, 65_536);
		let mut stage = Stage::post(world, work.clone(), Cast::default());
		stage.until_revealed()?;
		let thief = Person::named("Thief");
		let lying = Table::lying(&work, Lie::at(0, work.anchor(0), 0));
		let parts = crate::offline::reckless_proof(&work, &stage.truth.clone(), &lying)?;
		expect("the lane", stage.with(calls::demand(&thief, stage.job, None)), Ok(()))?;
		let paid = |world: &World| -world.fees.get(&thief.account()).copied().unwrap_or_default();
		let (mut last, mut free, count) = (String::new(), 0, parts.len());
		for part in parts {
			let before = paid(stage.world);
			let proof = calls::prove_fraud(&thief, stage.job, part);
			last = stage.with(proof).err().unwrap_or_default();
			free += usize::from(paid(stage.world) <= before);
		}
		ensure(free == 0, format!("{free} of {count} parts were free"))?;
		let report = stage.play()?;
		Ok(Report {
			outcome: format!("{count} parts charged, {last}, {}", report.outcome),
			..report
		})
	})
}

/// The same by a drawn verifier, for which moves are free: what its parts cost is held until its
/// lane ends.
fn verifiers_parts_for_nothing() -> Result<Report, String> {
	chain::run(|world| {
		let work = models::long_product(4, 65_536);
		let drawn = vec![VerifierMisdeed::Idle; 3];
		let cast = Cast { drawn, ..Cast::default() };
		let mut stage = Stage::post(world, work.clone(), cast);
		stage.until_phase(Phase::Challengeable)?;
		let verifier = stage.drawn()[0].clone();
		let lying = Table::lying(&work, Lie::at(0, work.anchor(0), 0));
		let mut parts = crate::offline::reckless_proof(&work, &stage.truth.clone(), &lying)?;
		let act = |stage: &mut Stage, action| {
			stage.with(calls::move_as_verifier(&verifier, stage.job, action))
		};
		expect("the lane", act(&mut stage, ChallengeMove::Demand { child: None }), Ok(()))?;
		stage.tick();
		// Everything but the part that would be refused.
		parts.pop().ok_or("no parts")?;
		let count = parts.len();
		for part in parts {
			let part = ChallengeMove::Prove { part: Box::new(part) };
			expect("a part", act(&mut stage, part), Ok(()))?;
		}
		stage.until(|stage| assay_runtime::Arbitration::lanes(stage.job).is_empty())?;
		let faults = pallet_assay_stake::VerifierFaultCounts::<Runtime>::get(verifier.account());
		ensure(faults == Some(1), format!("{faults:?} faults"))?;
		let report = stage.play()?;
		Ok(Report { outcome: format!("{count} parts charged, {}", report.outcome), ..report })
	})
}

/// Twenty frauds of one session, all vouched for by one validator.
fn vouching_by_the_dozen() -> Result<Report, String> {
	chain::run(|world| {
		prepare(world);
		let bob = Person::named("Bob").account();
		let deferred = || {
			let ledger = pallet_assay_stake::Ledgers::<Runtime>::get(&bob).ok_or("no ledger")?;
			Ok::<_, String>(ledger.deferred)
		};
		let mut found = vec![];
		for job in 1..=20u64 {
			ReportToOffences::report(job, vec![bob.clone()], vec![]);
			if [1, 2, 20].contains(&job) {
				found.push(amount(deferred()? as i128));
			}
		}
		let before = deferred()?;
		// A verdict that merely stayed hidden adds nothing to that.
		ReportToOffences::report(21, vec![], vec![bob.clone()]);
		ensure(deferred()? == before, "a hidden verdict was added")?;
		let outcome = format!("{} deferred after 1, 2 and 20 frauds", found.join(", "));
		Ok(Report { outcome, blocks: None, money: "nothing".into() })
	})
}

/// A proxy that may not transfer posts a job that an accomplice claims.
fn money_by_proxy() -> Result<Report, String> {
	chain::run(|world| {
		prepare(world);
		let (owner, thief) = (Person::named("Requester"), Person::named("Thief"));
		let work = models::inference();
		expect("the program", world.send(calls::register_program(&owner, &work.bytes)), Ok(()))?;
		let add = pallet_proxy::Call::<Runtime>::add_proxy {
			delegate: thief.account().into(),
			proxy_type: ProxyType::NonTransfer,
			delay: 0,
		};
		expect("a proxy", world.send(Tx::Signed(owner.clone(), add.into())), Ok(()))?;
		let before = pallet_assay_jobs::NextJob::<Runtime>::get();
		let Tx::Signed(_, call) = calls::post_job(&owner, &work, offer()) else {
			return Err("a signed call".into());
		};
		let (real, force_proxy_type) = (owner.account().into(), None);
		let proxied =
			pallet_proxy::Call::<Runtime>::proxy { real, force_proxy_type, call: Box::new(call) };
		expect("the proxy's call", world.send(Tx::Signed(thief, proxied.into())), Ok(()))?;
		let after = pallet_assay_jobs::NextJob::<Runtime>::get();
		ensure(before == after, "the proxy has posted a job")?;
		Ok(Report { outcome: "CallFiltered".into(), blocks: None, money: "nothing".into() })
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "robbery-by-inputs-nobody-has",
		what: "a requester opts out of attestation and names inputs that nobody has; a provider claims",
		outcome: "ProviderTimeout",
		blocks: Blocks::None,
		money: "requester -0.14192, burned 0.14192",
		run: || robbery_by_stall(opted_out()),
	},
	Attack {
		name: "give-back-attested",
		what: "a provider gives a claimed job back, twice; a stranger tries too",
		outcome: "invalid: Custom(100), invalid: Custom(100), Expired",
		blocks: Blocks::None,
		money: "provider -0.2, requester -0.14192, burned 0.34192",
		run: || give_back(offer()),
	},
	Attack {
		name: "give-back-opted-out",
		what: "the same where the requester opted out of attestation",
		outcome: "invalid: Custom(100), invalid: Custom(100), Expired",
		blocks: Blocks::None,
		money: "requester -0.14192, burned 0.14192",
		run: || give_back(opted_out()),
	},
	Attack {
		name: "free-block-space",
		what: "a thief signs verifiers' calls, which need no fee, to fill blocks while a provider must reveal",
		outcome: "96 refused before a block, Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: free_block_space,
	},
	Attack {
		name: "market-filled-by-one-account",
		what: "an account posts cheap jobs without end, and cancels them",
		outcome: "64 taken, TooManyJobsOfAccount",
		blocks: Blocks::None,
		money: "burned 9.04192",
		run: market_filled,
	},
	Attack {
		name: "heavy-work-for-the-lowest-price",
		what: "a job of as many steps as a job may have at the lowest price, to switch the auditors off",
		outcome: "PriceTooLow",
		blocks: Blocks::None,
		money: "nothing",
		run: unpriced_verification,
	},
	Attack {
		name: "proof-parts-for-nothing",
		what: "a proof of several parts against a right result, whose last part is refused",
		outcome: "16 parts charged, NotWrong, Paid",
		blocks: Blocks::None,
		money: "requester -11.2, thief -1, 3 verifiers +0.38 each, provider +10, burned 1.06",
		run: parts_for_nothing,
	},
	Attack {
		name: "verifiers-parts-for-nothing",
		what: "a drawn verifier sends all parts but the last of a proof against a right result",
		outcome: "15 parts charged, Paid",
		blocks: Blocks::None,
		money: "requester -11.2, verifier -4.566150746058, 2 verifiers +0.38 each, provider +9.5, burned 5.506150746058",
		run: verifiers_parts_for_nothing,
	},
	Attack {
		name: "vouching-by-the-dozen",
		what: "a validator vouches for twenty frauds that are proved in one session",
		outcome: "2000, 4000, 40000 deferred after 1, 2 and 20 frauds",
		blocks: Blocks::None,
		money: "nothing",
		run: vouching_by_the_dozen,
	},
	Attack {
		name: "money-by-a-proxy-that-may-not-transfer",
		what: "a proxy of the type NonTransfer posts a job that an accomplice would claim",
		outcome: "CallFiltered",
		blocks: Blocks::None,
		money: "nothing",
		run: money_by_proxy,
	},
];
