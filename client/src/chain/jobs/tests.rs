//! Jobs as they are decoded.

use super::*;
use assay_job::{AbstainReason, Assurance, Audit, Checkpoints, Segments};
use codec::Encode;
use scale_info::{MetaType, PortableRegistry, Registry, TypeInfo};

/// A job that was paid.
pub fn job() -> Job {
	let mut job = Job::blank(3, [0xc; 32], AccountId32([1; 32]), [3; 32], Phase::Settled.into());
	job.provider = Some(AccountId32([2; 32]));
	job.barred = vec![AccountId32([0xe; 32])];
	job.input_roots = vec![[4; 32]];
	job.output_roots = vec![[7; 32]];
	job.steps = 1;
	job.work_units = 1000;
	job.input_bytes = 2048;
	job.output_bytes = 1024;
	job.audit_ppm = 500_000;
	job.price_start = 5;
	job.price_max = 9;
	job.price = Some(6);
	job.bond = Some(60);
	job.reason = Some(ReasonCode::Paid.into());
	job.run_root = Some([8; 32]);
	job
}

/// An account in the shape of the chain's, with its form in JSON.
#[derive(Clone, Encode, TypeInfo)]
struct Account([u8; 32]);

impl serde::Serialize for Account {
	fn serialize<S: serde::Serializer>(
		&self,
		serializer: S,
	) -> std::result::Result<S::Ok, S::Error> {
		serializer.serialize_str(&super::super::ss58(&self.0))
	}
}

/// What a client reads of a value of the chain, through the chain's own description of it.
fn read<T: Encode + TypeInfo + 'static, R: DecodeAsType>(value: &T) -> R {
	let mut registry = Registry::new();
	let id = registry.register_type(&MetaType::new::<T>()).id;
	let bytes = value.encode();
	let mut rest = &bytes[..];
	let read = R::decode_as_type(&mut rest, id, &PortableRegistry::from(registry)).unwrap();
	assert!(rest.is_empty());
	read
}

fn verdict<S>(status: S) -> VerdictView<Account, u32, Purpose, S> {
	VerdictView {
		account: Account([5; 32]),
		key: [6; 32],
		purpose: Purpose::Verify,
		tranche: 1,
		drawn_at: 14,
		status,
		segment: Some(2),
		commitment: Some([9; 32]),
		run_root: Some([8; 32]),
		matches: Some(true),
	}
}

#[test]
fn job_should_be_what_the_chain_has_when_read() {
	let mut view: JobView<Account, u128, u32> =
		JobView::blank(3, [0xc; 32], Account([1; 32]), [3; 32], Phase::Settled);
	view.provider = Some(Account([2; 32]));
	view.barred = vec![Account([0xe; 32])];
	view.assurance = Assurance {
		audit: Audit::Custom(sp_arithmetic::Permill::from_parts(1)),
		attestation: Attestation::OptedOut,
		segments: Some(Segments { steps: 16 }),
	};
	view.price_max = u128::MAX;
	view.price = Some(6);
	view.reason = Some(ReasonCode::Paid);
	view.deadline = Some(7);
	view.history = vec![(Phase::Posted, 10), (Phase::Settled, 20)];
	view.audited = Some(true);
	view.audit_requested = true;
	view.condemned = Some(ReasonCode::Withheld);
	view.checkpoints = Some(Checkpoints { manifest: [4; 32], digest: [5; 32] });
	view.segment_roots = vec![[7; 32]];
	view.verdicts = [
		SeatStatus::Pending,
		SeatStatus::Attested(false),
		SeatStatus::Abstained(AbstainReason::DeviceFault),
		SeatStatus::Opened,
	]
	.map(verdict)
	.into();
	let job: Job = read(&view);
	assert_eq!(job.provider, Some(AccountId32([2; 32])));
	assert_eq!(job.history[1], (Phase::Settled.into(), 20));
	assert_eq!(job.verdicts[2].status.to_string(), "Abstained(DeviceFault)");
	assert!(job.phase.is_terminal() && job.reason == Some(ReasonCode::Paid.into()));
	// All of it, and as the node prints it.
	assert_eq!(serde_json::to_value(job).unwrap(), serde_json::to_value(view).unwrap());
}

#[test]
fn job_should_be_read_by_name_when_the_runtime_is_a_later_one() {
	#[derive(Encode, TypeInfo)]
	enum LaterPhase {
		#[allow(dead_code)] // Moves the others.
		Drafted,
		Open,
		Paused(u8),
	}
	#[derive(Encode, TypeInfo)]
	enum LaterStatus {
		Abstained(LaterReason),
		Revealed,
	}
	#[derive(Encode, TypeInfo)]
	enum LaterReason {
		Asleep,
	}
	#[derive(Encode, TypeInfo)]
	struct LaterVerdict {
		a_field_of_a_later_runtime: Vec<u32>,
		status: LaterStatus,
		account: Account,
		key: Hash,
		purpose: Purpose,
		tranche: u32,
		drawn_at: u64,
		segment: Option<u32>,
		commitment: Option<Hash>,
		run_root: Option<Hash>,
		matches: Option<bool>,
	}
	let later = |status| {
		let verdict = verdict(());
		LaterVerdict {
			a_field_of_a_later_runtime: vec![1, 2],
			status,
			account: verdict.account,
			key: verdict.key,
			purpose: verdict.purpose,
			tranche: verdict.tranche,
			drawn_at: verdict.drawn_at.into(),
			segment: verdict.segment,
			commitment: verdict.commitment,
			run_root: verdict.run_root,
			matches: verdict.matches,
		}
	};
	let mut view: JobView<Account, u64, u64, LaterPhase, ReasonCode, LaterVerdict> =
		JobView::blank(3, [0xc; 32], Account([1; 32]), [3; 32], LaterPhase::Paused(9));
	view.history = vec![(LaterPhase::Open, 10)];
	view.verdicts =
		vec![later(LaterStatus::Abstained(LaterReason::Asleep)), later(LaterStatus::Revealed)];
	let job: Job = read(&view);
	assert_eq!(job.phase, Named::Unknown("Paused".into()));
	assert!(!job.phase.is_terminal());
	assert_eq!(job.history, [(Phase::Open.into(), 10)]);
	assert_eq!(job.verdicts[0].status, Named::Unknown("Abstained".into()));
	assert_eq!(job.verdicts[1].status, SeatStatus::Revealed.into());
	assert_eq!((job.verdicts[1].matches, job.archived), (Some(true), false));
	assert_eq!(serde_json::to_value(job).unwrap()["phase"], "Paused");
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
