//! What the corpora hold: bytes that the real encoders give, each named by what it is.

use crate::honest::{folded, gathered, looked_up, stateful};
use assay_ops::{DType, Geometry, Narrow, NormKind, Op, PoolKind, Relation, TensorType, View};
use assay_program::{Limits, Operand, ProgramBuilder, Source};
use assay_referee::sample::Position;
use assay_testing::hard::HARD;
use assay_worker_protocol::{
	encode, Done, Hello, InputFile, JobFault, KeptFile, LocalFault, LocalFaultKind, OutputFile,
	Progress, Record, Recorded, Reply, Request, Run, Stage,
};
use codec::Encode;

type Seeds = Vec<(String, Vec<u8>)>;

fn named<const N: usize>(seeds: [(&str, Vec<u8>); N]) -> Seeds {
	seeds.into_iter().map(|(name, bytes)| (name.into(), bytes)).collect()
}

fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).expect("a small shape")
}

fn built(make: impl FnOnce(&mut ProgramBuilder) -> Source) -> Vec<u8> {
	let mut b = ProgramBuilder::new();
	let node = make(&mut b);
	b.output("y", node);
	b.build().expect("well-formed").encode()
}

/// Programs; small ones of every shape that is hard on the check and the referee among them.
pub fn program() -> Seeds {
	let hard = HARD.iter().map(|hard| {
		let name: String = hard.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
		// The largest small one that is admitted.
		let sizes = (1..=hard.most.min(5)).rev();
		let admitted = sizes
			.map(|size| (hard.make)(size))
			.find(|program| program.check(&Limits::V1).is_ok())
			.unwrap_or_else(|| (hard.make)(1));
		(format!("hard-{}", name.replace("--", "-")), admitted.encode())
	});
	let plain = named([
		("state", stateful().program.encode()),
		("matmul", folded().program.encode()),
		(
			"matmul-narrow",
			built(|b| {
				let x = b.input("x", ty(DType::I16, &[5, 40]));
				let w = b.input("w", ty(DType::I16, &[3, 40]));
				let to = DType::I16;
				b.matmul_narrow(x, w, Narrow { multiplier: 12_345, shift: 21, to })
			}),
		),
		(
			"requant",
			built(|b| {
				let x = b.input("x", ty(DType::I8, &[5, 40]));
				let w = b.input("w", ty(DType::I8, &[3, 40]));
				let sums = b.matmul(x, w);
				let multiplier = b.constant_values(ty(DType::I16, &[3]), &[20_000, 17_000, 30_000]);
				let shift = b.constant_values(ty(DType::I8, &[1]), &[20]);
				let bias = b.constant_values(ty(DType::I32, &[3]), &[1, -2, 3]);
				b.requant(sums, multiplier, shift, Some(bias.into()), DType::I8)
			}),
		),
		(
			"elementwise",
			built(|b| {
				let x = b.input("x", ty(DType::I16, &[9, 20]));
				let y = b.input("y", ty(DType::I16, &[9, 20]));
				let sum = b.add(x, y, DType::I32);
				let product = b.mul(x, y, DType::I32);
				let difference = b.sub(sum, product, DType::I16);
				let largest = b.node(Op::Max, vec![difference.into(), x.into()]);
				let least = b.node(Op::Min, vec![largest.into(), y.into()]);
				let clamped = b.clamp(least, -5_000, 7_000);
				b.cast(clamped, DType::I8)
			}),
		),
		(
			"lut",
			built(|b| {
				let x = b.input("x", ty(DType::I8, &[50]));
				let table: Vec<i32> = (0..256).map(|at| at - 100).collect();
				let table = b.constant_values(ty(DType::I8, &[256]), &table);
				b.lut(x, table)
			}),
		),
		(
			"reductions",
			built(|b| {
				let x = b.input("x", ty(DType::I8, &[6, 7, 8]));
				let sums = b.reduce_sum(x, 0, DType::I32);
				b.output("sums", sums);
				let largest = b.reduce_max(x, 2);
				b.output("largest", largest);
				b.arg_max(x, 1)
			}),
		),
		(
			"views",
			built(|b| {
				let x = b.input("x", ty(DType::I8, &[12, 9]));
				let turned = View::transpose(&ty(DType::I8, &[12, 9]).shape, &[1, 0]);
				let turned = turned.expect("a permutation");
				let copy = b.copy(Operand::viewed(x, turned));
				let every = View { shape: ty(DType::I8, &[10]).shape, offset: 3, strides: vec![7] };
				let some = b.copy(Operand::viewed(copy, every));
				b.output("some", some);
				b.split(copy, 1)
			}),
		),
		("rows-of-a-table", gathered().program.encode()),
		(
			"convolution",
			built(|b| {
				let x = b.input("x", ty(DType::I8, &[1, 7, 8, 4]));
				let w = b.input("w", ty(DType::I8, &[6, 3, 3, 2]));
				let geometry = Geometry {
					stride: [2, 1],
					pad: [[1, 1], [-1, 2]],
					input_dilation: [1, 2],
					kernel_dilation: [1, 1],
					flip: true,
					groups: 2,
				};
				let sums = b.conv2d(x, w, geometry, None, None);
				let (kind, to) = (PoolKind::Max, DType::I32);
				let pad = [[0, 1], [1, 0]];
				let pool = Op::Pool { kind, kernel: [2, 2], stride: [1, 2], pad, to };
				b.node(pool, vec![sums.into()])
			}),
		),
		(
			"attention",
			built(|b| {
				let x = b.input("x", ty(DType::I16, &[2, 5, 8]));
				let gamma = b.constant_values(ty(DType::I16, &[8]), &[1_000; 8]);
				let beta = b.constant_values(ty(DType::I32, &[1]), &[-3]);
				let norm = b.norm(x, gamma, beta, (NormKind::Layer, 1), 0, DType::I16);
				let shift = b.input("shift", ty(DType::I8, &[1]));
				let narrow = Narrow { multiplier: 300, shift: 9, to: DType::I16 };
				let scores = b.batch_matmul(norm, norm, Some(narrow), Some(shift.into()));
				let scale = b.node(
					Op::RowScale { kind: NormKind::Rms, epsilon: 0, shift: 20 },
					vec![x.into()],
				);
				b.output("scale", scale);
				let top = b.node(Op::TopK { k: 2, values: false }, vec![scores.into()]);
				b.output("top", top);
				b.softmax(scores, 23, 4, DType::I16)
			}),
		),
		(
			"rounding",
			built(|b| {
				let shape = ty(DType::I32, &[6, 9]);
				let a = b.input("a", shape);
				let seed = b.input("seed", ty(DType::I32, &[2]));
				let step = b.input("step", ty(DType::I32, &[1]));
				let bits = b.philox(seed, step, shape.shape, 7);
				let length = b.node(Op::BitLen, vec![a.into()]);
				let random = b.node(
					Op::ShiftRandom { to: DType::I16 },
					vec![a.into(), length.into(), bits.into()],
				);
				let plain = b.node(Op::ShiftBy { to: DType::I16 }, vec![a.into(), length.into()]);
				let less = b.compare(random, plain, Relation::Less);
				let chosen = b.select(less, random, plain);
				let table: Vec<i32> = (0..9).map(|at| at * at * 100).collect();
				let table = b.constant_values(ty(DType::I16, &[9]), &table);
				let y = b.lut_interp(chosen, table);
				let root = b.node(Op::Rsqrt { shift: 12 }, vec![a.into()]);
				b.int_div(y, root, 10, DType::I32)
			}),
		),
		(
			"rows",
			built(|b| {
				let updates = b.input("updates", ty(DType::I16, &[9, 6]));
				let indices = b.input("indices", ty(DType::I8, &[9]));
				let rows = b.scatter_add(updates, indices, 12, DType::I32);
				let positions = b.iota(ty(DType::I32, &[3, 6]).shape, 0);
				let joined = b.concat(vec![rows.into(), positions.into()], 0);
				let padded = b.pad(joined, 1, 1, 2, -5);
				let small = b.cast(padded, DType::I16);
				let scaled = b.mul_shift(small, padded, 3, DType::I16);
				b.reduce_sum_product(scaled, padded, 1, 4, DType::I32)
			}),
		),
		(
			"sums",
			built(|b| {
				let x = b.input("x", ty(DType::I16, &[3, 40]));
				let sums = Op::CumSum { exclusive: true, reverse: true, to: DType::I8 };
				b.node(sums, vec![x.into()])
			}),
		),
	]);
	plain.into_iter().chain(hard).collect()
}

