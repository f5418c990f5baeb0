//! Every weight of our pallets and of the runtime's extension is measured, and for the code as it
//! is.
//!
//! Beside each weight stands a hash of what it was measured for: the benchmark, the call and the
//! storage; see [`assay_bencher`]. Where one differs, the work may have changed: measure it again.
//! What is not measured yet is listed in [`RECKONED`], which may only shrink.

use assay_bencher::{layout::Layout, source::Benchmarks, weights, work};
use assay_runtime::Runtime;
use std::{
	any::type_name,
	collections::{BTreeMap, BTreeSet},
	fs,
	path::{Path, PathBuf},
};

/// Weights that are still reckoned by hand, or that were measured before hashes were written beside
/// them: the room that has the benchmarks, and what it asks for. Nothing may be added; the list
/// goes when it is empty.
const RECKONED: &[(&str, &[&str])] = &[
	("identity", &["register", "rotate_peer_key", "update", "deregister"]),
	("programs", &["register_program", "analysis", "analysis_of_views", "remove_program"]),
	(
		"stake",
		&[
			"bond",
			"bond_extra",
			"unbond",
			"rebond",
			"withdraw",
			"validate",
			"chill",
			"set_validator_count",
			"cancel_deferred_slash",
			"on_initialize",
		],
	),
	(
		"jobs",
		&[
			"post_job",
			"cancel_job",
			"claim_job",
			"commit_result",
			"give_back",
			"reveal_result",
			"request_audit",
			"poke",
			"set_parameters",
			"attest_inputs",
			"attest_outputs",
			"commit_verdict",
			"abstain",
			"reveal_verdict",
			"authorize_verifier",
			"verify_ticket",
			"check_chunks",
			"draw",
			"advance",
			"condemn",
			"reschedule",
			"on_initialize_base",
		],
	),
	(
		"arbitration",
		&[
			"demand",
			"answer",
			"list_roots",
			"commit_proof",
			"prove_fraud",
			"put_lane",
			"close_lane",
			"authorize_move",
			"on_initialize_base",
		],
	),
	("decoys", &["set_maker", "seal", "discard", "fund", "unseal"]),
	("extensions", &["look_at_call", "look_up_job"]),
];

/// How many these are. Lower it with every weight that is measured.
const LEFT: usize = 56;

/// Calls that are charged a sum of other weights, and of which.
const SUMS: &[(&str, &str, &[&str])] = &[
	("arbitration", "poke", &["close_lane"]),
	("arbitration", "move_as_verifier", &["demand", "commit_proof", "prove_fraud"]),
];

/// A pallet of ours, or the runtime's own benchmarks.
struct Room {
	name: &'static str,
	/// The type that the runtime takes its weights from.
	wired: &'static str,
}

impl Room {
	fn all() -> Vec<Self> {
		macro_rules! pallets {
			($($name:literal $pallet:ident),*) => {
				vec![$(Self {
					name: $name,
					wired: type_name::<<Runtime as $pallet::Config>::WeightInfo>(),
				}),*]
			};
		}
		let mut all = pallets!(
			"identity" pallet_assay_identity,
			"stake" pallet_assay_stake,
			"programs" pallet_assay_programs,
			"jobs" pallet_assay_jobs,
			"arbitration" pallet_assay_arbitration,
			"decoys" pallet_assay_decoys
		);
		let wired = type_name::<assay_runtime::extensions::Weights>();
		all.push(Self { name: "extensions", wired });
		all
	}

	fn is_pallet(&self) -> bool {
		self.name != "extensions"
	}

	/// What its benchmarks are called by.
	fn krate(&self) -> String {
		if self.is_pallet() {
			format!("pallet_assay_{}", self.name)
		} else {
			self.name.into()
		}
	}

	fn sources(&self) -> Benchmarks {
		Benchmarks::read(root(), &self.krate()).expect("every room has benchmarks")
	}

