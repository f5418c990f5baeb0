//! One job on the chain with all of its parties, played block by block.

use crate::{
	actors::{Outsider, Provider, ProviderMisdeed, Requester, RequesterMisdeed, Verifier},
	actors::{OutsiderMisdeed, VerifierMisdeed},
	calls::{self, Offer},
	chain::{Tx, Verdict, World},
	lottery,
	money::{self, Purses},
	people::{Person, VALIDATORS},
	work::{Table, Work},
};
use assay_market::{Assurance, JobId, Phase, Purpose, ReasonCode};
use assay_runtime::{
	constants::currency::UNIT, AccountId, Arbitration, Balance, BlockNumber, Decoys, Jobs, Runtime,
	RuntimeEvent,
};

/// The price of every job here.
pub const PRICE: Balance = 10 * UNIT;

/// What a provider bonds.
pub const PROVIDER_STAKE: Balance = 1_000 * UNIT;

/// No job of these takes longer; a stage that does is stuck.
const PATIENCE: u32 = 600;

/// So many slots are missed at most for a lottery to draw as it should.
const MOST_FORKS: u32 = 2_000;

/// What a job's draw must give: how many win in each tranche, `None` where the job is not audited.
pub type Draw = fn(Option<&[usize]>) -> bool;

/// Nobody wins: the result of a rare audit that no verifier looks at.
pub fn nobody(draw: Option<&[usize]>) -> bool {
	draw.is_none_or(|sizes| sizes.iter().all(|count| *count == 0))
}

/// A committee of three, which the amounts of most attacks are about; or no audit.
pub fn three(draw: Option<&[usize]>) -> bool {
	draw.is_none_or(|sizes| sizes[0] == 3)
}

/// A fixed price of [`PRICE`], inputs attested, the chain's standard audit.
pub fn offer() -> Offer {
	let assurance = Assurance::default();
	Offer { price_start: PRICE, price_max: PRICE, ramp_blocks: 0, assurance }
}

/// Who does what wrong.
#[derive(Default)]
pub struct Cast {
	/// The provider.
	pub provider: ProviderMisdeed,
	/// The winners of the lottery, in the order of [`lottery::winners`]; all others do nothing
	/// wrong.
	pub drawn: Vec<VerifierMisdeed>,
	/// The requester.
	pub requester: RequesterMisdeed,
	/// Those who were not drawn and challenge the result.
	pub outsiders: Vec<(Person, OutsiderMisdeed)>,
}

/// A job and its parties.
pub struct Stage<'a> {
	/// The chain.
	pub world: &'a mut World,
	/// What the job computes.
	pub work: Work,
	/// The right result.
	pub truth: Table,
	/// The job.
	pub job: JobId,
	/// Its requester.
	pub requester: Requester,
	/// Its provider.
	pub provider: Provider,
	/// Every validator.
	pub verifiers: Vec<Verifier>,
	/// Everyone else with a replay.
	pub outsiders: Vec<Outsider>,
	/// Transactions that were refused: whose and why.
	pub refused: Vec<(String, String)>,
	/// What draws for this job must give. How many a lottery draws is left to chance, but an attack
	/// with amounts to the unit needs a certain number. The stage has authors miss slots before the
	/// seed is known until it is one that gives this: what they author goes into the seed.
	pub draw: Draw,
	/// What the segments of the first tranche's winners must be, in the order of
	/// [`lottery::winners`], where the run is cut.
	pub segments: fn(&[u32]) -> bool,
	cast: Vec<VerifierMisdeed>,
	before: Purses,
	/// Everyone who won in a lottery of this job while it was open.
	winners: Vec<Person>,
	/// The cause of the last draw that was looked at.
	arranged: Option<BlockNumber>,
}

/// Whether a transaction went as it must.
///
/// # Errors
/// What was expected, and what came.
pub fn expect(what: &str, verdict: Verdict, expected: Result<(), &str>) -> Result<(), String> {
	match (verdict, expected) {
		(Ok(()), Ok(())) => Ok(()),
		(Err(found), Err(expected)) if found == expected => Ok(()),
		(found, expected) => Err(format!("{what}: expected {expected:?}, found {found:?}")),
	}
}