/// Parts of proofs.
pub fn proof() -> Seeds {
	named([
		("first-step", stateful().part(0, 0, 2, 0).encode()),
		("state-of-the-step-before", stateful().part(2, 0, 5, 0).encode()),
		("tensor-of-one-tile", stateful().part(1, 1, 0, 0).encode()),
		("first-of-several-parts", folded().part(0, 0, 0, 0).encode()),
		("rows-of-a-table", gathered().part(1, 2, 0, 0).encode()),
		("virtual-table", looked_up().part(0, 0, 0, 0).encode()),
		("second-of-several-parts", folded().part(0, 0, 0, 1).encode()),
	])
}

/// Chunks of traces.
pub fn sample() -> Seeds {
	let at = |step, anchor, tile| Position { step, anchor, tile };
	named([
		("first-step", stateful().chunk(&at(0, 0, 1)).encode()),
		("last-step", stateful().chunk(&at(2, 0, 2)).encode()),
		("tensor-of-one-tile", stateful().chunk(&at(1, 1, 0)).encode()),
		("run-of-one-tile", folded().chunk(&at(0, 0, 0)).encode()),
	])
}

/// Messages and frames.
pub fn frames() -> Seeds {
	let file = OutputFile { root: [3; 32], name: "out-03".into(), len: 1_024 };
	let run = Request::Run(Run {
		job: 7,
		program: folded().program.encode(),
		inputs: vec![InputFile { root: [1; 32], path: "in/01".into() }; 2],
		start: Some(vec![InputFile { root: [2; 32], path: "in/02".into() }]),
		steps: 3,
		adapter: Some("cpu".into()),
		audit_tiles: 5,
		keep: vec![Source::Node(0), Source::State(1)],
		record: Record { checkpoint_every: 2, anchors: true, trees: vec![0] },
	});
	let progress = Reply::Progress(Progress { stage: Stage::Running, done: 5, total: 10 });
	let done = Reply::Done(Done {
		run_root: [4; 32],
		trace_roots: vec![[5; 32]; 3],
		last_anchors: vec![[6; 32]; 2],
		last_lazy: vec![[7; 32]],
		outputs: vec![file.clone()],
		kept: vec![KeptFile { source: Source::Node(0), file: file.clone() }],
		recorded: Recorded { manifest: None, anchors: Some(file.clone()), trees: Some(file) },
		device: "llvmpipe".into(),
		milliseconds: 1_234,
		audited_tiles: 15,
		audit_seed: 99,
	});
	let fault = Reply::JobFault(JobFault::InputLength { index: 1, expected: 1_024, found: 7 });
	let local = Reply::LocalFault(LocalFault {
		kind: LocalFaultKind::Memory,
		text: "the device has 1 GiB".into(),
	});
	let frame = |message: &Reply| encode(message).expect("a short message");
	let stream = [frame(&progress), frame(&progress), frame(&done)].concat();
	named([
		// Of this version of the package; written again with each.
		("hello", Hello::ours().encode()),
		("hello-of-another-version", Hello { protocol: 999, ..Hello::ours() }.encode()),
		("request", run.encode()),
		("request-as-a-frame", encode(&run).expect("a short message")),
		("progress", progress.encode()),
		("done", done.encode()),
		("job-fault", fault.encode()),
		("local-fault", local.encode()),
		("a-run-as-frames", stream),
	])
}
