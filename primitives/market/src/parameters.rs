//! The numbers that root sets, what they must satisfy, and the clocks and bonds they make.

use crate::SAMPLED_CHUNKS;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::{
	traits::{AtLeast32BitUnsigned, SaturatedConversion},
	PerThing, Permill, Perquintill,
};

/// Most blocks that a draw may wait. The chain keeps the mixes of more blocks than that.
pub const MAX_DRAW_DELAY: u32 = 64;

/// Most accounts that one draw may take, and most verdicts that an audit may want.
pub const MAX_COMMITTEE: u32 = 16;

/// Least and most expected members of a tranche, in percent of the committee. Below it a tranche would
/// often have too few, above it more than there are seats for.
pub const TRANCHE_WIDTH: core::ops::RangeInclusive<u32> = 100..=400;

/// Blocks after the end of the commitments whose last author decides which chunks of its trace a
/// verifier shows.
pub const SAMPLE_DELAY: u32 = 2;

/// Shortest time to reveal: the sample is known after [`SAMPLE_DELAY`] blocks and one more, and whoever
/// cannot show its chunks says so a few blocks before the end.
pub const MIN_REVEAL_PERIOD: u32 = 8;

/// Most tranches of one audit, the first included.
pub const MAX_TRANCHES: u32 = 4;

/// Work units that [`MarketParameters::work_price`] is the price of.
pub const WORK_PRICE_UNITS: u128 = 1_000_000_000;

/// Bytes that [`MarketParameters::byte_price`] is the price of.
pub const BYTE_PRICE_BYTES: u128 = 1 << 20;

/// Giving a job back costs at least a stall divided by this, where its inputs were attested.
const GIVE_BACK_PART: u128 = 10;

/// Most parts of a fraud proof. After each accepted part the challenger has time for the next.
pub const MAX_PROOF_PARTS: u32 = 32;

/// A deadline that scales with the job: `base + ⌈work / work_per_block⌉ + ⌈bytes / bytes_per_block⌉`.
///
/// The two rates say how much the slowest honest participant gets done in one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
pub struct Clock<BlockNumber> {
	/// Blocks that every job gets. At least 1.
	pub base: BlockNumber,
	/// Work units that count as one more block. At least 1; with `u64::MAX` any work counts as one block.
	pub work_per_block: u64,
	/// Input bytes to fetch that count as one more block. At least 1; `u64::MAX` as above.
	pub bytes_per_block: u64,
}

impl<BlockNumber: AtLeast32BitUnsigned + Copy> Clock<BlockNumber> {
	/// Blocks for a job of `work` units with `bytes` of inputs; saturating.
	pub fn blocks(&self, work: u64, bytes: u64) -> BlockNumber {
		let scaled = |amount: u64, rate: u64| -> BlockNumber {
			amount.div_ceil(rate.max(1)).saturated_into()
		};
		self.base
			.saturating_add(scaled(work, self.work_per_block))
			.saturating_add(scaled(bytes, self.bytes_per_block))
	}

	fn is_valid(&self) -> bool {
		!self.base.is_zero() && self.work_per_block > 0 && self.bytes_per_block > 0
	}
}

/// Why a set of parameters was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum ParametersError {
	/// `draw_delay` is 0 or above [`MAX_DRAW_DELAY`].
	#[codec(index = 0)]
	DrawDelay,
	/// A clock's base or rate, the open period or the proof period is 0, or the base of the time to
	/// reveal is below [`MIN_REVEAL_PERIOD`].
	#[codec(index = 1)]
	Clock,
	/// A committee is empty or above [`MAX_COMMITTEE`], or a quorum is 0 or above its committee.
	#[codec(index = 2)]
	Committee,
	/// `max_tranches` is 0 or above [`MAX_TRANCHES`], or `tranche_width_percent` is out of
	/// [`TRANCHE_WIDTH`].
	#[codec(index = 3)]
	Tranches,
	/// `audit_floor` is 0, or `audit` is below it.
	#[codec(index = 4)]
	Audit,
	/// `honest_verifier` or `honest_stake` is 0: no bond could be large enough.
	#[codec(index = 5)]
	Bond,
	/// `fee_burn` is 0 (reputation could be farmed for free) or everything.
	#[codec(index = 6)]
	Burn,
	/// `verifier_fee` is 0: nobody would verify.
	#[codec(index = 7)]
	VerifierFee,
	/// `stall_slash` is 0 or not below `compensation`: fraud must cost more than silence. Or
	/// `prover_part` is 0 (nobody would prove), or it makes half of the bond or more together with
	/// `compensation`: at least half of a slashed bond is burned, so that a cheat who proves its own fraud,
	/// or who is its own requester, still loses as much.
	#[codec(index = 8)]
	Slash,
	/// `min_price` is so small that the burned part of it rounds to nothing, or `work_price` or
	/// `byte_price` is 0.
	#[codec(index = 9)]
	MinPrice,
}

