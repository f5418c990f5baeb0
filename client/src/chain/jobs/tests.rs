//! Views by name.

use super::*;

fn some(v: Value) -> Value {
	Value::unnamed_variant("Some", [v])
}

fn none() -> Value {
	Value::unnamed_variant("None", [])
}

fn name(text: &str) -> Value {
	Value::unnamed_variant(text, [])
}

pub fn view() -> Value {
	let verdict = Value::named_composite([
		("account", Value::unnamed_composite([Value::from_bytes([5u8; 32])])),
		("key", Value::from_bytes([6u8; 32])),
		("purpose", name("Verify")),
		("tranche", value!(0u8)),
		("drawn_at", value!(14u8)),
		("status", Value::unnamed_variant("Abstained", [name("DeviceFault")])),
		("segment", some(value!(2u8))),
		("commitment", none()),
		("run_root", some(Value::from_bytes([8u8; 32]))),
		("matches", some(value!(true))),
	]);
	Value::named_composite([
		("id", value!(3u8)),
		("order", Value::from_bytes([0xcu8; 32])),
		("requester", Value::unnamed_composite([Value::from_bytes([1u8; 32])])),
		("provider", some(Value::unnamed_composite([Value::from_bytes([2u8; 32])]))),
		("barred", Value::unnamed_composite([Value::from_bytes([0xeu8; 32])])),
		("program", Value::from_bytes([3u8; 32])),
		("input_roots", Value::unnamed_composite([Value::from_bytes([4u8; 32])])),
		("steps", value!(1u8)),
		("work_units", value!(1000u32)),
		("input_bytes", value!(2048u32)),
		("output_bytes", value!(1024u32)),
		(
			"assurance",
			Value::named_composite([
				("audit", name("Standard")),
				("attestation", name("Required")),
				("segments", some(Value::named_composite([("steps", value!(16u8))]))),
			]),
		),
		("audit_ppm", value!(500000u32)),
		("price_start", Value::u128(5)),
		("price_max", Value::u128(9)),
		("ramp_blocks", value!(10u8)),
		("price", some(Value::u128(6))),
		("current_price", none()),
		("bond", some(Value::u128(60))),
		("escrow", Value::u128(0)),
		("deposit", Value::u128(7)),
		("phase", name("Settled")),
		("reason", some(name("Paid"))),
		("deadline", none()),
		(
			"history",
			Value::unnamed_composite([
				Value::unnamed_composite([name("Posted"), value!(10u8)]),
				Value::unnamed_composite([name("Settled"), value!(20u8)]),
			]),
		),
		("audited", some(value!(true))),
		("audit_requested", value!(false)),
		("commitment", some(Value::from_bytes([9u8; 32]))),
		("run_root", some(Value::from_bytes([8u8; 32]))),
		("trace_root", some(Value::from_bytes([0xau8; 32]))),
		("condemned", none()),
		("output_roots", Value::unnamed_composite([Value::from_bytes([7u8; 32])])),
		("segment_roots", Value::unnamed_composite([Value::from_bytes([7u8; 32])])),
		("verdicts", Value::unnamed_composite([verdict])),
		("paid", Value::u128(6)),
		("refunded", Value::u128(3)),
		("burned", Value::u128(0)),
		("archived", value!(false)),
		("a_field_of_a_later_runtime", value!(1u8)),
	])
}

#[test]
fn lottery_should_be_read_by_name_when_one_is_open() {
	let terms = Value::named_composite([
		("candidates", value!(2u8)),
		("stake", Value::u128(1 << 90)),
		("size", value!(3u8)),
		("width_percent", value!(150u8)),
		("max_tranches", value!(2u8)),
	]);
	let value = Value::named_composite([
		("seed", Value::from_bytes([1u8; 32])),
		("session", value!(4u8)),
		("opened_at", value!(20u8)),
		("tranche", value!(1u8)),
		("terms", terms),
	]);
	let lottery = Lottery::read(&value).unwrap();
	assert_eq!((lottery.tranche, lottery.max_tranches, lottery.opened_at), (1, 2, 20));
	assert_eq!(lottery.wanted, 2, "there are no more candidates");
	assert_eq!(lottery.to_json()["candidates"], 2);
	// Nothing that tells who has won; the seed alone does not.
	assert_eq!(lottery.to_json().as_object().unwrap().len(), 5);
}

#[test]
fn job_should_be_read_by_name_when_runtime_adds_fields() {
	let job = Job::read(&view()).unwrap();
	assert_eq!((job.id, job.price, job.price_max), (3, Some(6), 9));
	assert_eq!(job.provider, Some([2; 32]));
	assert_eq!((job.order, job.barred.clone()), ([0xc; 32], vec![[0xe; 32]]));
	assert_eq!((job.input_bytes, job.output_bytes, job.attested), (2048, 1024, true));
	assert_eq!(job.input_roots, [[4; 32]]);
	assert_eq!(job.history, [("Posted".into(), 10), ("Settled".into(), 20)]);
	assert_eq!((job.segment_steps, job.segment_roots.len()), (Some(16), 1));
	assert_eq!(job.verdicts[0].segment, Some(2));
	assert_eq!(job.verdicts[0].status, "Abstained(DeviceFault)");
	assert!(job.is_over());
	assert_eq!(job.entered("Settled"), Some(20));
	let json = job.to_json();
	assert_eq!(json["price"], "6");
	assert_eq!(json["order"], format!("0x{}", "0c".repeat(32)));
	assert_eq!(json["deposit"], "7");
	assert_eq!(json["reason"], "Paid");
	assert_eq!(json["verdicts"][0]["runRoot"], format!("0x{}", "08".repeat(32)));
}
