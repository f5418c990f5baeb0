//! Lazy anchors, whose roots are in no trace: what providers and others make of the lists of them.

use super::{played, proved_by_outsider, proved_by_verifier, ANSWER, VERDICTS};
use crate::{
	actors::{Leader, OutsiderMisdeed, ProviderMisdeed, VerifierMisdeed},
	attack::{Attack, Blocks},
	calls, chain, models,
	people::Person,
	stage::{ensure, expect, Cast, Report, Stage},
	work::{Lie, Table, Work},
};
use assay_commitments::{Hash, Place};
use assay_market::Turn;
use assay_runtime::Arbitration;

fn work() -> Work {
	models::lazy_recurrent(5)
}

/// A wrong byte in the state that the third of five steps leaves.
fn lie() -> Lie {
	Lie::at(2, work().anchor(0), 1024)
}

/// A wrong byte in the sum that it is computed from.
fn made_up() -> Lie {
	Lie { spreading: false, ..Lie::at(2, work().lazy(1), 2048) }
}

fn with(provider: ProviderMisdeed) -> Result<Report, String> {
	played(work(), Cast { provider, ..Cast::default() })
}

/// Its own words held against it: the same misdeed, and what was accused.
fn made_up_list() -> Result<Report, String> {
	chain::run(|world| {
		let provider = ProviderMisdeed::MadeUpList([lie(), made_up()]);
		let mut stage = Stage::post(world, work(), Cast { provider, ..Cast::default() });
		let report = stage.play()?;
		let node = made_up().node;
		let accused = stage.world.log.iter().any(|(_, event)| {
			use assay_runtime::RuntimeEvent;
			use pallet_assay_arbitration::Event;
			matches!(
				event,
				RuntimeEvent::Arbitration(Event::FraudProven { accusation, .. })
					if accusation.node == node
			)
		});
		ensure(accused, "the lie in the list was not what was proved")?;
		Ok(report)
	})
}

/// A provider with a right run, and an accomplice to whom it lists falsely: their own proof costs
/// the bond, and the verifiers that vouched for the run nothing.
fn false_list_of_a_right_run() -> Result<Report, String> {
	chain::run(|world| {
		let provider = ProviderMisdeed::FalseList(made_up());
		let outsiders = vec![(Person::named("Outsider"), OutsiderMisdeed::None)];
		let drawn = vec![VerifierMisdeed::Idle; 3];
		let cast = Cast { provider, outsiders, drawn, ..Cast::default() };
		let mut stage = Stage::post(world, work(), cast);
		ensure(stage.provider.run_root == stage.truth.run_root(), "the run is not right")?;
		// It asks for the list by pretending to differ behind it, and finds it false.
		stage.outsiders[0].leader = Leader::new(Table::lying(&work(), lie()));
		stage.play()
	})
}

/// What is said in the provider's stead, or by it of something else, before it says the truth of
/// its lie.
fn bad_statements() -> Result<Report, String> {
	chain::run(|world| {
		let provider = ProviderMisdeed::LieAndHideList(lie());
		let mut stage = Stage::post(world, work(), Cast { provider, ..Cast::default() });
		let mut lane = None;
		for _ in 0..200 {
			lane = Arbitration::lanes(stage.job).into_iter().find_map(|lane| match lane.turn {
				Turn::Answer(Place::Lazy { step, anchor, .. }) => {
					Some((lane.challenger, (step, anchor)))
				}
				_ => None,
			});
			if lane.is_some() {
				break;
			}
			stage.tick();
		}
		let (challenger, at) = lane.ok_or("no list is demanded")?;
		ensure(at == (2, 0), format!("the list for {at:?} is demanded"))?;
		let (who, other) = (stage.provider.who.clone(), Person::named("Outsider"));
		let (job, root) = (stage.job, stage.provider.run_root);
		let list = stage.provider.run.lazy(2).to_vec();
		let state = |by: &Person, root: Hash, at: (u32, u32), list: &[Hash]| {
			calls::list_roots(by, job, challenger.clone(), root, at, list.to_vec())
		};
		let answer = |by: &Person| calls::answer(by, job, challenger.clone(), list.clone());
		let longer = [&list[..], &list[..1]].concat();
		let sent = vec![
			("by another", state(&other, root, at, &list), Err("ProviderOnly")),
			("as an answer by another", answer(&other), Err("ProviderOnly")),
			("as an answer", answer(&who), Err("ProviderOnly")),
			("of another step", state(&who, root, (1, 0), &list), Err("OtherList")),
			("of another anchor", state(&who, root, (2, 1), &list), Err("OtherList")),
			("of another run", state(&who, [7; 32], at, &list), Err("OtherList")),
			("too short", state(&who, root, at, &list[..1]), Err("WrongAnswer")),
			("too long", state(&who, root, at, &longer), Err("WrongAnswer")),
			("as it is", state(&who, root, at, &list), Ok(())),
			("twice", state(&who, root, at, &[[9; 32]; 2]), Err("NothingDemanded")),
		];
		let (expected, sent): (Vec<_>, Vec<_>) =
			sent.into_iter().map(|(what, tx, expected)| ((what, expected), tx)).unzip();
		for ((what, expected), verdict) in expected.into_iter().zip(stage.tick_with(sent)) {
			expect(&format!("a list {what}"), verdict, expected)?;
		}
		stage.play()
	})
}

/// What falls with a false list, or without one, moves: it is withheld.
const WITHHELD_AFTER_A_LIST: &str =
	"provider -10, verifier +0.001011858, requester +2.5, burned 7.498988142";

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "lie-behind-a-true-list",
		what: "a wrong state behind lazy anchors, whose roots the provider lists truly",
		outcome: "Withheld",
		blocks: proved_by_verifier(4, 1),
		money: WITHHELD_AFTER_A_LIST,
		run: || with(ProviderMisdeed::Lie(lie())),
	},
	Attack {
		name: "lie-made-up-in-the-list",
		what: "the same with a lazy anchor made up that the provider lists: the list is proved wrong",
		outcome: "Withheld",
		blocks: proved_by_verifier(4, 1),
		money: WITHHELD_AFTER_A_LIST,
		run: made_up_list,
	},
	Attack {
		name: "list-never-given",
		what: "the same, and the provider answers everything but the demand for the list",
		outcome: "Withheld",
		blocks: Blocks::Exactly(VERDICTS + 2 * 2 + 1 + ANSWER + 1),
		money: WITHHELD_AFTER_A_LIST,
		run: || with(ProviderMisdeed::LieAndHideList(lie())),
	},
	Attack {
		name: "false-list-of-a-right-run",
		what: "a provider lists falsely to an accomplice, so that honest verifiers be slashed for its run",
		outcome: "Withheld",
		blocks: proved_by_outsider(4, 1),
		money: "provider -10, outsider +0.001011858, requester +2.5, burned 7.498988142",
		run: false_list_of_a_right_run,
	},
	Attack {
		name: "bad-statements-of-a-list",
		what: "a list in the provider's name, of another step, anchor or run, of the wrong length, and a second one",
		outcome: "Withheld",
		blocks: proved_by_verifier(4, 1),
		money: WITHHELD_AFTER_A_LIST,
		run: bad_statements,
	},
];