/// Fails with a text unless something holds.
///
/// # Errors
/// The text.
pub fn ensure(holds: bool, what: impl Into<String>) -> Result<(), String> {
	holds.then_some(()).ok_or_else(|| what.into())
}

/// Makes the usual people ready for the market: a registered provider with stake, a registered
/// requester, and validators with identities to write reputations into. Once per chain.
///
/// # Panics
/// When the chain refuses that.
pub fn prepare(world: &mut World) {
	let provider = Person::named("Provider");
	let mut ready = vec![
		calls::register(&provider, true),
		calls::bond(&provider, PROVIDER_STAKE),
		calls::register(&Person::named("Requester"), false),
	];
	ready.extend(VALIDATORS.iter().map(|name| calls::register(&Person::named(name), false)));
	for verdict in world.send_all(ready) {
		assert_eq!(verdict, Ok(()), "everyone is ready");
	}
}

impl<'a> Stage<'a> {
	/// Registers the work's program where it is new, and posts the job in a block.
	///
	/// # Panics
	/// When the chain refuses that.
	pub fn post(world: &'a mut World, work: Work, cast: Cast) -> Self {
		Self::post_for(world, work, cast, offer())
	}

	/// As [`Stage::post`] with another offer.
	///
	/// # Panics
	/// When the chain refuses that.
	pub fn post_for(world: &'a mut World, work: Work, cast: Cast, offer: Offer) -> Self {
		let requester = Person::named("Requester");
		if !pallet_assay_identity::Identities::<Runtime>::contains_key(
			Person::named("Provider").account(),
		) {
			prepare(world);
		}
		if !pallet_assay_programs::Programs::<Runtime>::contains_key(work.id) {
			let verdict = world.send(calls::register_program(&requester, &work.bytes));
			assert_eq!(verdict, Ok(()), "the program is admitted");
		}
		let before = Purses::now(world);
		let job = pallet_assay_jobs::NextJob::<Runtime>::get();
		assert_eq!(
			world.send(calls::post_job(&requester, &work, offer)),
			Ok(()),
			"the job is posted"
		);
		let truth = Table::honest(&work);
		let provider = Provider::new(Person::named("Provider"), &work, job, cast.provider);
		let mut verifiers: Vec<_> = VALIDATORS
			.iter()
			.map(|name| {
				let (root, run) = (provider.run_root, provider.run.clone());
				Verifier::new(Person::named(name), truth.clone(), root, run)
			})
			.collect();
		for verifier in &mut verifiers {
			verifier.inputs = cast.requester != RequesterMisdeed::WithholdInputs;
		}
		let outsiders = cast
			.outsiders
			.into_iter()
			.map(|(who, misdeed)| Outsider::new(who, truth.clone(), misdeed))
			.collect();
		Self {
			world,
			work,
			truth,
			job,
			requester: Requester::new(requester, cast.requester),
			provider,
			verifiers,
			outsiders,
			refused: Vec::new(),
			draw: three,
			segments: |_| true,
			cast: cast.drawn,
			before,
			winners: Vec::new(),
			arranged: None,
		}
	}

	/// The job as clients see it.
	///
	/// # Panics
	/// Not while the job is kept.
	pub fn view(&self) -> pallet_view::View {
		Jobs::job_view(self.job).expect("the job is kept")
	}

	/// Where the job stands.
	pub fn phase(&self) -> Phase {
		self.view().phase
	}

	/// The winners of the job's lotteries whose tranches have been opened, in order. They alone
	/// know.
	pub fn drawn(&self) -> Vec<Person> {
		let mut drawn = self.winners.clone();
		let open = pallet_assay_jobs::Lotteries::<Runtime>::get(self.job);
		for (who, tranche) in lottery::winners(self.job) {
			let known = drawn.iter().any(|other: &Person| other.name == who.name);
			if !known && open.as_ref().is_some_and(|lottery| tranche <= lottery.tranche) {
				drawn.push(who);
			}
		}
		drawn
	}

