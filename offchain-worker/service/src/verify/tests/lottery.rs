//! The private draw: who replays, when, and who keeps silent.

use crate::{
	chain::OpenLottery,
	fault::Fault,
	testing::world::{abstained, eventually, order_of, Act, FakeRunner, Node, World, GENESIS},
	verify::salt::derive_salt,
};
use assay_market::{lottery::tranche_of, MailboxEntry, Purpose::Verify, VerifierId};
use log::Level;
use sp_keystore::Keystore;

const ROOT: [u8; 32] = [7; 32];

fn replayed(world: &World, key: &VerifierId) -> MailboxEntry {
	let salt = derive_salt(&*world.keystore, &GENESIS, &order_of(1), key).unwrap();
	MailboxEntry::Replayed { run_root: ROOT, salt, ticket: None, chunks: None }
}

fn won(node: &Node, tranche: &str) -> u64 {
	node.count("assay_verifier_lotteries_won_total", tranche)
}

#[tokio::test]
async fn validator_should_be_silent_and_start_no_worker_when_it_has_not_won() {
	let world = World::new();
	let mut lottery = world.lottery_won(1, None);
	world.chain.draw(vec![lottery.clone()]);
	let runner = FakeRunner::new([]);
	let node = world.start(runner.clone());
	eventually("the draw", || node.metric("assay_verifier_lotteries_total", "") == 1).await;
	// Whatever tranche opens, and also when nobody is in time.
	for tranche in 0..3 {
		lottery.tranche = tranche;
		world.chain.draw(vec![lottery.clone()]);
		world.settle().await;
	}
	world.chain.advance(29, 20);
	world.settle().await;
	assert_eq!((runner.calls(), world.entry(1, Verify)), (0, None));
	assert_eq!((won(&node, ""), node.metric("assay_verifier_lotteries_total", "")), (0, 1));
	// Nothing is promised for a job that is not verified: its inputs may go.
	world.blobs.remove(&world.input).unwrap();
}

#[tokio::test]
async fn replay_should_begin_when_the_tranche_of_the_ticket_opens() {
	let world = World::new();
	let mut lottery = world.lottery_won(1, Some(2));
	world.chain.draw(vec![lottery.clone()]);
	let runner = FakeRunner::new([Act::Root(ROOT)]);
	let node = world.start(runner.clone());
	eventually("the draw", || won(&node, "2") == 1).await;
	lottery.tranche = 1;
	world.chain.draw(vec![lottery.clone()]);
	world.settle().await;
	assert_eq!((runner.calls(), world.entry(1, Verify)), (0, None));
	// It will be asked, perhaps.
	assert!(world.blobs.remove(&world.input).is_err());
	lottery.tranche = 2;
	world.chain.draw(vec![lottery]);
	assert_eq!(world.found(1, Verify).await, replayed(&world, &world.alice));
	assert!(world.ticket(1).is_some());
	assert_eq!((runner.calls(), won(&node, "2"), won(&node, "0")), (1, 1, 0));
}

#[tokio::test]
async fn abstention_should_carry_the_ticket_that_gives_the_right_to_it() {
	let world = World::new();
	world.chain.draw(vec![world.lottery_won(1, Some(0))]);
	let crash = || Act::Fail(Fault::Crashed("signal 9".into()));
	let node = world.start(FakeRunner::new([crash(), crash()]));
	let silent = abstained(assay_market::AbstainReason::WorkerFault);
	assert_eq!(world.found(1, Verify).await, silent);
	assert!(world.ticket(1).is_some());
	node.stop().await;
}

