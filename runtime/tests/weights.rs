//! Every weight of the market's pallets was measured, and for the code as it is.
//!
//! Beside each weight stands a hash of what it was measured for: the benchmark, the call and the storage; see
//! [`assay_bencher`]. Where one differs, the work may have changed: measure it again.

use assay_bencher::{layout::Layout, source::Benchmarks, weights, work};
use assay_runtime::Runtime;
use std::{
	any::type_name,
	collections::{BTreeMap, BTreeSet},
	path::Path,
};

/// The pallets, and which weights the runtime takes for each.
fn pallets() -> [(&'static str, &'static str); 6] {
	macro_rules! wired {
		($($room:literal $pallet:ident),*) => {
			[$(($room, type_name::<<Runtime as $pallet::Config>::WeightInfo>())),*]
		};
	}
	wired!(
		"identity" pallet_assay_identity,
		"stake" pallet_assay_stake,
		"programs" pallet_assay_programs,
		"jobs" pallet_assay_jobs,
		"arbitration" pallet_assay_arbitration,
		"decoys" pallet_assay_decoys
	)
}

/// Calls that are charged a sum of other weights, and of which.
const SUMS: &[(&str, &str, &[&str])] = &[
	("arbitration", "poke", &["close_lane"]),
	("arbitration", "move_as_verifier", &["demand", "commit_proof", "prove_fraud"]),
	("jobs", "commit_segmented_result", &["commit_result"]),
	("jobs", "reveal_segmented_result", &["reveal_result", "check_segments"]),
];

/// Weights that are still reckoned by hand. Nothing may be added: the list goes when it is empty.
const RECKONED: &[(&str, &[&str])] = &[];

fn root() -> &'static Path {
	Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn layout() -> Layout {
	Layout::new(Runtime::metadata()).expect("the metadata is of the version that is read")
}

/// What the pallet asks for, and what was measured.
fn asked_and_measured(room: &str) -> (BTreeSet<String>, BTreeMap<String, weights::Measured>) {
	let asked = root().join("pallets").join(room).join("src/weights.rs");
	let asked = std::fs::read_to_string(asked).expect("every pallet has weights");
	let asked = weights::asked_for(&asked).expect("it is Rust");
	let measured = root().join(format!("runtime/src/weights/pallet_assay_{room}.rs"));
	let measured = std::fs::read_to_string(measured).unwrap_or_default();
	(asked.into_iter().collect(), weights::read(&measured))
}

fn reckoned(room: &str) -> BTreeSet<String> {
	let listed = RECKONED.iter().filter(|(other, _)| *other == room);
	listed.flat_map(|(_, names)| names.iter()).map(|name| name.to_string()).collect()
}

#[test]
fn weights_should_be_measured_for_the_code_as_it_is() {
	let layout = layout();
	let mut wrong = Vec::new();
	for (room, wired) in pallets() {
		let krate = format!("pallet_assay_{room}");
		let again = format!("run `PALLETS={room} scripts/benchmark-weights`");
		let sources = Benchmarks::read(root(), &krate).expect("every pallet has benchmarks");
		let pallet = work::pallet_of(&krate);
		let (asked, measured) = asked_and_measured(room);
		let reckoned = reckoned(room);
		for name in &asked {
			let now = |touches: &[_]| work::hash(&sources, &layout, &pallet, name, touches);
			match measured.get(name) {
				_ if reckoned.contains(name) => {}
				None => wrong.push(format!("{krate}::{name} is not measured: {again}")),
				Some(old) => match now(&old.touches) {
					Ok(work) if work == old.work => {}
					Ok(_) => wrong.push(format!("{krate}::{name} is older than its code: {again}")),
					Err(error) => wrong.push(format!("{krate}::{name}: {error:#}: {again}")),
				},
			}
		}
		let ours = format!("assay_runtime::weights::{krate}::WeightInfo<assay_runtime::Runtime>");
		if asked != reckoned && wired != ours {
			wrong.push(format!("the runtime charges {wired} for {krate} instead of {ours}"));
		}
	}
	assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn list_of_reckoned_weights_should_shrink_when_they_are_measured() {
	for (room, _) in RECKONED {
		let (asked, measured) = asked_and_measured(room);
		for name in reckoned(room) {
			assert!(asked.contains(&name), "pallet {room} asks for no weight `{name}`");
			let still = !measured.contains_key(&name);
			assert!(still, "{room}::{name} was measured: take it off the list RECKONED");
		}
	}
}

#[test]
fn calls_should_have_a_weight_of_their_own_or_a_sum_of_others() {
	let layout = layout();
	for (room, _) in pallets() {
		let (asked, _) = asked_and_measured(room);
		for call in layout.calls(&work::pallet_of(room)) {
			let sum = SUMS.iter().find(|(other, name, _)| (*other, *name) == (room, &*call));
			let parts = sum.map_or(vec![call.as_str()], |(_, _, parts)| parts.to_vec());
			let known = parts.iter().all(|part| asked.contains(*part));
			assert!(known, "pallet {room} asks for no weight of `{call}`");
		}
	}
}