/// Everything about the market that root may change. A change holds for deadlines, draws, bonds and
/// fees that are computed after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
pub struct MarketParameters<Balance, BlockNumber> {
	/// W: how many later blocks' author randomness goes into a draw.
	pub draw_delay: BlockNumber,
	/// How long drawn validators have to fetch and attest the inputs.
	pub attest: Clock<BlockNumber>,
	/// How many validators are drawn to attest.
	pub attest_size: u32,
	/// How many of them must hold every input.
	pub attest_quorum: u32,
	/// Longest price ramp.
	pub max_ramp: BlockNumber,
	/// How long a job stays open at its highest price, beside the time to fetch its inputs.
	pub open_period: BlockNumber,
	/// How long a provider has to fetch, run and commit.
	pub commit: Clock<BlockNumber>,
	/// How long a tranche of verifiers has to fetch, replay and commit. Also how long an audit takes at
	/// least, unless every candidate has answered: nobody can be shut out by being slow.
	pub verify: Clock<BlockNumber>,
	/// How long provider and verifiers have to reveal. A verifier may have to replay once more for the
	/// chunks that it is asked for.
	pub reveal: Clock<BlockNumber>,
	/// How long everyone may object.
	pub challenge: Clock<BlockNumber>,
	/// Standard probability that a result is audited.
	pub audit: Permill,
	/// Lowest probability that a requester may choose. Never 0.
	pub audit_floor: Permill,
	/// How many verifiers a committee has, where as many are available.
	pub committee: u32,
	/// How many matching verdicts an audited result needs to be paid.
	pub quorum: u32,
	/// T: how many tranches of an audit may open, the first included.
	pub max_tranches: u32,
	/// Expected members of a tranche, in percent of `committee`. Tickets are private, so that the number
	/// of winners is a matter of chance; more than 100 makes too few of them rare.
	pub tranche_width_percent: u32,
	/// Lowest price that a ramp may start at, whatever the work.
	pub min_price: Balance,
	/// What 10^9 work units add to it: a price below what verifying costs would switch the auditors off.
	pub work_price: Balance,
	/// What a MiB of inputs and outputs adds to it, and what whoever holds it gets.
	pub byte_price: Balance,
	/// Part of a job's deposit that is burned where it ends without ever having been claimed.
	pub abandon_burn: Permill,
	/// Part of every fee that is burned.
	pub fee_burn: Permill,
	/// What one committee may cost, as a part of the highest price; held on top of it. More where the work
	/// of its verifiers is worth more.
	pub verifier_fee: Permill,
	/// Part of the agreed price that the provider gets when the requester cancels while it works, and that
	/// both lose of their own where the outputs cannot be had.
	pub cancel_fee: Permill,
	/// Part of the bond that a silent provider loses, up to the price. All of it is burned.
	pub stall_slash: Permill,
	/// Part of the bond that goes to the requester after fraud; where a result is withheld, up to the price.
	pub compensation: Permill,
	/// Part of the bond that goes to whoever proved the fraud or demanded what stayed withheld, then up to
	/// what the work is worth; the rest is burned.
	pub prover_part: Permill,
	/// What an account that was not drawn puts up for a lane, as a part of the agreed price; never
	/// less than the price of the work that an answer may take.
	pub challenge_deposit: Permill,
	/// A: how long anyone has to answer a demand. The answer may need a replay, and another one may just
	/// have begun: see [`MarketParameters::answer_time`]. Whoever replays holds
	/// the inputs already.
	pub answer: Clock<BlockNumber>,
	/// How many blocks more the answers of one lane may take together where the provider owes others.
	pub answer_queue: BlockNumber,
	/// M: how long a challenger has for its next move. It may have to fetch and replay.
	pub challenger_move: Clock<BlockNumber>,
	/// K: how long a commitment to a proof keeps the job open, and how long a challenger has for each
	/// further part of one.
	pub proof_period: BlockNumber,
	/// Assumed share of the stake that is honest.
	pub honest_stake: Permill,
	/// Assumed probability that honest verifiers are able to verify at all.
	pub honest_verifier: Permill,
	/// Margin on the bond formula, in percent; 100 is none.
	pub bond_margin_percent: u32,
	/// The bond is at least this part of the price, in percent.
	pub bond_floor_percent: u32,
}

