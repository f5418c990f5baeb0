//! The committed test vectors. `ASSAY_REGENERATE_VECTORS=1 cargo test -p assay-commitments --test
//! vectors` writes `vectors.txt` again; a change of any line is a change of the protocol.

use assay_commitments::*;
use std::{collections::BTreeSet, fmt::Write, path::Path as File};

const HEAD: &str = "\
# Test vectors of assay-commitments. One per line: subject, numbers, values in hexadecimal.
# Regenerate: ASSAY_REGENERATE_VECTORS=1 cargo test -p assay-commitments --test vectors
#
# tensor:  byte i of every tensor is i mod 251.
#   tensor-root CHUNKS ROOT
#   chunk-value CHUNKS INDEX VALUE
#   tile-path CHUNKS INDEX SIBLINGS…
#   tensor-group CHUNKS LEVEL INDEX CHILDREN FIRST LAST
# trace and run:  leaf i is 32 bytes, each of them i mod 251.
#   trace-root COUNT ROOT, run-root COUNT ROOT
#   trace-path COUNT INDEX SIBLINGS…, run-path COUNT INDEX SIBLINGS…
#   trace-group COUNT LEVEL INDEX CHILDREN FIRST LAST, run-group likewise
# commitments:  genesis 32 × 01, order 32 × ORDER, account 32 × 02, run root 32 × 03, salt 32 × 04.
#   result-commitment ORDER VALUE, verdict-commitment ORDER VALUE
";

fn tensor(chunks: u64) -> Vec<u8> {
	(0..chunks * CHUNK_BYTES as u64).map(|i| (i % 251) as u8).collect()
}

fn leaves(count: u64) -> Vec<Hash> {
	(0..count).map(|i| [(i % 251) as u8; 32]).collect()
}

fn siblings(path: Option<Path>) -> String {
	path.unwrap().siblings.iter().map(|value| format!(" {}", hex::encode(value))).collect()
}

fn group(children: Option<Vec<Hash>>) -> String {
	let children = children.unwrap();
	let (first, last) = (children[0], children[children.len() - 1]);
	format!("{} {} {}", children.len(), hex::encode(first), hex::encode(last))
}

fn vectors() -> Result<String, std::fmt::Error> {
	let mut out = HEAD.to_string();
	for chunks in [1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 300, 513] {
		let bytes = tensor(chunks);
		writeln!(out, "tensor-root {chunks} {}", hex::encode(tensor_root(&bytes)))?;
		for index in BTreeSet::from([0, chunks / 2, chunks - 1]) {
			let at = index as usize * CHUNK_BYTES;
			let value = chunk_value(chunks, index, &bytes[at..at + CHUNK_BYTES]).unwrap();
			writeln!(out, "chunk-value {chunks} {index} {}", hex::encode(value))?;
			writeln!(out, "tile-path {chunks} {index}{}", siblings(open_tile(&bytes, index)))?;
		}
		for (level, index) in BTreeSet::from([(0, 0), (0, (chunks - 1) / 256), (8, 0)]) {
			if group_len(chunks, level, index).is_some() {
				let text = group(open_tensor_group(&bytes, level, index));
				writeln!(out, "tensor-group {chunks} {level} {index} {text}")?;
			}
		}
	}
	for (tree, name) in [(Tree::Trace, "trace"), (Tree::Run, "run")] {
		for count in [1, 2, 3, 5, 8, 255, 256, 257, 1000] {
			let leaves = leaves(count);
			writeln!(out, "{name}-root {count} {}", hex::encode(root(tree, &leaves).unwrap()))?;
			for index in BTreeSet::from([0, count - 1]) {
				let text = siblings(open(tree, &leaves, index));
				writeln!(out, "{name}-path {count} {index}{text}")?;
			}
			for (level, index) in BTreeSet::from([(0, 0), (0, (count - 1) / 256), (8, 0)]) {
				if group_len(count, level, index).is_some() {
					let text = group(open_group(tree, &leaves, level, index));
					writeln!(out, "{name}-group {count} {level} {index} {text}")?;
				}
			}
		}
	}
	for order in [0, 1, u8::MAX] {
		let (genesis, account, root, salt) = ([1; 32], [2; 32], [3; 32], [4; 32]);
		let result = result_commitment(&genesis, &[order; 32], &account, &root, &salt);
		let verdict = verdict_commitment(&genesis, &[order; 32], &account, &root, &salt);
		writeln!(out, "result-commitment {order} {}", hex::encode(result))?;
		writeln!(out, "verdict-commitment {order} {}", hex::encode(verdict))?;
	}
	Ok(out)
}

#[test]
fn vectors_should_equal_the_committed_file() {
	let file = File::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("vectors.txt");
	let vectors = vectors().unwrap();
	if std::env::var_os("ASSAY_REGENERATE_VECTORS").is_some() {
		std::fs::write(&file, &vectors).unwrap();
	}
	let committed = std::fs::read_to_string(&file).unwrap();
	for (line, (ours, theirs)) in vectors.lines().zip(committed.lines()).enumerate() {
		assert_eq!(ours, theirs, "line {}", line + 1);
	}
	assert_eq!(vectors, committed);
}
