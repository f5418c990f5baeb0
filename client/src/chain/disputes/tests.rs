//! Values against the chain's own types.

use super::*;
use assay_commitments::Path;
use assay_referee::{Accusation, TilesOpening};
use scale_info::{MetaType, PortableRegistry, Registry, TypeInfo};
use subxt::ext::scale_value::scale::encode_as_type;

fn registry<T: TypeInfo + 'static>() -> (u32, PortableRegistry) {
	let mut registry = Registry::new();
	let id = registry.register_type(&MetaType::new::<T>()).id;
	(id, registry.into())
}

/// The SCALE bytes that the chain's types give a value.
fn encoded<T: TypeInfo + 'static>(value: &Value) -> Vec<u8> {
	let (id, registry) = registry::<T>();
	let mut bytes = Vec::new();
	encode_as_type(value, id, &registry, &mut bytes).unwrap();
	bytes
}

fn decoded<T: TypeInfo + 'static, Raw: DecodeAsType>(bytes: &[u8]) -> Raw {
	let (id, registry) = registry::<T>();
	let mut rest = bytes;
	let raw = Raw::decode_as_type(&mut rest, id, &registry).unwrap();
	assert!(rest.is_empty());
	raw
}

fn part() -> ProofPart {
	let path = |n: u8| Path { siblings: (0..n).map(|i| [i; 32]).collect() };
	let roots = |n: u8| RootsOpening {
		roots: (0..n).map(|i| [i ^ 0x40; 32]).collect(),
		siblings: (0..n).map(|i| [i ^ 0x80; 32]).collect(),
	};
	ProofPart {
		accusation: Accusation { step: 3, node: 700, tile: 1 << 40 },
		part: 2,
		trace: ([1; 32], path(3)),
		before: Some(([2; 32], path(1))),
		claimed: ([3; 32], path(0)),
		anchors: roots(2),
		lazy: roots(3),
		states: roots(1),
		operands: vec![
			TilesOpening { tiles: (0..2048).map(|i| i as u8).collect(), siblings: vec![[9; 32]] },
			TilesOpening::default(),
		],
	}
}

#[test]
fn part_should_have_its_own_bytes_when_it_goes_through_metadata() {
	for part in [part(), ProofPart { before: None, operands: vec![], ..part() }] {
		assert_eq!(encoded::<ProofPart>(&part_value(&part)), part.encode());
	}
}

#[test]
fn children_should_keep_their_bounds_when_there_is_one_or_many() {
	#[derive(TypeInfo)]
	#[allow(dead_code)] // Stands for the shape of a bounded vector.
	struct Bounded(Vec<Hash>);
	for count in [1u8, 2, 32, 200] {
		let children: Vec<Hash> = (0..count).map(|i| [i; 32]).collect();
		let value = Value::unnamed_composite([hashes(&children)]);
		assert_eq!(encoded::<Bounded>(&value), children.encode());
	}
}

#[test]
fn statement_should_have_its_own_bytes_when_it_goes_through_metadata() {
	// As the pallet has it.
	#[derive(TypeInfo)]
	#[allow(dead_code)]
	struct Statement {
		run_root: Hash,
		step: u32,
		anchor: u32,
		children: Bounded,
	}
	#[derive(TypeInfo)]
	#[allow(dead_code)]
	struct Bounded(Vec<Hash>);
	let children = vec![[5; 32], [6; 32]];
	let value = statement(&[1; 32], (2, 3), &children);
	assert_eq!(encoded::<Statement>(&value), ([1u8; 32], 2u32, 3u32, children).encode());
}

#[test]
fn list_should_be_read_as_such_when_it_is_demanded() {
	let place = Place::Lazy { step: 1, anchor: 4, level: 0, index: 0 };
	let view = view(assay_market::Turn::Answer(place));
	let lane = Lane::from(decoded::<View, RawLane>(&view.encode()));
	assert_eq!(lane.turn, Turn::Answer(place));
	assert_eq!(lane.to_json()["demanded"]["tree"], "lazy");
	let text = "lazy anchors before anchor 4 of step 1, level 0, group 0";
	assert_eq!(waits_for(&lane), text);
}

/// The shape of the chain's accounts.
#[derive(codec::Decode, Encode, TypeInfo)]
struct Account([u8; 32]);

type View = assay_market::LaneView<Account, u128, u32>;

fn view(turn: assay_market::Turn) -> View {
	View {
		job: 7,
		challenger: Account([5; 32]),
		deposit: 12,
		opened_at: 100,
		turn,
		deadline: 130,
		opened: vec![
			(Place::Run { level: 0, index: 0 }, vec![[1; 32], [2; 32]]),
			(Place::Trace { step: 1, level: 0, index: 0 }, vec![[3; 32]]),
		],
		list: Some([4; 32]),
		parts: 1,
		committed: true,
	}
}

#[test]
fn lane_should_be_what_the_chain_has_when_read() {
	let place = Place::Tensor { step: 1, anchor: 4, level: 8, index: 0 };
	let view = view(assay_market::Turn::Answer(place));
	let lane = Lane::from(decoded::<View, RawLane>(&view.encode()));
	assert_eq!(lane.turn, Turn::Answer(place));
	assert_eq!((lane.challenger, lane.deposit, lane.deadline), ([5; 32], 12, 130));
	assert_eq!(lane.opened, view.opened);
	assert!(
		lane.committed && lane.list == Some([4; 32]) && lane.parts == 1 && lane.opened_at == 100
	);
	let json = lane.to_json();
	assert_eq!(json["turn"], "answer");
	assert_eq!(json["demanded"]["tree"], "tensor");
	assert_eq!(json["opened"][1]["step"], 1);
	assert_eq!(waits_for(&lane), "tensor 4 of step 1, level 8, group 0");
}

#[test]
fn lane_should_wait_for_its_challenger_when_nothing_is_owed() {
	let lane = decoded::<View, RawLane>(&view(assay_market::Turn::Move).encode());
	let lane = Lane::from(lane);
	assert_eq!(lane.turn, Turn::Move);
	assert_eq!(lane.to_json()["demanded"], serde_json::Value::Null);
	assert_eq!(waits_for(&lane), "the proof");
}

#[test]
fn disputed_result_should_be_read_by_name_when_it_has_more_fields() {
	let chain = assay_market::DisputedResult {
		order: [9; 32],
		program: [1; 32],
		input_roots: vec![[2; 32], [3; 32]],
		steps: 9,
		work_units: 1 << 50,
		run_root: [4; 32],
		trace_root: [5; 32],
		open: true,
	};
	let raw: RawResult = decoded::<assay_market::DisputedResult, _>(&chain.encode());
	assert_eq!((raw.steps, raw.open, raw.run_root), (9, true, [4; 32]));
	assert_eq!(raw.order, [9; 32]);
	assert_eq!(raw.input_roots, chain.input_roots);
}

#[test]
fn proof_commitment_should_be_the_chains_when_made() {
	let part = part();
	let proof = assay_market::proof_hash(&part);
	assert_eq!(
		proof_commitment(&[1; 32], &[7; 32], &[2; 32], &part),
		assay_market::proof_commitment(&[1; 32], &[7; 32], &[2; 32], &proof)
	);
}