impl<Balance, BlockNumber> MarketParameters<Balance, BlockNumber>
where
	Balance: AtLeast32BitUnsigned + Copy,
	BlockNumber: AtLeast32BitUnsigned + Copy,
{
	/// For a chain on one machine: short periods, every result audited. `unit` is 10^12 in the
	/// development preset.
	pub fn development(unit: Balance) -> Self {
		let blocks = |n: u32| BlockNumber::from(n);
		Self {
			draw_delay: blocks(2),
			attest: Clock { base: blocks(15), work_per_block: u64::MAX, bytes_per_block: 16 << 20 },
			attest_size: 3,
			attest_quorum: 1,
			max_ramp: blocks(1_200),
			open_period: blocks(100),
			commit: Clock {
				base: blocks(30),
				work_per_block: 1_000_000_000,
				bytes_per_block: 16 << 20,
			},
			verify: Clock {
				base: blocks(12),
				work_per_block: 1_000_000_000,
				bytes_per_block: 16 << 20,
			},
			reveal: Clock {
				base: blocks(15),
				work_per_block: 1_000_000_000,
				bytes_per_block: u64::MAX,
			},
			challenge: Clock {
				base: blocks(8),
				work_per_block: 4_000_000_000,
				bytes_per_block: 16 << 20,
			},
			audit: Permill::from_percent(100),
			audit_floor: Permill::from_percent(5),
			committee: 3,
			quorum: 1,
			max_tranches: 2,
			tranche_width_percent: 150,
			min_price: unit / Balance::from(1_000u32),
			work_price: unit / Balance::from(100u32),
			byte_price: unit / Balance::from(1_000u32),
			abandon_burn: Permill::from_percent(10),
			fee_burn: Permill::from_percent(5),
			verifier_fee: Permill::from_percent(20),
			cancel_fee: Permill::from_percent(10),
			stall_slash: Permill::from_percent(20),
			compensation: Permill::from_percent(25),
			prover_part: Permill::from_percent(20),
			challenge_deposit: Permill::from_percent(10),
			answer: Clock {
				base: blocks(5),
				work_per_block: 1_000_000_000,
				bytes_per_block: u64::MAX,
			},
			answer_queue: blocks(60),
			challenger_move: Clock {
				base: blocks(5),
				work_per_block: 1_000_000_000,
				bytes_per_block: 16 << 20,
			},
			proof_period: blocks(4),
			// What BABE and GRANDPA need as well.
			honest_stake: Permill::from_rational(2u32, 3),
			honest_verifier: Permill::from_percent(90),
			bond_margin_percent: 150,
			bond_floor_percent: 100,
		}
	}

	/// For a public chain with 3 s blocks: a fifth of the results audited by five verifiers.
	pub fn production(unit: Balance) -> Self {
		let blocks = |n: u32| BlockNumber::from(n);
		Self {
			draw_delay: blocks(20),
			attest: Clock { base: blocks(100), ..Self::development(unit).attest },
			attest_size: 5,
			attest_quorum: 3,
			max_ramp: blocks(28_800),
			open_period: blocks(1_200),
			commit: Clock { base: blocks(200), ..Self::development(unit).commit },
			verify: Clock { base: blocks(200), ..Self::development(unit).verify },
			reveal: Clock { base: blocks(100), ..Self::development(unit).reveal },
			challenge: Clock {
				base: blocks(600),
				work_per_block: 1_000_000_000,
				bytes_per_block: 16 << 20,
			},
			answer: Clock { base: blocks(100), ..Self::development(unit).answer },
			answer_queue: blocks(1_200),
			challenger_move: Clock { base: blocks(20), ..Self::development(unit).challenger_move },
			proof_period: blocks(10),
			audit: Permill::from_percent(20),
			committee: 5,
			quorum: 2,
			tranche_width_percent: 200,
			..Self::development(unit)
		}
	}

	/// Checks what every function of the market relies on.
	pub fn validate(&self) -> Result<(), ParametersError> {
		use ParametersError::*;
		let ensure = |ok: bool, error| if ok { Ok(()) } else { Err(error) };
		let committee = |size: u32, quorum: u32| {
			(1..=MAX_COMMITTEE).contains(&size) && (1..=size).contains(&quorum)
		};
		ensure(!self.draw_delay.is_zero() && self.draw_delay <= MAX_DRAW_DELAY.into(), DrawDelay)?;
		let clocks = [
			&self.attest,
			&self.commit,
			&self.verify,
			&self.reveal,
			&self.challenge,
			&self.answer,
			&self.challenger_move,
		];
		ensure(clocks.iter().all(|clock| clock.is_valid()), Clock)?;
		let periods = [self.open_period, self.proof_period];
		ensure(periods.iter().all(|period| !period.is_zero()), Clock)?;
		ensure(self.reveal.base >= MIN_REVEAL_PERIOD.into(), Clock)?;
		ensure(committee(self.attest_size, self.attest_quorum), Committee)?;
		ensure(committee(self.committee, self.quorum), Committee)?;
		ensure((1..=MAX_TRANCHES).contains(&self.max_tranches), Tranches)?;
		ensure(TRANCHE_WIDTH.contains(&self.tranche_width_percent), Tranches)?;
		ensure(!self.audit_floor.is_zero() && self.audit >= self.audit_floor, Audit)?;
		ensure(!self.honest_verifier.is_zero() && !self.honest_stake.is_zero(), Bond)?;
		ensure(!self.fee_burn.is_zero() && self.fee_burn < Permill::one(), Burn)?;
		ensure(!self.verifier_fee.is_zero(), VerifierFee)?;
		ensure(!self.stall_slash.is_zero() && self.stall_slash < self.compensation, Slash)?;
		let given = self.compensation.deconstruct().saturating_add(self.prover_part.deconstruct());
		ensure(!self.prover_part.is_zero(), Slash)?;
		ensure(given < Permill::from_percent(50).deconstruct(), Slash)?;
		ensure(!self.work_price.is_zero() && !self.byte_price.is_zero(), MinPrice)?;
		ensure(!(self.fee_burn * self.min_price).is_zero(), MinPrice)
	}

	/// The lowest price that a ramp may start at for so much work and so many bytes of inputs and
	/// outputs: `min_price`, and pro rata `work_price` for 10^9 units and `byte_price` for a MiB, each
	/// rounded up; saturating.
	pub fn least_price(&self, work: u64, bytes: u64) -> Balance {
		let part = |amount: u64, price: Balance, unit: u128| -> Balance {
			multiply_up(amount.into(), price.saturated_into(), unit).saturated_into()
		};
		self.min_price
			.saturating_add(part(work, self.work_price, WORK_PRICE_UNITS))
			.saturating_add(part(bytes, self.byte_price, BYTE_PRICE_BYTES))
	}

	/// What a silent provider loses of this bond, all of which is burned. Bounded by the price, whatever
	/// the bond is: whoever posts jobs decides how others fail at them, and must not earn by it.
	pub fn stall(&self, price: Balance, bond: Balance) -> Balance {
		(self.stall_slash * bond).min(price)
	}

	/// What of a slashed bond the requester gets, and what whoever proved the fraud or demanded what stayed
	/// withheld. Together at most half of it.
	///
	/// Where nothing is *proven* they get no more than the price, and than what the replay that they may
	/// have made is worth: whoever posts jobs chooses the bond, may know how to keep a provider from
	/// answering in time, and must not earn by it.
	pub fn parts_of_bond(
		&self,
		bond: Balance,
		proven: bool,
		price: Balance,
		work: u64,
	) -> (Balance, Balance) {
		let half = bond / Balance::from(2u32);
		let requester = (self.compensation * bond).min(half);
		let prover = (self.prover_part * bond).min(half - requester);
		if proven {
			(requester, prover)
		} else {
			(requester.min(price), prover.min(self.least_price(work, 0)))
		}
	}

	/// What of it a provider loses that gives the job back after `elapsed` of `clock` blocks, rounded up: at
	/// least a tenth, since others could not claim the job meanwhile.
	pub fn give_back(
		&self,
		price: Balance,
		bond: Balance,
		elapsed: BlockNumber,
		clock: BlockNumber,
	) -> Balance {
		let stall = self.stall(price, bond);
		let clock: u128 = clock.saturated_into();
		let stall: u128 = stall.saturated_into();
		let elapsed = elapsed.saturated_into::<u128>().min(clock);
		multiply_up(stall, elapsed, clock.max(1))
			.max(stall.div_ceil(GIVE_BACK_PART))
			.saturated_into()
	}

	/// How many verdicts one audit pays: the expected number of winners of its first tranche, rounded up.
	/// At least 1. Were it a committee where the audit is sure, twice as many winners would share what pays
	/// for its work.
	pub fn shares(&self, audit: Permill) -> u32 {
		let winners = u128::from(audit.deconstruct())
			.saturating_mul(self.committee.into())
			.saturating_mul(self.tranche_width_percent.into())
			.div_ceil(100_000_000);
		u32::try_from(winners).unwrap_or(u32::MAX).max(1)
	}

	/// What one audit may cost a job with this highest price, of which a verifier replays so much: the
	/// verifiers' part of the price, and no less than what the work of all paid verdicts is worth.
	pub fn committee_fee(&self, price_max: Balance, work: u64, audit: Permill) -> Balance {
		let worth = multiply_up(
			u128::from(work).saturating_mul(self.shares(audit).into()),
			self.work_price.saturated_into(),
			WORK_PRICE_UNITS,
		);
		self.verifier_fee.mul_ceil(price_max).max(worth.saturated_into())
	}

	/// What those get who hold the inputs and the outputs, all together: each of `attest_size` attesters
	/// and as many keepers the price of so many bytes. Rounded up.
	pub fn data_fee(&self, bytes: u64) -> Balance {
		let each = u128::from(bytes).saturating_mul(2 * u128::from(self.attest_size));
		multiply_up(each, self.byte_price.saturated_into(), BYTE_PRICE_BYTES).saturated_into()
	}

	/// `bond ≥ (price + cost saved) · (1 − p)/p · margin`, where p is how likely an honest and able
	/// verifier looks at the result, and the cost that a cheat saves is taken as the price itself,
	/// since nobody claims a job below its cost. Never below the floor. Rounded up; saturating.
	///
	/// Tickets are private and thinned by `audit`, so that the number of honest verifiers is Poisson
	/// with the mean `x = audit · min(committee · tranche width, candidates) · honest_stake` (more of them
	/// than there are cannot come); where every verifier replays one of `segments` = m segments, a given
	/// one has x / m of them. With e^x ≥ 1 + x + x²/2
	///
	/// ```text
	/// p = honest_verifier · (1 − e^(−x)) ≥ honest_verifier · (1 − 1 / (1 + x + x²/2))
	/// ```
	pub fn bond(&self, price: Balance, audit: Permill, segments: u32, candidates: u32) -> Balance {
		let looked_at = self.looked_at(audit, segments, candidates);
		let caught = wide(self.honest_verifier) * looked_at;
		let caught = u128::from(caught.deconstruct().max(1));
		let escaped = u128::from(Perquintill::one().deconstruct()).saturating_sub(caught);
		let price: u128 = price.saturated_into();
		let stake = multiply_up(price.saturating_mul(2), escaped, caught);
		let with_margin = multiply_up(stake, self.bond_margin_percent.into(), 100);
		let floor = multiply_up(price, self.bond_floor_percent.into(), 100);
		with_margin.max(floor).saturated_into()
	}

	/// `1 − 1 / (1 + x + x²/2)`, rounded down: how likely at least one honest verifier wins, at least.
	fn looked_at(&self, audit: Permill, segments: u32, candidates: u32) -> Perquintill {
		/// Fixed point of x: parts per 10^12.
		const ONE: u128 = 1_000_000_000_000;
		let width = u128::from(self.committee) * u128::from(self.tranche_width_percent);
		let width = width.min(100 * u128::from(candidates));
		// At most 16 · 400 / 100 = 64.
		let x = u128::from(audit.deconstruct())
			.saturating_mul(self.honest_stake.deconstruct().into())
			.saturating_mul(width)
			/ (100 * u128::from(segments.max(1)));
		let grown = ONE.saturating_add(x).saturating_add(x.saturating_mul(x) / (2 * ONE));
		let missed = Perquintill::from_rational_with_rounding(ONE, grown, sp_runtime::Rounding::Up)
			.unwrap_or(Perquintill::one());
		Perquintill::one() - missed
	}

	/// How long a tranche of an audit has: [`Self::verify`] for the work that its verifiers do.
	///
	/// Where the run is cut, the first tranche has the time of one segment of `segment` work units, and
	/// later ones that of the whole run: whoever cannot get a checkpoint can replay what comes before
	/// it, so that nothing is gained by holding checkpoints back. Where there is no later tranche the
	/// first one has that time. The states of a checkpoint are no longer than the inputs that
	/// initialise them, so that twice the inputs' bytes cover both.
	pub fn tranche_time(
		&self,
		work: u64,
		bytes: u64,
		segment: Option<u64>,
		tranche: u32,
	) -> BlockNumber {
		match segment {
			None => self.verify.blocks(work, bytes),
			Some(segment) => {
				let first = tranche == 0 && self.max_tranches > 1;
				let work = if first { segment.min(work) } else { work };
				self.verify.blocks(work, bytes.saturating_mul(2))
			}
		}
	}

	/// What an account that was not drawn puts up for a lane in a job with this agreed price: a part of
	/// it, and not less than the replay that its demands may cost the provider is worth. It grows with
	/// the lanes that are open against the provider already.
	pub fn lane_deposit(&self, price: Balance, work: u64) -> Balance {
		self.challenge_deposit.mul_ceil(price).max(self.least_price(work, 0))
	}

	/// How long what a verifier may owe takes to be revealed: a replay for each of the chunks that it is
	/// asked for, since they may lie in different steps, of one segment where the run is cut.
	pub fn reveal_time(&self, work: u64, segment: Option<u64>) -> BlockNumber {
		let replays = SAMPLED_CHUNKS as u64;
		self.reveal.blocks(segment.unwrap_or(work).min(work).saturating_mul(replays), 0)
	}

	/// How long an answer to a demand may take: two passes over the work. A replay is led by what is owed
	/// when it begins, and answers all of that, whatever the steps are; who demands another step while one
	/// runs waits for its end, and for the next one.
	pub fn answer_time(&self, work: u64) -> BlockNumber {
		self.answer.blocks(work.saturating_mul(2), 0)
	}

	/// How long an opened job waits for a provider after its ramp. Whoever claims it has fetched the
	/// inputs before, so that the time grows with them as that of the attesters does.
	pub fn open_time(&self, bytes: u64) -> BlockNumber {
		let fetched = self.attest.blocks(0, bytes).saturating_sub(self.attest.base);
		self.open_period.saturating_add(fetched)
	}

	/// Most blocks from the first draw for a result to its last possible move, when every phase uses
	/// up its time, there is an audit more and keepers are drawn anew, and somebody opens a lane in the
	/// very last block. Jobs for which this is above the chain's `MaxLifetime` cannot be posted.
	///
	/// `bytes` are those of inputs and outputs. `openings` is D, the most demands on the way from the run
	/// root down to a tile. Lanes run in parallel and start before a challenge deadline. A second look does
	/// not wait for those that are alive, and while keepers are drawn anew none is opened, so that one
	/// lane is all that is added: D answers and moves, what the provider owes others meanwhile, a last
	/// move, a proof commitment, and the parts of a folded proof, which need no replay between them.
	pub fn lifetime(&self, work: u64, bytes: u64, openings: u32) -> BlockNumber {
		let one = BlockNumber::one();
		let draw = self.draw_delay.saturating_add(one);
		let tranche = self.verify.blocks(work, bytes).saturating_add(one);
		let audit = draw
			.saturating_add(tranche.saturating_mul(self.max_tranches.into()))
			.saturating_add(self.reveal_time(work, None))
			.saturating_add(one)
			.saturating_add(self.challenge.blocks(work, bytes))
			.saturating_add(one);
		let keepers = draw.saturating_add(self.attest.blocks(0, bytes)).saturating_add(one);
		let answer = self.answer_time(work);
		let challenger_move = self.challenger_move.blocks(work, bytes);
		let lane = answer
			.saturating_add(challenger_move)
			.saturating_mul(openings.into())
			.saturating_add(self.answer_queue)
			.saturating_add(challenger_move)
			.saturating_add(self.proof_period.saturating_mul((MAX_PROOF_PARTS + 1).into()));
		audit.saturating_mul(2u32.into()).saturating_add(keepers).saturating_add(lane)
	}
}