	/// The weights that it asks for.
	fn asked(&self) -> BTreeSet<String> {
		let path = if self.is_pallet() {
			PathBuf::from("pallets").join(self.name).join("src/weights.rs")
		} else {
			PathBuf::from("runtime/src/extensions.rs")
		};
		let text = fs::read_to_string(root().join(path)).expect("every room says what it asks for");
		weights::asked_for(&text).expect("it is Rust").into_iter().collect()
	}

	/// The weights that were measured for it.
	fn measured(&self) -> BTreeMap<String, weights::Measured> {
		let path = root().join(format!("runtime/src/weights/{}.rs", self.krate()));
		weights::read(&fs::read_to_string(path).unwrap_or_default())
	}

	fn reckoned(&self) -> BTreeSet<String> {
		let listed = RECKONED.iter().filter(|(name, _)| *name == self.name);
		listed.flat_map(|(_, names)| names.iter()).map(|name| name.to_string()).collect()
	}
}

fn root() -> &'static Path {
	Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn layout() -> Layout {
	// Constants are in the metadata, and some of them are read from the state.
	let metadata = sp_io::TestExternalities::default().execute_with(Runtime::metadata);
	Layout::new(metadata).expect("the metadata is of the version that is read")
}

#[test]
fn weights_should_be_measured_for_the_code_as_it_is() {
	let layout = layout();
	let mut wrong = Vec::new();
	for room in Room::all() {
		let (krate, asked, reckoned) = (room.krate(), room.asked(), room.reckoned());
		let (sources, measured) = (room.sources(), room.measured());
		let (pallet, again) =
			(work::pallet_of(&krate), format!("scripts/benchmark-weights {}", room.name));
		for name in asked.difference(&reckoned) {
			let now = |touches: &[_]| work::hash(&sources, &layout, &pallet, name, touches);
			match measured.get(name) {
				None => wrong.push(format!("{krate}::{name} is not measured: run {again}")),
				Some(old) => match now(&old.touches) {
					Ok(work) if work == old.work => {}
					Ok(_) => {
						wrong.push(format!("{krate}::{name} is older than its code: run {again}"))
					}
					Err(error) => wrong.push(format!("{krate}::{name}: {error:#}: run {again}")),
				},
			}
		}
		let ours = format!("assay_runtime::weights::{krate}::WeightInfo<assay_runtime::Runtime>");
		if asked != reckoned && room.wired != ours {
			wrong.push(format!("the runtime charges {} for {krate} instead of {ours}", room.wired));
		}
	}
	assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn list_of_reckoned_weights_should_shrink_when_they_are_measured() {
	let rooms = Room::all();
	for (name, _) in RECKONED {
		let room = rooms.iter().find(|room| room.name == *name).expect("a room of that name");
		let (asked, measured) = (room.asked(), room.measured());
		for weight in room.reckoned() {
			assert!(asked.contains(&weight), "{name} asks for no weight `{weight}`");
			let still = !measured.contains_key(&weight);
			assert!(still, "{name}::{weight} was measured: take it off the list RECKONED");
		}
	}
	assert_eq!(RECKONED.iter().map(|(_, names)| names.len()).sum::<usize>(), LEFT);
}

#[test]
fn weights_should_have_a_benchmark_that_says_what_its_worst_case_is() {
	for room in Room::all() {
		let sources = room.sources();
		for name in room.asked() {
			assert!(sources.text(&name).is_some(), "{} has no benchmark `{name}`", room.name);
		}
		let unexplained = sources.unexplained();
		assert!(unexplained.is_empty(), "{}: no worst case is named by {unexplained:?}", room.name);
	}
}

#[test]
fn calls_should_have_a_weight_of_their_own_or_a_sum_of_others() {
	let layout = layout();
	for room in Room::all().into_iter().filter(Room::is_pallet) {
		let asked = room.asked();
		for call in layout.calls(&work::pallet_of(&room.krate())) {
			let sum = SUMS.iter().find(|(other, name, _)| (*other, *name) == (room.name, &*call));
			let parts = sum.map_or(vec![call.as_str()], |(_, _, parts)| parts.to_vec());
			let known = parts.iter().all(|part| asked.contains(*part));
			assert!(known, "{} asks for no weight of `{call}`", room.name);
		}
	}
}
