//! Edge values computed by `vectors/generate.py`, independently of this crate.

use assay_ops::{evaluate, DType, Narrow, Op, Operand, TensorType, Values};

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
			other => panic!("unknown rule {other:?}"),
		};
		let operands: Vec<_> = operands.iter().map(Operand::from).collect();
		let result = evaluate(&op, &operands, None).unwrap();
		assert_eq!(result.data(), &[expected as i32], "{line}");
		rows += 1;
	}
	assert_eq!(rows, 2607);
}
