//! A few hundred of what `make honest` and `make mutants` do by thousands. `ASSAY_SEED` chooses
//! them.

use assay_adversaries::fairness::{honest, mutants, random_seed, Plan};

fn seed(name: &str) -> u64 {
	let seed = std::env::var("ASSAY_SEED").ok().and_then(|seed| seed.parse().ok());
	let seed = seed.unwrap_or_else(random_seed);
	println!("{name}: ASSAY_SEED={seed}");
	seed
}

#[test]
fn honest_jobs_should_be_paid_when_they_are_random() {
	let all = honest::run(Plan::quiet(seed("honest"), 300), 20).unwrap();
	assert_eq!(all.paid + all.undrawn, 300);
	assert!(all.undrawn < 4, "{all:?}");
	assert_eq!(all.proofs, 300);
	assert!(all.proofs_on_chain > 0, "{all:?}");
}

#[test]
fn lies_should_be_proved_when_they_are_one_bit_anywhere() {
	let all = mutants::run(Plan::quiet(seed("mutants"), 300), 60).unwrap();
	assert_eq!(all.on_chain, 5);
	assert!(all.lists > 0 && all.padding > 0 && all.spreading > 0 && all.demands >= 300, "{all:?}");
}