#[tokio::test]
async fn ticket_should_be_that_of_the_seed_when_another_fork_has_another() {
	let world = World::new();
	let (first, second) = (world.lottery_won(1, Some(0)), world.lottery_won(1, Some(1)));
	assert_ne!(first.seed, second.seed);
	world.chain.draw(vec![first.clone()]);
	let runner = FakeRunner::new([Act::Root(ROOT)]);
	let node = world.start(runner.clone());
	let entry = world.found(1, Verify).await;
	let ticket = world.ticket(1).unwrap();
	// The block of the other lottery is not final, then it is, then its second tranche opens.
	for (draw_block, tranche) in [(11, 0), (9, 0)] {
		world.chain.draw(vec![OpenLottery { draw_block, tranche, ..second.clone() }]);
		world.settle().await;
		assert_eq!(world.ticket(1).unwrap(), ticket, "nothing new is said");
	}
	world.chain.draw(vec![OpenLottery { draw_block: 9, tranche: 1, ..second.clone() }]);
	eventually("the other ticket", || world.ticket(1).unwrap().pre_output != ticket.pre_output)
		.await;
	// The run is the same one.
	assert_eq!((world.entry(1, Verify), runner.calls()), (Some(entry), 1));
	node.stop().await;
	// And after a restart it is known whose ticket that is.
	let kept = world.ticket(1);
	let node = world.start(runner.clone());
	world.settle().await;
	assert_eq!((world.ticket(1), runner.calls()), (kept, 1));
	node.stop().await;
}

#[tokio::test]
async fn abstention_of_another_fork_should_not_stand_where_the_lottery_is_a_new_one() {
	let world = World::new();
	world.chain.draw(vec![world.lottery_won(1, Some(0))]);
	let crash = || Act::Fail(Fault::Crashed("signal 9".into()));
	let _node = world.start(FakeRunner::new([crash(), crash(), Act::Root(ROOT)]));
	world.found(1, Verify).await;
	let second = world.lottery_won(1, Some(1));
	world.chain.draw(vec![OpenLottery { tranche: 1, ..second }]);
	let verdict = replayed(&world, &world.alice);
	eventually("the verdict", || world.entry(1, Verify).as_ref() == Some(&verdict)).await;
}

#[tokio::test]
async fn ten_keys_should_share_one_replay_and_speak_each_in_its_tranche() {
	let world = World::new();
	let mut keys: Vec<VerifierId> =
		(0..9).map(|at| world.another_key(&format!("//Key//{at}"))).collect();
	keys.push(world.alice.clone());
	// One seed for all, which leaves somebody in every tranche and out of all.
	let mut seeds = (0u32..1000).map(|number| {
		let mut seed = [0; 32];
		seed[..4].copy_from_slice(&number.to_le_bytes());
		seed
	});
	let lottery_of = |key: &VerifierId, seed| {
		let mut lottery = OpenLottery { key: key.clone(), seed, ..world.lottery(1) };
		lottery.terms.candidates = 10;
		lottery.terms.stake = 10;
		lottery.terms.size = 2;
		lottery.terms.max_tranches = 2;
		lottery.account = <[u8; 32]>::try_from(key.as_ref()).unwrap().into();
		lottery
	};
	let tranche = |lottery: &OpenLottery| tranche_in(&world, lottery);
	let lotteries: Vec<_> = seeds
		.find_map(|seed| {
			let all: Vec<_> = keys.iter().map(|key| lottery_of(key, seed)).collect();
			let tranches: Vec<_> = all.iter().map(tranche).collect();
			let several = |wanted| tranches.iter().filter(|of| **of == wanted).count() > 1;
			(several(Some(0)) && several(Some(1)) && several(None)).then_some(all)
		})
		.unwrap();
	world.chain.draw(lotteries.clone());
	let runner = FakeRunner::new([Act::Root(ROOT)]);
	let node = world.start(runner.clone());
	for open in 0..2 {
		world.chain.redraw(1, |lottery| lottery.tranche = open);
		for lottery in &lotteries {
			if tranche(lottery).is_some_and(|tranche| tranche <= open) {
				eventually("its verdict", || {
					world.entry_of(1, Verify, &lottery.key) == Some(replayed(&world, &lottery.key))
				})
				.await;
			}
		}
		world.settle().await;
		for lottery in &lotteries {
			let speaks = tranche(lottery).is_some_and(|tranche| tranche <= open);
			let entry = world.entry_of(1, Verify, &lottery.key);
			assert_eq!(entry.is_some(), speaks, "{:?} at {open}", tranche(lottery));
		}
	}
	assert_eq!(runner.calls(), 1);
	assert_eq!(node.metric("assay_verifier_lotteries_total", ""), 10);
	let winners = lotteries.iter().filter(|lottery| tranche(lottery).is_some()).count();
	assert_eq!(won(&node, ""), winners as u64);
}

