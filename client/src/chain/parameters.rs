//! The numbers of the market that a provider and a requester reckon with, read by name.

use super::{chain_error, value::Read, Node};
use crate::error::{Error, Result};
use std::time::Duration;
use subxt::dynamic::{self, Value};

/// Work units that the price of work is for.
const PRICED_WORK: u128 = 1_000_000_000;
/// Bytes that the price of bytes is for.
const PRICED_BYTES: u128 = 1 << 20;
/// Parts per million.
const MILLION: u128 = 1_000_000;
/// Bytes that the record of a job is counted with, beside the roots of its inputs.
const RECORD_BYTES: u128 = 4_096;
/// How much more the deposit is where the market is full.
const FULL_FACTOR: u128 = 10;

/// `base + ⌈work / work_per_block⌉ + ⌈bytes / bytes_per_block⌉` blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
	/// Blocks that every job gets.
	pub base: u64,
	/// Work units that count as one more block.
	pub work_per_block: u64,
	/// Bytes that count as one more block.
	pub bytes_per_block: u64,
}

impl Clock {
	fn read(value: &Value) -> Result<Self> {
		Ok(Self {
			base: value.field("base")?.u64()?,
			work_per_block: value.field("work_per_block")?.u64()?.max(1),
			bytes_per_block: value.field("bytes_per_block")?.u64()?.max(1),
		})
	}

	/// Blocks for so much work and so many bytes.
	pub fn blocks(&self, work: u64, bytes: u64) -> u64 {
		self.base
			.saturating_add(work.div_ceil(self.work_per_block))
			.saturating_add(bytes.div_ceil(self.bytes_per_block))
	}
}

/// The part of the market's parameters that matters here; parts in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
	/// How long a provider has to run and commit.
	pub commit: Clock,
	/// Least price of any job.
	pub min_price: u128,
	/// What 10^9 work units add to it.
	pub work_price: u128,
	/// What a MiB of inputs and outputs adds to it.
	pub byte_price: u128,
	/// How many validators are drawn to attest the inputs, and as many to keep the outputs.
	pub attest_size: u128,
	/// Standard audit probability.
	pub audit: u128,
	/// How many verifiers a committee has.
	pub committee: u128,
	/// Expected winners of a tranche, in percent of that.
	pub tranche_width_percent: u128,
	/// What one committee may cost at least, as a part of the highest price.
	pub verifier_fee: u128,
	/// Blocks that the answers of one lane may take beside their own clocks.
	pub answer_queue: u64,
	/// What a silent provider loses of its bond, up to the price.
	pub stall_slash: u128,
	/// What a lane costs an account that was not drawn, as a part of the price.
	pub challenge_deposit: u128,
}

/// `⌈a · b / c⌉`, saturating.
fn multiply_up(a: u128, b: u128, c: u128) -> u128 {
	match a.checked_mul(b) {
		Some(product) => product.div_ceil(c.max(1)),
		None => (a / c.max(1)).saturating_add(1).saturating_mul(b),
	}
}

impl Parameters {
	/// Reads decoded `MarketParameters`.
	pub fn read(value: &Value) -> Result<Self> {
		Ok(Self {
			commit: Clock::read(value.field("commit")?)?,
			min_price: value.field("min_price")?.uint()?,
			work_price: value.field("work_price")?.uint()?,
			byte_price: value.field("byte_price")?.uint()?,
			attest_size: value.field("attest_size")?.uint()?,
			audit: value.field("audit")?.uint()?,
			committee: value.field("committee")?.uint()?,
			tranche_width_percent: value.field("tranche_width_percent")?.uint()?,
			verifier_fee: value.field("verifier_fee")?.uint()?,
			answer_queue: value.field("answer_queue")?.u64()?,
			stall_slash: value.field("stall_slash")?.uint()?,
			challenge_deposit: value.field("challenge_deposit")?.uint()?,
		})
	}

	/// The lowest price that a ramp may start at.
	pub fn least_price(&self, work: u64, bytes: u64) -> u128 {
		self.min_price
			.saturating_add(multiply_up(work.into(), self.work_price, PRICED_WORK))
			.saturating_add(multiply_up(bytes.into(), self.byte_price, PRICED_BYTES))
	}

	/// What is held for a job with this highest price: it, one committee's fee and the fee of those
	/// who hold its data. `audit` is in parts per million, `work` what one verifier replays,
	/// `bytes` those of inputs and outputs.
	pub fn escrow(&self, price_max: u128, work: u64, audit: u128, bytes: u64) -> u128 {
		let winners = audit.saturating_mul(self.committee);
		let shares = multiply_up(winners, self.tranche_width_percent, 100 * MILLION).max(1);
		let worth =
			multiply_up(u128::from(work).saturating_mul(shares), self.work_price, PRICED_WORK);
		let committee = multiply_up(price_max, self.verifier_fee, MILLION).max(worth);
		let each = u128::from(bytes).saturating_mul(2 * self.attest_size);
		let data = multiply_up(each, self.byte_price, PRICED_BYTES);
		price_max.saturating_add(committee).saturating_add(data)
	}

	/// What a silent provider loses.
	pub fn stall(&self, price: u128, bond: u128) -> u128 {
		(bond.saturating_mul(self.stall_slash) / MILLION).min(price)
	}

	/// What a lane costs an account that was not drawn, where `lanes` with a deposit are open in
	/// the job.
	pub fn lane_deposit(&self, price: u128, work: u64, lanes: u64) -> u128 {
		let one = multiply_up(price, self.challenge_deposit, MILLION);
		let one = one.max(self.least_price(work, 0));
		one.saturating_add(multiply_up(one, lanes.min(24).into(), 8))
	}
}

