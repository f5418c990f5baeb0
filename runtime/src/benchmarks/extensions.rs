//! Benchmarks of the runtime's transaction extension, each in the worst case that its text names.

use super::Stage;
use crate::{
	extensions::RefuseSignedVerifierCalls, AccountId, Jobs, Programs, Runtime, RuntimeCall,
	RuntimeOrigin,
};
use alloc::{vec, vec::Vec};
use assay_market::{Disputes, Hash, JobId, VerifierId};
use codec::Decode;
use frame_benchmarking::v2::*;
use frame_support::{
	dispatch::{DispatchInfo, GetDispatchInfo},
	pallet_prelude::TransactionSource,
};
use pallet_assay_arbitration::BenchmarkHelper;
use sp_runtime::traits::{
	transaction_extension::TxBaseImplication, TrailingZeroInput, TransactionExtension,
};

/// What is benchmarked.
pub struct Pallet<T: Config>(core::marker::PhantomData<T>);

/// Any runtime; the extension knows only this one.
pub trait Config: frame_system::Config {}

impl Config for Runtime {}

fn is_admitted(who: &AccountId, call: &RuntimeCall, info: &DispatchInfo) -> bool {
	let origin = RuntimeOrigin::signed(who.clone());
	let implication = TxBaseImplication(());
	let source = TransactionSource::External;
	RefuseSignedVerifierCalls.validate(origin, call, info, 0, (), &implication, source).is_ok()
}

/// A result that is open to disputes, of a job with as many inputs as there can be.
fn largest_job(who: &AccountId) -> (JobId, Hash) {
	let program = <Stage as pallet_assay_jobs::BenchmarkHelper<AccountId>>::program(1, 1);
	let key = VerifierId::decode(&mut TrailingZeroInput::zeroes())
		.expect("public keys decode from zeroes; qed");
	let inputs: Vec<Hash> = vec![[3; 32]; 256];
	let id = <Stage as BenchmarkHelper<AccountId>>::opened(
		Programs::bytes(&program).expect("it was registered; qed"),
		inputs,
		1,
		[1; 32],
		[2; 32],
		(who.clone(), key),
	);
	(id, <Jobs as Disputes<_, _, _>>::order(id).expect("the job was just opened; qed"))
}

#[benchmarks]
mod benches {
	use super::*;

	/// Of a call that the extension has nothing against there is only its kind to look at.
	#[benchmark]
	fn look_at_call() {
		let who: AccountId = account("who", 0, 0);
		let call: RuntimeCall = frame_system::Call::remark { remark: Vec::new() }.into();
		let info = call.get_dispatch_info();
		let admitted;
		#[block]
		{
			admitted = is_admitted(&who, &call, &info);
		}
		assert!(admitted);
	}

	/// A dispute about the largest record of a job: whether its result can be disputed depends on
	/// the market's parameters, too.
	#[benchmark]
	fn look_up_job() {
		let who: AccountId = account("who", 0, 0);
		let (job, order) = largest_job(&who);
		let call = pallet_assay_arbitration::Call::demand { job, order, child: None, list: None };
		let call: RuntimeCall = call.into();
		let info = call.get_dispatch_info();
		let admitted;
		#[block]
		{
			admitted = is_admitted(&who, &call, &info);
		}
		assert!(admitted);
	}
}