fn wide(part: Permill) -> Perquintill {
	Perquintill::from_parts(u64::from(part.deconstruct()) * 1_000_000_000_000)
}

/// `⌈a · b / c⌉`, saturating.
fn multiply_up(a: u128, b: u128, c: u128) -> u128 {
	sp_runtime::helpers_128bit::multiply_by_rational_with_rounding(
		a,
		b,
		c,
		sp_runtime::Rounding::Up,
	)
	.unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
	use super::*;

	const UNIT: u128 = 1_000_000_000_000;
	type Parameters = MarketParameters<u128, u32>;

	#[test]
	fn parameters_should_be_valid_when_they_are_the_presets() {
		assert_eq!(Parameters::development(UNIT).validate(), Ok(()));
		assert_eq!(Parameters::production(UNIT).validate(), Ok(()));
	}

	#[test]
	fn parameters_should_be_refused_by_name_when_one_is_out_of_range() {
		use ParametersError::*;
		type Case = (fn(&mut Parameters), ParametersError);
		let cases: [Case; 26] = [
			(|p| p.draw_delay = 0, DrawDelay),
			(|p| p.draw_delay = MAX_DRAW_DELAY + 1, DrawDelay),
			(|p| p.verify.base = 0, Clock),
			(|p| p.commit.work_per_block = 0, Clock),
			(|p| p.reveal.base = MIN_REVEAL_PERIOD - 1, Clock),
			(|p| p.reveal.work_per_block = 0, Clock),
			(|p| p.open_period = 0, Clock),
			(|p| p.committee = 0, Committee),
			(|p| p.quorum = p.committee + 1, Committee),
			(|p| p.attest_size = MAX_COMMITTEE + 1, Committee),
			(|p| p.max_tranches = MAX_TRANCHES + 1, Tranches),
			(|p| p.tranche_width_percent = 99, Tranches),
			(|p| p.tranche_width_percent = 401, Tranches),
			(|p| p.audit_floor = Permill::zero(), Audit),
			(|p| p.honest_stake = Permill::zero(), Bond),
			(|p| p.fee_burn = Permill::zero(), Burn),
			(|p| p.verifier_fee = Permill::zero(), VerifierFee),
			(|p| p.stall_slash = p.compensation, Slash),
			(|p| p.compensation = Permill::one(), Slash),
			(|p| p.compensation = Permill::from_percent(30), Slash),
			(|p| p.prover_part = Permill::zero(), Slash),
			(|p| p.answer.base = 0, Clock),
			(|p| p.challenger_move.work_per_block = 0, Clock),
			(|p| p.proof_period = 0, Clock),
			(|p| p.min_price = 1, MinPrice),
			(|p| p.work_price = 0, MinPrice),
		];
		for (index, (change, error)) in cases.into_iter().enumerate() {
			let mut parameters = Parameters::development(UNIT);
			change(&mut parameters);
			assert_eq!(parameters.validate(), Err(error), "case {index}");
		}
	}

	#[test]
	fn clock_should_round_up_when_work_is_not_a_multiple() {
		let clock = Clock { base: 10u32, work_per_block: 100, bytes_per_block: 1_000 };
		assert_eq!(clock.blocks(0, 0), 10);
		assert_eq!(clock.blocks(1, 0), 11);
		assert_eq!(clock.blocks(100, 1_001), 13);
		assert_eq!(clock.blocks(u64::MAX, u64::MAX), u32::MAX);
	}

	/// Candidates of a chain with as many as there are seats.
	const MANY: u32 = 100;

	/// `p` of the formula, in floats.
	fn looked_at(parameters: &Parameters, audit: f64, segments: u32) -> f64 {
		let share = f64::from(parameters.honest_stake.deconstruct()) / 1e6;
		let width = f64::from(parameters.committee * parameters.tranche_width_percent) / 100.0;
		let x = audit * share * width / f64::from(segments);
		f64::from(parameters.honest_verifier.deconstruct()) / 1e6
			* (1.0 - 1.0 / (1.0 + x + x * x / 2.0))
	}

	#[test]
	fn bond_should_make_cheating_lose_when_audits_are_rare() {
		let parameters = Parameters::production(UNIT);
		let p = looked_at(&parameters, 0.2, 1);
		let wanted = 2.0 * (1.0 - p) / p * 1.5;
		let bond = parameters.bond(UNIT, parameters.audit, 1, MANY);
		assert!((bond as f64 / UNIT as f64 - wanted).abs() < 1e-9, "{bond}");
		// What is left of the bond for a cheat is less than nothing, also when all of it is gain.
		for percent in [5, 10, 20, 50, 75, 90, 100] {
			let audit = Permill::from_percent(percent);
			let bond = parameters.bond(UNIT, audit, 1, MANY) as f64 / UNIT as f64;
			let x = f64::from(percent) / 100.0 * 10.0 * 2.0 / 3.0;
			let p = 0.9 * (1.0 - (-x).exp());
			assert!(2.0 * (1.0 - p) < p * bond, "{percent} %: caught {p}, bond {bond}");
		}
		// The floor holds where many verifiers are sure to look.
		let mut sure = parameters;
		(sure.honest_verifier, sure.honest_stake) = (Permill::one(), Permill::one());
		assert_eq!(sure.bond(UNIT, Permill::one(), 1, MANY), UNIT);
		assert_eq!(sure.bond(u128::MAX, Permill::from_parts(1), 1, MANY), u128::MAX);
	}

	/// `1 − 1 / (1 + x + x²/2)` is never above `1 − e^(−x)`, so that the bond is never too small.
	#[test]
	fn bond_should_count_on_fewer_honest_winners_than_there_are() {
		let parameters = Parameters::production(UNIT);
		for ppm in (50_000..=1_000_000).step_by(10_000) {
			for segments in [1u32, 2, 16, 256] {
				let found = parameters.looked_at(Permill::from_parts(ppm), segments, MANY);
				let x = f64::from(ppm) / 1e6 * 10.0 * 2.0 / 3.0 / f64::from(segments);
				let real = 1.0 - (-x).exp();
				let found = found.deconstruct() as f64 / 1e18;
				assert!(found <= real && found > real * 0.9, "{ppm}, {segments}: {found}, {real}");
			}
		}
	}

	#[test]
	fn bond_should_answer_for_the_segments_that_nobody_replays() {
		let parameters = Parameters::production(UNIT);
		let bond = |m| parameters.bond(UNIT, parameters.audit, m, MANY) as f64 / UNIT as f64;
		for m in [1u32, 2, 4, 16, 64, 256] {
			let p = looked_at(&parameters, 0.2, m);
			let wanted = 2.0 * (1.0 - p) / p * 1.5;
			assert!((bond(m) - wanted).abs() / wanted < 1e-9, "{m}: {} {wanted}", bond(m));
		}
		assert_eq!(bond(0), bond(1));
		// More than there are cannot look: three candidates instead of ten seats.
		let few = |candidates| parameters.bond(UNIT, Permill::one(), 1, candidates);
		assert!(few(3) > few(10) && few(10) == few(MANY) && few(0) > few(1));
		let mut larger = parameters.clone();
		larger.committee = 16;
		assert!(
			larger.bond(UNIT, larger.audit, 16, MANY)
				< parameters.bond(UNIT, parameters.audit, 16, MANY)
		);
	}

	#[test]
	fn least_price_should_follow_work_and_bytes_and_round_up() {
		let parameters = Parameters::production(UNIT);
		let Parameters { min_price, work_price, byte_price, .. } = parameters;
		assert_eq!(parameters.least_price(0, 0), min_price);
		assert_eq!(
			parameters.least_price(1_000_000_000, 1 << 20),
			min_price + work_price + byte_price
		);
		assert_eq!(parameters.least_price(500_000_000, 0), min_price + work_price / 2);
		assert_eq!(
			parameters.least_price(1, 1),
			min_price + work_price / 1_000_000_000 + byte_price / (1 << 20) + 1
		);
		// 300 s of work at the slowest rate and a GiB: 3 and 1 ASY.
		let price = parameters.least_price(300_000_000_000, 1 << 30);
		assert_eq!(price, UNIT / 1_000 + 3 * UNIT + 1_024 * UNIT / 1_000);
		assert_eq!(
			Parameters { work_price: u128::MAX, ..parameters }.least_price(u64::MAX, 0),
			u128::MAX
		);
	}

	#[test]
	fn stall_should_never_take_more_than_the_price() {
		let parameters = Parameters::production(UNIT);
		// Of a bond of 64 prices 20 % are 12.8 prices.
		assert_eq!(parameters.stall(UNIT, 64 * UNIT), UNIT);
		assert_eq!(parameters.stall(10 * UNIT, 20 * UNIT), 4 * UNIT);
		assert_eq!(parameters.stall(0, UNIT), 0);
	}

	#[test]
	fn parts_of_bond_should_be_bounded_by_price_and_work_when_nothing_is_proven() {
		let parameters = Parameters::production(UNIT);
		let parts = |bond, proven| parameters.parts_of_bond(bond, proven, UNIT, 10_000_000_000);
		assert_eq!(parts(64 * UNIT, true), (16 * UNIT, 64 * UNIT / 5));
		// The price, and ten times the price of 10^9 units.
		let replay = UNIT / 1_000 + UNIT / 10;
		assert_eq!(parts(64 * UNIT, false), (UNIT, replay));
		assert_eq!(parts(UNIT / 5, false), (UNIT / 20, UNIT / 25));
		for bond in [0, 1, 3, UNIT, u128::MAX] {
			let (requester, prover) = parts(bond, true);
			assert!(requester + prover <= bond / 2, "{bond}");
		}
	}

	#[test]
	fn give_back_should_cost_a_part_of_a_stall_as_the_time_goes_by() {
		let parameters = Parameters::production(UNIT);
		let after = |elapsed, clock| parameters.give_back(10 * UNIT, 20 * UNIT, elapsed, clock);
		let least = 4 * UNIT / 10;
		assert_eq!([after(50, 200), after(200, 200), after(300, 200)], [UNIT, 4 * UNIT, 4 * UNIT]);
		// A tenth of a stall at least.
		assert_eq!([after(0, 200), after(1, 200), after(20, 200)], [least; 3]);
		assert_eq!(after(21, 200), (4 * UNIT * 21).div_ceil(200));
		assert_eq!([after(1, 0), after(0, 0)], [least; 2]);
		assert_eq!(parameters.give_back(1, 20 * UNIT, 0, 200), 1);
	}

	#[test]
	fn committee_fee_should_be_worth_the_work_of_those_who_are_paid() {
		let parameters = Parameters::production(UNIT);
		let audit = Permill::from_percent;
		// a · 10 winners, rounded up.
		let shares = [100, 20, 5, 41, 50].map(|percent| parameters.shares(audit(percent)));
		assert_eq!(shares, [10, 2, 1, 5, 5]);
		assert_eq!(Parameters::development(UNIT).shares(Permill::one()), 5);
		assert_eq!(parameters.shares(Permill::from_parts(1)), 1);
		let fee = |price, work, percent| parameters.committee_fee(price, work, audit(percent));
		assert_eq!(fee(UNIT, 0, 100), UNIT / 5);
		// 300 · 10^9 units at 0.01 ASY are 3 ASY a verdict.
		assert_eq!(fee(UNIT, 300_000_000_000, 100), 30 * UNIT);
		assert_eq!(fee(UNIT, 300_000_000_000, 20), 6 * UNIT);
		assert_eq!(fee(100 * UNIT, 300_000_000_000, 20), 20 * UNIT);
		assert_eq!(fee(0, 1, 100), 100);
	}

	#[test]
	fn data_fee_should_pay_everybody_who_holds_the_bytes() {
		let parameters = Parameters::production(UNIT);
		// Five attesters and five keepers, a thousandth of a unit for a MiB.
		assert_eq!(parameters.data_fee(1 << 20), 10 * UNIT / 1_000);
		assert_eq!(parameters.data_fee(1 << 30), 1_024 * 10 * UNIT / 1_000);
		assert_eq!(parameters.data_fee(0), 0);
		assert_eq!(parameters.data_fee(1), (10 * UNIT / 1_000).div_ceil(1 << 20));
	}

	#[test]
	fn times_should_grow_with_what_is_replayed_and_fetched() {
		let parameters = Parameters::production(UNIT);
		let work = 94_000_000_000;
		assert_eq!(parameters.reveal_time(work, None), 100 + 2 * 94);
		assert_eq!(parameters.reveal_time(work, Some(3_000_000_000)), 100 + 2 * 3);
		assert_eq!(parameters.reveal_time(work, Some(u64::MAX)), 100 + 2 * 94);
		assert_eq!(parameters.answer_time(work), 100 + 2 * 94);
		assert_eq!(parameters.answer_time(1), 101);
		assert_eq!(parameters.answer_time(u64::MAX), u32::MAX);
		assert_eq!(parameters.open_time(0), 1_200);
		assert_eq!(parameters.open_time(16 << 30), 1_200 + 1_024);
	}

	#[test]
	fn tranche_should_have_the_time_of_a_segment_first_and_of_the_run_later() {
		let mut parameters = Parameters::development(UNIT);
		let work = 40_000_000_000;
		assert_eq!(parameters.tranche_time(work, 0, None, 0), 12 + 40);
		assert_eq!(parameters.tranche_time(work, 0, Some(5_000_000_000), 0), 12 + 5);
		assert_eq!(parameters.tranche_time(work, 0, Some(5_000_000_000), 1), 12 + 40);
		assert_eq!(parameters.tranche_time(work, 16 << 20, Some(0), 0), 12 + 2);
		parameters.max_tranches = 1;
		assert_eq!(parameters.tranche_time(work, 0, Some(5_000_000_000), 0), 12 + 40);
	}

	#[test]
	fn lifetime_should_cover_both_audits_when_every_phase_takes_its_time() {
		let parameters = Parameters::development(UNIT);
		let audit = 2 + 1 + 2 * (12 + 1) + 15 + 1 + 8 + 1;
		let keepers = 2 + 1 + 15 + 1;
		// A lane without demands is a commitment and the parts of a proof.
		let proof = 60 + 5 + 33 * 4;
		assert_eq!(parameters.lifetime(0, 0, 0), 2 * audit + keepers + proof);
		let openings = 9 * (5 + 5);
		assert_eq!(parameters.lifetime(0, 0, 9), 2 * audit + keepers + proof + openings);
		// One more block of work for each tranche, challenge and move, and two for each reveal and answer.
		let work = 1_000_000_000;
		let more = 2 * (2 + 2 + 1) + 9 * 3 + 1;
		assert_eq!(parameters.lifetime(work, 0, 9), parameters.lifetime(0, 0, 9) + more);
		// Reveals and answers fetch nothing; keepers do.
		let more = 2 * (2 + 1) + 1 + 9 + 1;
		assert_eq!(parameters.lifetime(0, 1 << 20, 9), parameters.lifetime(0, 0, 9) + more);
		assert_eq!(parameters.lifetime(u64::MAX, u64::MAX, u32::MAX), u32::MAX);
	}

	#[test]
	fn lane_deposit_should_follow_the_price_when_it_is_above_that_of_the_work() {
		let parameters = Parameters::development(UNIT);
		assert_eq!(parameters.lane_deposit(10 * UNIT, 0), UNIT);
		assert_eq!(parameters.lane_deposit(0, 0), parameters.min_price);
		assert_eq!(parameters.lane_deposit(UNIT + 1, 0), UNIT / 10 + 1);
		let work = 100_000_000_000;
		assert_eq!(parameters.lane_deposit(UNIT, work), parameters.least_price(work, 0));
	}

	/// What is left for a job's own clocks under the runtime's limit of 16 800 blocks: 625 · 10^9 units for
	/// a run that is proved wrong with three openings, 310 · 10^9 for one with nine.
	#[test]
	fn lifetime_should_leave_room_for_ordinary_jobs_when_the_chain_is_a_public_one() {
		let parameters = Parameters::production(UNIT);
		let most = |openings| {
			let fits = |work: &u64| {
				parameters.lifetime(work * 1_000_000_000, 16 << 20, openings) <= 16_800
			};
			(1..2_000).take_while(fits).last()
		};
		assert_eq!((most(3), most(9)), (Some(625), Some(310)));
	}
}