/// What is held for the record of a job with so many inputs, where `active` of `most` jobs have not
/// ended.
fn record_deposit(base: u128, per_byte: u128, inputs: u64, (active, most): (u64, u64)) -> u128 {
	let bytes = RECORD_BYTES.saturating_add(u128::from(inputs).saturating_mul(32));
	let record = base.saturating_add(per_byte.saturating_mul(bytes));
	let most = u128::from(most.max(1));
	let above_half = (2 * u128::from(active)).saturating_sub(most).min(most);
	multiply_up(record, most + (FULL_FACTOR - 1) * above_half, most)
}

impl Node {
	/// What is held for the record of a job with so many inputs, beside its escrow, if it is posted
	/// now.
	pub async fn record_deposit(&self, inputs: usize) -> Result<u128> {
		let active = match self.storage("Jobs", "ActiveJobs", vec![]).await? {
			Some(active) => active.u64()?,
			None => 0,
		};
		let at = self.best().await?;
		let number = |name: &str| {
			let address = dynamic::constant::<Value>("Jobs", name);
			at.constants().entry(address).map_err(chain_error)?.uint()
		};
		let most = u64::try_from(number("MaxActiveJobs")?).unwrap_or(u64::MAX);
		let (base, per_byte) = (number("JobDepositBase")?, number("JobDepositPerByte")?);
		Ok(record_deposit(base, per_byte, inputs as u64, (active, most)))
	}

	/// The market's parameters.
	pub async fn parameters(&self) -> Result<Parameters> {
		match self.storage("Jobs", "Parameters", vec![]).await? {
			Some(parameters) => Parameters::read(&parameters),
			None => Err(Error::new("chain-data", "the chain has no market parameters")
				.fix("use the client of the node's version")),
		}
	}

	/// How long a block takes.
	pub async fn block_time(&self) -> Result<Duration> {
		let address = dynamic::constant::<u64>("Babe", "ExpectedBlockTime");
		let at = self.best().await?;
		let milliseconds = at.constants().entry(address).map_err(chain_error)?;
		Ok(Duration::from_millis(milliseconds.max(1)))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	const UNIT: u128 = 1_000_000_000_000;
	type Chain = assay_market::MarketParameters<u128, u32>;

	/// A part in the chain's type, which no crate of ours names.
	fn sp_audit<T: codec::Decode>(ppm: u32) -> T {
		T::decode(&mut &codec::Encode::encode(&ppm)[..]).unwrap()
	}

	fn pair(chain: &Chain) -> Parameters {
		let clock = |clock: &assay_market::Clock<u32>| Clock {
			base: clock.base.into(),
			work_per_block: clock.work_per_block,
			bytes_per_block: clock.bytes_per_block,
		};
		Parameters {
			commit: clock(&chain.commit),
			min_price: chain.min_price,
			work_price: chain.work_price,
			byte_price: chain.byte_price,
			attest_size: chain.attest_size.into(),
			audit: chain.audit.deconstruct().into(),
			committee: chain.committee.into(),
			tranche_width_percent: chain.tranche_width_percent.into(),
			verifier_fee: chain.verifier_fee.deconstruct().into(),
			answer_queue: chain.answer_queue.into(),
			stall_slash: chain.stall_slash.deconstruct().into(),
			challenge_deposit: chain.challenge_deposit.deconstruct().into(),
		}
	}

	#[test]
	fn numbers_should_be_the_chains_when_reckoned_here() {
		for chain in [Chain::development(UNIT), Chain::production(UNIT)] {
			let here = pair(&chain);
			for (work, bytes) in [(0, 0), (1, 1), (999_999_999, 5 << 20), (1 << 50, 1 << 34)] {
				assert_eq!(here.least_price(work, bytes), chain.least_price(work, bytes));
				let blocks = chain.commit.blocks(work, bytes);
				assert_eq!(here.commit.blocks(work, bytes), u64::from(blocks));
				for price in [1, UNIT, 12_345_678_901] {
					assert_eq!(here.lane_deposit(price, work, 0), chain.lane_deposit(price, work));
				}
			}
			for price in [1, 7, UNIT, 12_345_678_901] {
				for (work, ppm, bytes) in
					[(0, 1_000_000, 0), (1 << 40, 50_000, 7), (9, 200_000, 1 << 33)]
				{
					let audit = sp_audit(ppm);
					let fees = chain.committee_fee(price, work, audit) + chain.data_fee(bytes);
					assert_eq!(here.escrow(price, work, ppm.into(), bytes), price + fees);
				}
				assert_eq!(here.stall(price, 64 * price), chain.stall(price, 64 * price));
				assert_eq!(here.stall(price, price), chain.stall(price, price));
			}
		}
	}

	#[test]
	fn record_deposit_should_grow_from_half_full_to_full() {
		let of = |active| record_deposit(1_000, 1, 2, (active, 4_096));
		let one = 1_000 + 4_096 + 64;
		assert_eq!([of(0), of(2_048)], [one, one]);
		assert_eq!((of(3_072), of(4_096), of(u64::MAX)), (one * 11 / 2, 10 * one, 10 * one));
		assert_eq!(record_deposit(7, 0, 0, (0, 0)), 7);
	}

	#[test]
	fn lane_deposit_should_grow_with_the_lanes_that_are_open() {
		let here = pair(&Chain::production(UNIT));
		let one = here.lane_deposit(UNIT, 0, 0);
		assert_eq!(here.lane_deposit(UNIT, 0, 8), 2 * one);
		assert_eq!(here.lane_deposit(UNIT, 0, 1_000), 4 * one);
		assert!(here.lane_deposit(UNIT, 0, 1) > one);
	}
}
