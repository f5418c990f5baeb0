//! Benchmarks of every call, each in the worst case that its text names.

use super::*;
use alloc::{format, vec, vec::Vec};
use assay_program::{
	ops::{DType, Op, TensorType, View},
	program_id, Effort, Limits, Operand, Program, ProgramBuilder, MAX_PROGRAM_BYTES,
};
use frame_benchmarking::v2::*;
use frame_support::{
	assert_ok,
	traits::fungible::{Inspect, Mutate},
};
use frame_system::RawOrigin;
use sp_runtime::traits::Saturating;

const SEED: u32 = 0;
/// Bytes of a program around its nodes and its filler.
const FRAME_BYTES: u32 = 200;
/// Bytes of one copy of the node before.
const COPY_BYTES: u32 = 12;

fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).expect("the benchmarks' shapes are valid; qed")
}

/// Almost `length` bytes: as many eager anchors as fit into the first half and the format, the rest
/// one constant.
fn long_program(length: u32) -> Vec<u8> {
	let copies = (length.saturating_sub(FRAME_BYTES) / 2 / COPY_BYTES).min(4_000);
	let bare = program_of(copies, 1).len() as u32;
	// Lengths are compact numbers, which take up to four bytes more in two shapes and one list.
	program_of(copies, length.saturating_sub(bare).saturating_sub(12).max(1))
}

fn program_of(copies: u32, filler: u32) -> Vec<u8> {
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", ty(DType::I8, &[32, 32]));
	let mut last = builder.copy(x);
	builder.eager(last);
	for _ in 0..copies {
		last = builder.copy(last);
		builder.eager(last);
	}
	builder.output("y", last);
	let z = builder.input("z", ty(DType::I8, &[filler]));
	let constant = builder.constant(ty(DType::I8, &[filler]), vec![1; filler as usize]);
	let sum = builder.add(z, constant, DType::I8);
	builder.output("sum", sum);
	builder.build().expect("the benchmark's program is well-formed; qed").encode()
}

/// A program whose referee analysis runs into its step limit: many anchors above virtual matrix
/// products that fork through views.
fn complex_program() -> Program {
	let shape = ty(DType::I8, &[8, 8]);
	let view = |offset: u32, strides: [u32; 2]| View {
		shape: shape.shape.clone(),
		offset,
		strides: strides.to_vec(),
	};
	let mut builder = ProgramBuilder::new();
	let mut last = builder.input("x", shape.clone());
	for i in 0..100u32 {
		let strides = [i % 3, (i / 3) % 7];
		let offset = (i * 7) % (64 - 7 * (strides[0] + strides[1]));
		let sums = builder.matmul(
			Operand::viewed(last, view(offset, strides)),
			Operand::viewed(last, view(offset / 2, [strides[1], strides[0]])),
		);
		last = builder.cast(sums, DType::I8);
	}
	for i in 0..60 {
		let copy = builder.copy(last);
		builder.output(&format!("y{i}"), copy);
	}
	builder.build().expect("the benchmark's program is well-formed; qed")
}

/// A program whose referee analysis runs into its step limit in one tensor that is seen in
/// thousands of ways: concatenations above each other, each of 15 views of an input and of the one
/// below, which nine anchors read.
fn views_program() -> Program {
	const CHAIN: u32 = 31;
	let one = |source, offset: u32| {
		let shape = ty(DType::I8, &[1]).shape;
		Operand::viewed(source, View { shape, offset, strides: vec![0] })
	};
	let concat =
		|builder: &mut ProgramBuilder, operands| builder.node(Op::Concat { axis: 0 }, operands);
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", ty(DType::I8, &[256]));
	let mut last = concat(&mut builder, (1..=16).map(|at| one(x, at)).collect());
	for i in 1..CHAIN {
		let views = (0..15).map(|k| one(x, (i * 15 + k) % 255 + 1));
		let operands = core::iter::once(Operand::from(last)).chain(views).collect();
		last = concat(&mut builder, operands);
	}
	let length = 1 + 15 * CHAIN;
	for i in 0..9 {
		let ends = (1..=16).map(|at| one(last, length - at - i)).collect();
		let y = concat(&mut builder, ends);
		builder.output(&format!("y{i}"), y);
	}
	builder.build().expect("the benchmark's program is well-formed; qed")
}

fn funded<T: Config>() -> T::AccountId {
	let who: T::AccountId = account("owner", 0, SEED);
	let plans = <AnchorPlans as codec::MaxEncodedLen>::max_encoded_len();
	let funds = Pallet::<T>::deposit((MAX_PROGRAM_BYTES + plans) as u32)
		.saturating_add(T::Currency::minimum_balance())
		.saturating_mul(2u32.into());
	assert_ok!(T::Currency::mint_into(&who, funds).map(|_| ()));
	who
}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// As many anchors as fit into `b` bytes, since each has a plan that is stored; the referee
	/// analysis of such a program is short, and is charged in addition.
	#[benchmark]
	fn register_program(b: Linear<512, { MAX_PROGRAM_BYTES as u32 }>) {
		let owner = funded::<T>();
		let bytes = long_program(b);
		assert!(bytes.len() as u32 <= b);
		let id = program_id(&bytes);
		let program: ProgramBytes = bytes.try_into().expect("at most b; qed");
		#[extrinsic_call]
		_(RawOrigin::Signed(owner), program);
		assert!(Programs::<T>::contains_key(id));
		assert!(Plans::<T>::contains_key(id));
	}

	/// The referee analysis at its step limit. Not a call: a part of `register_program`.
	#[benchmark]
	fn analysis() {
		let program = complex_program();
		let result;
		#[block]
		{
			result = program.check(&Limits::V1);
		}
		assert!(matches!(result, Err(assay_program::CheckError::TooComplex { .. })));
	}

	/// The same where every step is one of sixteen ways in which a node sees another one.
	#[benchmark]
	fn analysis_of_views() {
		let program = views_program();
		let mut effort = Effort::default();
		let result;
		#[block]
		{
			result = program.check_counting(&Limits::V1, &mut effort);
		}
		assert!(matches!(result, Err(assay_program::CheckError::TooComplex { .. })));
		assert!(effort.steps > Limits::V1.analysis_steps, "{effort:?}");
	}

	/// The longest program with the most plans.
	#[benchmark]
	fn remove_program() {
		let owner = funded::<T>();
		let bytes = long_program(MAX_PROGRAM_BYTES as u32);
		let id = program_id(&bytes);
		let program: ProgramBytes = bytes.try_into().expect("at most 256 KiB; qed");
		assert_ok!(Pallet::<T>::do_register(owner.clone(), program));
		#[extrinsic_call]
		_(RawOrigin::Signed(owner), id);
		assert!(!Programs::<T>::contains_key(id));
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::mock::ExtBuilder::default().build(),
		crate::mock::Test
	);
}
