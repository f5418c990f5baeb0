//! Parts of fraud proofs.

use crate::honest::{folded, gathered, looked_up, stateful, Honest};
use assay_referee::{judge, Accusation, ProofPart, Ruling, MAX_PART_BYTES};
use codec::{Decode, DecodeAll, Encode};

/// Bytes of a part of a fraud proof, about honest runs.
///
/// Decoding never panics and reads at most [`MAX_PART_BYTES`]; what is decoded encodes to the same
/// bytes. The referee never panics, and never rules that an honest run is wrong: not in a part that
/// stands alone, and not in one that goes on from what an honest prover's parts have left.
pub fn proof(data: &[u8]) {
	let mut rest = data;
	let Ok(part) = ProofPart::decode(&mut rest) else { return };
	let read = data.len() - rest.len();
	assert!(read <= MAX_PART_BYTES, "{read} bytes were read");
	let bytes = part.encode();
	assert_eq!(bytes, data[..read], "a part has one encoding");
	assert_eq!(ProofPart::decode_all(&mut &bytes[..]).as_ref(), Ok(&part));
	for run in [stateful(), folded(), gathered(), looked_up()] {
		acquits(run, None, &part);
		if let Some(kept) = kept(run, part.accusation, part.part) {
			acquits(run, Some(kept), &part);
		}
	}
}

fn acquits(run: &Honest, accumulators: Option<Vec<i64>>, part: &ProofPart) {
	let ruling = judge(&run.record(), accumulators, part);
	assert_ne!(ruling, Ok(Ruling::Fraud), "an honest run was ruled wrong by {part:?}");
}

/// What an honest prover's parts before this one have left on the chain.
fn kept(run: &Honest, accusation: Accusation, part: u32) -> Option<Vec<i64>> {
	let place = run.checked.anchors.binary_search(&accusation.node).ok()? as u32;
	let cost = run.checked.anchor_cost(accusation.node)?.cost;
	let tiles = run.checked.types.get(accusation.node as usize)?.tiles();
	let exists = accusation.step < run.record().steps && accusation.tile < tiles;
	if !exists || !(1..cost.parts).contains(&part) {
		return None;
	}
	let mut accumulators = None;
	for before in 0..part {
		let honest = run.part(accusation.step, place, accusation.tile, before);
		accumulators = match judge(&run.record(), accumulators, &honest) {
			Ok(Ruling::Continue(kept)) => Some(kept),
			other => panic!("part {before} of an honest proof gave {other:?}"),
		};
	}
	accumulators
}