	/// Whether this account has a seat to verify.
	pub fn is_seated(&self, who: &Person) -> bool {
		let account = who.account();
		let seats = self.view().verdicts;
		seats.iter().any(|seat| seat.purpose == Purpose::Verify && seat.account == account)
	}

	/// Has authors miss slots until the draw that the job waits for gives what it should: see
	/// [`Stage::draw`].
	fn arrange_draw(&mut self) {
		let waits = |job: JobId| {
			let job = pallet_assay_jobs::Jobs::<Runtime>::get(job)?;
			job.draw.filter(|_| job.phase == Phase::Committed)
		};
		let Some(cause) = waits(self.job).filter(|cause| self.arranged != Some(*cause)) else {
			return;
		};
		self.arranged = Some(cause);
		let (job, draw, fits) = (self.job, self.draw, self.segments);
		for _ in 0..MOST_FORKS {
			let (sizes, segments) = self.world.on_a_fork(|world| {
				while waits(job).is_some() {
					world.block(vec![]);
				}
				(lottery::sizes(job), lottery::segments(job))
			});
			if draw(sizes.as_deref()) && fits(&segments) {
				return;
			}
			self.world.skip_slot();
		}
		panic!("no seed draws what it should");
	}

	/// A validator's program.
	///
	/// # Panics
	/// For somebody who is none.
	pub fn verifier(&mut self, who: &Person) -> &mut Verifier {
		self.verifiers.iter_mut().find(|v| v.who.name == who.name).expect("a validator")
	}

	/// What everyone sends now.
	pub fn moves(&mut self) -> Vec<(String, Tx)> {
		for (at, who) in self.drawn().into_iter().enumerate() {
			if let Some(misdeed) = self.cast.get(at).cloned() {
				let work = self.work.clone();
				let verifier = self.verifier(&who);
				if verifier.misdeed != misdeed {
					verifier.corrupt(&work, misdeed);
				}
			}
		}
		let mut moves = vec![];
		let mut of = |name: &str, sent: Vec<Tx>| {
			moves.extend(sent.into_iter().map(|tx| (name.to_string(), tx)));
		};
		of("requester", self.requester.act(self.job));
		of("provider", self.provider.act(&self.work, self.job));
		for verifier in &mut self.verifiers {
			let name = verifier.who.name.clone();
			of(&name, verifier.act(&self.work, self.job));
		}
		for outsider in &mut self.outsiders {
			let name = outsider.who.name.clone();
			of(&name, outsider.act(&self.work, self.job));
		}
		moves
	}

	/// One block with what everyone sends, and `more` before it.
	pub fn tick_with(&mut self, more: Vec<Tx>) -> Vec<Verdict> {
		let given = more.len();
		self.winners = self.drawn();
		self.arrange_draw();
		let moves = self.moves();
		let (names, sent): (Vec<_>, Vec<_>) = moves.into_iter().unzip();
		let mut verdicts = self.world.block(more.into_iter().chain(sent).collect());
		let theirs = verdicts.split_off(given);
		let refused = names.into_iter().zip(theirs);
		self.refused.extend(refused.filter_map(|(name, v)| v.err().map(|error| (name, error))));
		verdicts
	}

	/// One block with what everyone sends.
	pub fn tick(&mut self) {
		self.tick_with(vec![]);
	}

	/// One block with what everyone sends, and one transaction before it.
	pub fn with(&mut self, transaction: Tx) -> Verdict {
		self.tick_with(vec![transaction]).remove(0)
	}

	/// Plays until something holds.
	///
	/// # Errors
	/// When it does not come to that.
	pub fn until(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), String> {
		for _ in 0..PATIENCE {
			if done(self) {
				return Ok(());
			}
			self.tick();
		}
		Err(format!("the job is stuck in {:?} after {PATIENCE} blocks", self.phase()))
	}

	/// Plays until the job has reached a phase, or has ended.
	///
	/// # Errors
	/// When it does not come to that.
	pub fn until_phase(&mut self, phase: Phase) -> Result<(), String> {
		self.until(|stage| stage.phase() == phase || stage.phase().is_terminal())?;
		ensure(self.phase() == phase, format!("ended before {phase:?}: {:?}", self.view().reason))
	}

