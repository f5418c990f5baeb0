//! Who verifies a job: a private draw, in which every validator finds out alone whether it has won.
//!
//! # Overview
//! When a result is to be audited the chain publishes a *lottery*: a seed that nobody could know when
//! the result was committed, and who takes part ([`LotteryTerms`]). Each validator of that session
//! evaluates the verifiable random function of its session key at [`transcript`] and keeps what comes
//! out, its [`Ticket`], to itself. From the ticket follows its *arrival* and from that its *tranche*
//! ([`tranche_of`]). It shows the ticket together with the commitment to its verdict, and not before:
//! until then nobody, neither the provider nor another validator, can tell who will verify.
//!
//! # The order
//! With u = output / 2^128 the arrival is
//!
//! ```text
//! x = −ln(u) · S / s        s: the validator's stake, S: the stake of all candidates
//! ```
//!
//! an exponentially distributed time of rate s / S. Sorting by x is the weighted sampling without
//! replacement of Efraimidis and Spirakis (*Weighted random sampling with a reservoir*, Information
//! Processing Letters 97, 2006), whose keys u^(1/s) are largest where x is smallest. All candidates
//! together have rate 1, so that about x of them arrive before x; tranche t are the arrivals in
//! `[t, t + 1) · size · width`. The first of several accounts arrives as one account with all of their
//! stake would: cutting stake up changes no chance of being among the first. Polkadot's approval voting
//! assigns its checkers by VRF and in tranches too; here the assignment stays hidden until the work is
//! done, and weighs stake.
//!
//! # Why a ticket cannot be chosen
//! The output of the function is unique for key and transcript (schnorrkel hashes the public key into
//! the input); key and stake are those of the session in which the lottery was opened and were planned a
//! session earlier; the transcript names chain, job and seed.
//!
//! # Fixed point
//! No floats: nodes must agree. The binary logarithm comes from repeated squaring of a mantissa of 64
//! bits (Knuth, TAOCP 1.2.2, exercise 25 tells of such methods), 32 fractional bits of it are kept, and
//! every step rounds down, so that a larger output never arrives later.

use crate::{Hash, JobId, VerifierId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{
	crypto::{VrfPublic, Wraps},
	sr25519::vrf::{VrfSignData, VrfSignature, VrfTranscript},
};
use sp_runtime::{helpers_128bit::multiply_by_rational_with_rounding, Rounding};

/// Label of the transcript that tickets sign.
pub const TICKET_LABEL: &[u8] = b"assay/lottery/1";

/// Context in which an output becomes a number.
pub const ARRIVAL_CONTEXT: &[u8] = b"assay/lottery/1/arrival";

/// Fractional bits of arrivals.
const FRACTION: u32 = 32;

/// ln 2, with 64 fractional bits, rounded down.
const LN_2: u128 = 0xB172_17F7_D1CF_79AB;

/// A VRF signature by a validator's `verifier` session key. Kept as bytes: whether they are a signature
/// only [`draw_output`] says.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct Ticket {
	/// The function's output, before it is bound to a key.
	pub pre_output: [u8; 32],
	/// That it is the output of this key.
	pub proof: [u8; 64],
}

impl From<&VrfSignature> for Ticket {
	fn from(signature: &VrfSignature) -> Self {
		let (mut pre_output, mut proof) = ([0; 32], [0; 64]);
		pre_output.copy_from_slice(signature.pre_output.0.as_bytes());
		proof.copy_from_slice(&signature.proof.0.to_bytes());
		Self { pre_output, proof }
	}
}

impl Ticket {
	/// The signature, `None` where the bytes are none.
	pub fn signature(&self) -> Option<VrfSignature> {
		self.using_encoded(|mut bytes| VrfSignature::decode(&mut bytes)).ok()
	}
}

/// What a lottery goes by, as it was when it was opened.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct LotteryTerms {
	/// How many validators may take part.
	pub candidates: u32,
	/// S: their stake together.
	pub stake: u128,
	/// How many verdicts are wanted where there are as many candidates.
	pub size: u32,
	/// Expected members of a tranche, in percent of `size`.
	pub width_percent: u32,
	/// How many tranches there are at most.
	pub max_tranches: u32,
}