/// As the chain computes it.
fn tranche_in(world: &World, lottery: &OpenLottery) -> Option<u32> {
	use assay_market::{
		lottery::{draw_output, transcript},
		verifier_crypto::KEY_TYPE,
		Ticket,
	};
	let data = transcript(&GENESIS, &lottery.order, &lottery.seed);
	let public = sp_core::sr25519::Public::try_from(lottery.key.as_ref()).unwrap();
	let signed = world.keystore.sr25519_vrf_sign(KEY_TYPE, &public, &data).unwrap().unwrap();
	let output = draw_output(&lottery.key, &data, &Ticket::from(&signed)).unwrap();
	tranche_of(output, lottery.stake, &lottery.terms)
}

/// Everything that was logged above the level debug, for these tests' process.
mod heard {
	use log::{Level, LevelFilter, Log, Metadata, Record};
	use parking_lot::Mutex;
	use std::sync::Once;

	pub static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

	struct Ear;

	impl Log for Ear {
		fn enabled(&self, _: &Metadata) -> bool {
			true
		}

		fn log(&self, record: &Record) {
			LINES.lock().push((record.level(), record.args().to_string()));
		}

		fn flush(&self) {}
	}

	pub fn listen() {
		static ONCE: Once = Once::new();
		ONCE.call_once(|| {
			log::set_logger(&Ear).expect("no other logger is set in this process");
			log::set_max_level(LevelFilter::Debug);
		});
	}
}

/// Lines above debug about a job.
fn lines_about(job: u64) -> Vec<String> {
	let name = format!("Job {job}: ");
	let lines = heard::LINES.lock();
	let about = lines.iter().filter(|(level, line)| *level < Level::Debug && line.contains(&name));
	about.map(|(_, line)| line.clone()).collect()
}

#[tokio::test]
async fn log_should_not_tell_who_verifies_before_the_commitment_is_on_chain() {
	// Other tests of this process use other jobs.
	const JOB: u64 = 7_001;
	heard::listen();
	let world = World::new();
	world.chain.draw(vec![world.lottery(JOB)]);
	let crash = Act::Fail(Fault::Crashed("signal 9".into()));
	let _node = world.start(FakeRunner::new([crash, Act::Root(ROOT)]));
	world.found(JOB, Verify).await;
	world.settle().await;
	assert_eq!(lines_about(JOB), Vec::<String>::new());
	assert!(!heard::LINES.lock().is_empty(), "nobody listens");

	world.chain.commit(world.assignment(JOB, Verify));
	eventually("the lines", || lines_about(JOB).len() == 2).await;
	let lines = lines_about(JOB);
	assert!(lines[0].contains("signal 9; trying again"), "{lines:?}");
	assert!(lines[1].contains("replayed in"), "{lines:?}");
}

#[tokio::test]
async fn lottery_should_not_be_tried_when_its_deadline_has_passed() {
	let world = World::new();
	world.chain.advance(31, 31);
	world.chain.draw(vec![world.lottery(1)]);
	let runner = FakeRunner::new([]);
	let _node = world.start(runner.clone());
	world.settle().await;
	assert_eq!((runner.calls(), world.entry(1, Verify)), (0, None));
	// Another tranche gives everyone who has won by then more time.
	world.chain.redraw(1, |lottery| {
		lottery.commit_deadline = 60;
		lottery.tranche = 1;
	});
	world.found(1, Verify).await;
}
