//! The corpora and mutations of them, as ordinary tests. `ASSAY_FUZZ_SEED` repeats a run.

use assay_fuzz::{
	mutate::{mutate, Rng},
	Target, TARGETS,
};
use std::{
	collections::BTreeMap,
	fs,
	panic::{catch_unwind, AssertUnwindSafe},
	path::PathBuf,
	time::{SystemTime, UNIX_EPOCH},
};

fn folder(target: &Target) -> PathBuf {
	PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("corpus").join(target.name)
}

fn corpus(target: &Target) -> BTreeMap<String, Vec<u8>> {
	let folder = folder(target);
	let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
	files
		.map(|file| {
			let file = file.expect("the folder is readable");
			let name = file.file_name().into_string().expect("names are ASCII");
			(name, fs::read(file.path()).expect("the file is readable"))
		})
		.collect()
}

fn target(name: &str) -> &'static Target {
	TARGETS.iter().find(|target| target.name == name).expect("a target")
}

/// Runs a target; a panic is a failure that shows the bytes.
fn run(target: &Target, what: &str, bytes: &[u8]) {
	if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
		let hex: String = bytes.iter().take(4_096).map(|byte| format!("{byte:02x}")).collect();
		panic!("{}: {what}, {} bytes: {hex}", target.name, bytes.len());
	}
}

fn seed() -> u64 {
	let given = std::env::var("ASSAY_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
	let seed = given.unwrap_or_else(|| {
		let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
		now.as_nanos() as u64
	});
	println!("ASSAY_FUZZ_SEED={seed}");
	seed
}

/// Every target keeps its promises on its corpus and on mutations of it.
fn survives(name: &str) {
	let (target, seed) = (target(name), seed());
	let corpus = corpus(target);
	assert!(corpus.len() >= 3, "{} files", corpus.len());
	for (name, bytes) in &corpus {
		run(target, name, bytes);
		for length in 0..bytes.len().min(200) {
			run(target, name, &bytes[..length]);
		}
	}
	let files: Vec<&Vec<u8>> = corpus.values().collect();
	let mut rng = Rng(seed);
	for at in 0..target.mutations {
		let one = files[rng.below(files.len())];
		let other = files[rng.below(files.len())];
		let bytes = mutate(&mut rng, one, other);
		run(target, &format!("mutation {at} of ASSAY_FUZZ_SEED={seed}"), &bytes);
	}
}

#[test]
fn program_should_keep_its_promises_when_its_bytes_are_hostile() {
	survives("program");
}

#[test]
fn proof_should_keep_its_promises_when_its_bytes_are_hostile() {
	survives("proof");
}

#[test]
fn sample_should_keep_its_promises_when_its_bytes_are_hostile() {
	survives("sample");
}

#[test]
fn frames_should_keep_their_promises_when_their_bytes_are_hostile() {
	survives("frames");
}

#[test]
fn onnx_should_keep_its_promises_when_its_bytes_are_hostile() {
	survives("onnx");
}

#[test]
fn npz_should_keep_its_promises_when_its_bytes_are_hostile() {
	survives("npz");
}

#[test]
fn safetensors_should_keep_their_promises_when_their_bytes_are_hostile() {
	survives("safetensors");
}

#[test]
fn description_should_keep_its_promises_when_its_bytes_are_hostile() {
	survives("description");
}

#[cfg(feature = "calls")]
#[test]
fn calls_should_keep_their_promises_when_their_bytes_are_hostile() {
	survives("calls");
}

/// The committed files are what the real encoders give today. `ASSAY_WRITE_CORPUS=1` writes them.
#[test]
fn corpus_should_be_what_the_encoders_give() {
	for target in TARGETS {
		let folder = folder(target);
		let expected: BTreeMap<_, _> = (target.seeds)().into_iter().collect();
		if std::env::var_os("ASSAY_WRITE_CORPUS").is_some() {
			let _ = fs::remove_dir_all(&folder);
			fs::create_dir_all(&folder).expect("the folder can be made");
			for (name, bytes) in &expected {
				fs::write(folder.join(name), bytes).expect("the file can be written");
			}
		}
		let found = corpus(target);
		for (name, bytes) in &expected {
			assert!(
				found.get(name) == Some(bytes),
				"fuzz/corpus/{}/{name} is not what the encoder gives: a format has changed. Run \
				 ASSAY_WRITE_CORPUS=1 cargo test -p assay-fuzz",
				target.name,
			);
		}
		let names: Vec<_> = expected.keys().collect();
		assert_eq!(found.keys().collect::<Vec<_>>(), names, "{}: a file too many", target.name);
	}
}

/// Seeds reach what they are meant for: a corpus of refusals would test nothing.
#[test]
fn seeds_should_decode_when_they_are_not_mutated() {
	use codec::{Decode, DecodeAll};
	for (name, bytes) in assay_fuzz::seeds::program() {
		let program = assay_program::Program::decode_bounded(&bytes);
		let program = program.unwrap_or_else(|error| panic!("{name}: {error}"));
		let checked = program.check(&assay_program::Limits::V1);
		assert!(checked.is_ok(), "{name}: {checked:?}");
	}
	for (name, bytes) in assay_fuzz::seeds::proof() {
		assert!(assay_referee::ProofPart::decode(&mut &bytes[..]).is_ok(), "{name}");
	}
	for (name, bytes) in assay_fuzz::seeds::sample() {
		let chunk = assay_referee::sample::SampledChunk::decode_all(&mut &bytes[..]);
		assert!(chunk.is_ok(), "{name}");
	}
	let frames: BTreeMap<_, _> = assay_fuzz::seeds::frames().into_iter().collect();
	assert!(assay_worker_protocol::Request::decode_all(&mut &frames["request"][..]).is_ok());
	for name in ["progress", "done", "job-fault", "local-fault"] {
		let reply = assay_worker_protocol::Reply::decode_all(&mut &frames[name][..]);
		assert!(reply.is_ok(), "{name}: {reply:?}");
	}
}
