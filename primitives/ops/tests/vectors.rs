//! Edge values computed by `vectors/generate.py`, independently of this crate.

use assay_ops::{evaluate, DType, Narrow, NormKind, Op, Operand, TensorType, Values};

fn tensor(dtype: DType, values: &[i64]) -> Values {
	let ty = TensorType::new(dtype, &[values.len() as u32]).unwrap();
	Values::new(ty, values.iter().map(|value| i32::try_from(*value).unwrap()).collect()).unwrap()
}

#[test]
fn operator_should_give_the_committed_value_when_operands_are_edges() {
	let mut rows = 0;
	for line in include_str!("vectors/edges.tsv").lines() {
		let mut fields = line.split('\t');
		let rule = fields.next().unwrap();
		let to = match fields.next().unwrap() {
			"i8" => DType::I8,
			"i16" => DType::I16,
			_ => DType::I32,
		};
		let numbers: Vec<i64> = fields.map(|field| field.parse().unwrap()).collect();
		let (&expected, arguments) = numbers.split_last().unwrap();
		// Which element of the result, for rules on rows.
		let mut at = 0;
		let (op, operands) = match (rule, arguments) {
			("cast", &[a]) => (Op::Cast { to }, vec![tensor(DType::I32, &[a])]),
			("shift", &[a, by]) => (Op::Shift { by: by as i8, to }, vec![tensor(DType::I32, &[a])]),
			("add" | "sub" | "mul", &[a, b]) => (
				match rule {
					"add" => Op::Add { to },
					"sub" => Op::Sub { to },
					_ => Op::Mul { to },
				},
				vec![tensor(DType::I32, &[a]), tensor(DType::I32, &[b])],
			),
			("requant", &[acc, m, s, bias]) => (
				Op::Requant { to },
				vec![
					tensor(DType::I32, &[acc]),
					tensor(DType::I16, &[m]),
					tensor(DType::I8, &[s]),
					tensor(DType::I32, &[bias]),
				],
			),
			("matmul16", &[a, b, m, s]) => {
				let narrow = Narrow { multiplier: m as i16, shift: s as i8, to };
				let ty = TensorType::new(DType::I16, &[1, 1000]).unwrap();
				let full = |value: i64| Values::new(ty, vec![value as i32; 1000]).unwrap();
				(Op::MatMul { narrow: Some(narrow) }, vec![full(a), full(b)])
			}
			("int_div", &[a, b, shift]) => {
				let operands = vec![tensor(DType::I32, &[a]), tensor(DType::I32, &[b])];
				(Op::IntDiv { shift: shift as u8, to }, operands)
			}
			("mul_shift", &[a, b, shift]) => {
				let operands = vec![tensor(DType::I32, &[a]), tensor(DType::I32, &[b])];
				(Op::MulShift { shift: shift as i8, to }, operands)
			}
			("shift_random", &[a, shift, bits]) => {
				let shift = tensor(DType::I8, &[shift]);
				let operands = vec![tensor(DType::I32, &[a]), shift, tensor(DType::I32, &[bits])];
				(Op::ShiftRandom { to }, operands)
			}
			("bit_len", &[a]) => (Op::BitLen, vec![tensor(DType::I32, &[a])]),
			("rsqrt", &[a, shift]) => {
				(Op::Rsqrt { shift: shift as u8 }, vec![tensor(DType::I32, &[a])])
			}
			("lut_interp", &[a, left, right]) => {
				(Op::LutInterp, vec![tensor(DType::I16, &[a]), tensor(to, &[left, right, left])])
			}
			("softmax", &[multiplier, shift, ref row @ .., index]) => {
				at = index as usize;
				let op = Op::Softmax { multiplier: multiplier as i16, shift: shift as i8, to };
				(op, vec![tensor(DType::I16, row)])
			}
			("norm", &[kind, epsilon, shift, gamma, beta, ref row @ .., index]) => {
				at = index as usize;
				let kind = if kind == 0 { NormKind::Layer } else { NormKind::Rms };
				let op = Op::Norm { kind, epsilon: epsilon as u32, to, shift: shift as i8 };
				let gamma = tensor(DType::I16, &[gamma]);
				(op, vec![tensor(DType::I16, row), gamma, tensor(DType::I32, &[beta])])
			}
			("cum_sum", &[exclusive, reverse, ref row @ .., index]) => {
				at = index as usize;
				let (exclusive, reverse) = (exclusive == 1, reverse == 1);
				(Op::CumSum { exclusive, reverse, to }, vec![tensor(DType::I32, row)])
			}
			other => panic!("unknown rule {other:?}"),
		};
		let operands: Vec<_> = operands.iter().map(Operand::from).collect();
		let result = evaluate(&op, &operands, None).unwrap();
		assert_eq!(result.data()[at], expected as i32, "{line}");
		rows += 1;
	}
	assert_eq!(rows, 8952);
}