/// A lottery that the chain has opened.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Lottery<BlockNumber> {
	/// Randomness mixed after the result was committed.
	pub seed: Hash,
	/// The session whose validators take part, with the stakes and keys that they have in it.
	pub session: u32,
	/// When it was opened.
	pub opened_at: BlockNumber,
	/// The last tranche that may commit by now, from 0.
	pub tranche: u32,
	/// What decides who is in which tranche.
	pub terms: LotteryTerms,
}

impl LotteryTerms {
	/// How many verdicts the audit wants.
	pub fn wanted(&self) -> u32 {
		self.size.min(self.candidates)
	}

	/// Members that a tranche is expected to have, in percent of one.
	fn tranche_percent(&self) -> u128 {
		u128::from(self.size) * u128::from(self.width_percent)
	}

	/// Whether there are so few candidates that all of them are in the first tranche.
	pub fn takes_everyone(&self) -> bool {
		u128::from(self.candidates) * 100 <= self.tranche_percent()
	}

	/// How many seats one audit has room for.
	pub fn capacity(&self) -> u32 {
		self.size.saturating_mul(4).saturating_add(4)
	}
}

/// What a ticket for this lottery signs.
pub fn transcript(genesis: &Hash, job: JobId, seed: &Hash) -> VrfSignData {
	VrfTranscript::new(
		TICKET_LABEL,
		&[(b"genesis", genesis), (b"job", &job.to_le_bytes()), (b"seed", seed)],
	)
	.into_sign_data()
}

/// The number that a ticket draws, `None` unless it is this key's ticket for these data.
pub fn draw_output(key: &VerifierId, data: &VrfSignData, ticket: &Ticket) -> Option<u128> {
	let signature = ticket.signature()?;
	if !key.as_inner_ref().vrf_verify(data, &signature) {
		return None;
	}
	output_of(key, data, &signature)
}

/// The number that a ticket draws *if it is genuine*: for whoever has asked [`draw_output`] before.
pub fn claimed_output(key: &VerifierId, data: &VrfSignData, ticket: &Ticket) -> Option<u128> {
	output_of(key, data, &ticket.signature()?)
}

fn output_of(key: &VerifierId, data: &VrfSignData, signature: &VrfSignature) -> Option<u128> {
	key.as_inner_ref()
		.make_bytes::<16>(ARRIVAL_CONTEXT, data.as_ref(), &signature.pre_output)
		.map(u128::from_le_bytes)
		.ok()
}

/// The tranche of a candidate with this output and stake, from 0. `None` for one that is in none of the
/// `max_tranches`, or that has no stake.
pub fn tranche_of(output: u128, stake: u128, terms: &LotteryTerms) -> Option<u32> {
	if stake == 0 {
		return None;
	}
	let tranche = if terms.takes_everyone() {
		0
	} else {
		let arrival = arrival(output, stake, terms.stake)?;
		let width = terms.tranche_percent() << FRACTION;
		u32::try_from(arrival.checked_mul(100)?.checked_div(width)?).ok()?
	};
	(tranche < terms.max_tranches).then_some(tranche)
}

/// `−ln(output / 2^128) · total / stake` with [`FRACTION`] fractional bits, `None` where that is more
/// than a number holds. An output of 0 counts as 1.
fn arrival(output: u128, stake: u128, total: u128) -> Option<u128> {
	multiply_by_rational_with_rounding(neg_ln(output), total, stake, Rounding::Down)
}

/// `−ln(output / 2^128)` with [`FRACTION`] fractional bits.
fn neg_ln(output: u128) -> u128 {
	let neg_log2 = (128u128 << FRACTION) - log2(output.max(1));
	// At most 128 · 2^32 · 2^64: no overflow.
	(neg_log2 * LN_2) >> 64
}

/// `log2(value)` with [`FRACTION`] fractional bits, rounded down; `value` is not 0.
///
/// Squaring a mantissa m in [1, 2) doubles its logarithm: where m² reaches 2 the next bit is 1. All
/// roundings are downwards and monotone, so the whole is monotone too.
fn log2(value: u128) -> u128 {
	let exponent = u128::BITS - 1 - value.leading_zeros();
	// The leading 64 bits, with 63 of them behind the point.
	let mut mantissa = (value << value.leading_zeros()) >> 64;
	let mut bits = u128::from(exponent);
	for _ in 0..FRACTION {
		let square = (mantissa * mantissa) >> 63;
		let carry = square >> 64;
		bits = bits << 1 | carry;
		mantissa = square >> carry;
	}
	bits
}