	/// Plays until the result is open and the job challengeable or revealing still.
	///
	/// # Errors
	/// When it does not come to that.
	pub fn until_revealed(&mut self) -> Result<(), String> {
		self.until(|stage| stage.view().run_root.is_some() || stage.phase().is_terminal())?;
		ensure(self.view().run_root.is_some(), "the result was not opened")
	}

	/// Plays until the job has ended and its lanes are closed, and sums up.
	///
	/// # Errors
	/// When it does not come to that, or money appeared or vanished.
	pub fn play(&mut self) -> Result<Report, String> {
		self.until(|stage| {
			stage.phase().is_terminal() && Arbitration::lanes(stage.job).is_empty()
		})?;
		self.report()
	}

	/// Sums up.
	///
	/// # Errors
	/// When money appeared or vanished.
	pub fn report(&self) -> Result<Report, String> {
		let view = self.view();
		let outcome = match view.reason {
			Some(reason) => format!("{reason:?}"),
			None => format!("{:?}", view.phase),
		};
		use pallet_assay_jobs::Event;
		let job_of = |event: &Event<Runtime>| match event {
			Event::ResultRevealed { job, .. } => Some((false, *job)),
			Event::BondSlashed { job, .. } => Some((true, *job)),
			_ => None,
		};
		let reveal = self.block_of(|event| job_of(event) == Some((false, self.job)));
		let slash = self.block_of(|event| job_of(event) == Some((true, self.job)));
		let blocks = slash.and_then(|slash| Some(slash - reveal?));
		Ok(Report { outcome, blocks, money: self.money()? })
	}

	/// The first block with such an event of the jobs pallet.
	pub fn block_of(
		&self,
		is: impl Fn(&pallet_assay_jobs::Event<Runtime>) -> bool,
	) -> Option<BlockNumber> {
		self.world.log.iter().find_map(|(block, event)| match event {
			RuntimeEvent::Jobs(event) if is(event) => Some(*block),
			_ => None,
		})
	}

	/// What an account is to this job.
	pub fn part_of(&self, who: &AccountId) -> String {
		if *who == self.requester.who.account() {
			return "requester".into();
		}
		if *who == self.provider.who.account() {
			return "provider".into();
		}
		if *who == Decoys::pot() {
			return "pot".into();
		}
		if self.drawn().iter().any(|person| person.account() == *who) {
			return "verifier".into();
		}
		let person = self.world.people.get(who);
		let name = person.map_or_else(|| who.to_string(), |person| person.name.to_lowercase());
		name.split('-').next().unwrap_or_default().into()
	}

	/// Who has got or lost how much since the job was posted, transaction fees and fees for data
	/// left aside; and whose stake waits to be slashed.
	///
	/// # Errors
	/// When money appeared or vanished.
	pub fn money(&self) -> Result<String, String> {
		let moved = Purses::now(self.world).since(&self.before)?;
		let moved = money::describe(&moved, |who| self.part_of(who));
		let deferred: Vec<_> = pallet_assay_stake::DeferredSlashes::<Runtime>::iter_values()
			.map(|slash| (slash.who, -(slash.amount as i128)))
			.collect();
		if deferred.is_empty() {
			return Ok(moved);
		}
		Ok(format!("{moved}; deferred: {}", money::each(&deferred, |who| self.part_of(who))))
	}

	/// The reason for which the job ended.
	pub fn reason(&self) -> Option<ReasonCode> {
		self.view().reason
	}

	/// Whether somebody's transaction was refused by this name.
	pub fn was_refused(&self, who: &str, why: &str) -> bool {
		self.refused.iter().any(|(name, error)| name == who && error == why)
	}
}

/// The type of a job's view in this runtime.
pub mod pallet_view {
	use assay_runtime::{AccountId, Balance, BlockNumber};
	/// What clients see of a job.
	pub type View = assay_market::JobView<AccountId, Balance, BlockNumber>;
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
	/// Why the job ended, or what was refused.
	pub outcome: String,
	/// Blocks from the wrong reveal to the slash.
	pub blocks: Option<u32>,
	/// Who got or lost how much.
	pub money: String,
}
