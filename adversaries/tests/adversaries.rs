//! Every attack of `make adversaries`, as one test.

use assay_adversaries::{attack::table, attacks};

#[test]
fn attacks_should_end_as_the_protocol_says_when_they_meet_the_real_runtime() {
	let lines: Vec<_> = attacks::all().iter().map(|attack| attack.line()).collect();
	println!("{}", table(&lines));
	let failed: Vec<_> = lines.iter().filter(|line| !line.passed).map(|line| line.attack).collect();
	assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn attacks_should_have_names_of_their_own_when_one_is_chosen_by_name() {
	let mut names: Vec<_> = attacks::all().iter().map(|attack| attack.name).collect();
	let all = names.len();
	names.sort_unstable();
	names.dedup();
	assert_eq!(names.len(), all);
}
