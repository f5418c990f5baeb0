//! Runs that are cut into segments: a lie in one of them, friends in others, and checkpoints that
//! are not those of the run.

use super::{proved_by_outsider, proved_by_verifier, PAID, PAID_TO_TWO};
use crate::{
	actors::{OutsiderMisdeed, ProviderMisdeed, VerifierMisdeed},
	attack::{Attack, Blocks},
	calls::Offer,
	chain, models,
	people::Person,
	stage::{ensure, offer, Cast, Report, Stage},
	work::{Lie, Work},
};
use assay_market::{Assurance, Segments};

/// Five steps, in two segments of four steps and of one. So few that the bond is still the price.
const STEPS: u32 = 5;
const LENGTH: u32 = 4;

fn work() -> Work {
	models::recurrent(STEPS)
}

/// A lie in the first segment, on which the second is built.
fn lie() -> Lie {
	Lie::at(2, work().anchor(0), 0)
}

/// The same in the second: in its first step, right behind the checkpoint.
fn lie_behind_the_checkpoint() -> Lie {
	Lie::at(4, work().anchor(0), 0)
}

fn played(cast: Cast, segments: fn(&[u32]) -> bool) -> Result<Report, String> {
	played_and(cast, segments, |_| Ok(()))
}

fn played_and(
	cast: Cast,
	segments: fn(&[u32]) -> bool,
	check: impl Fn(&Stage) -> Result<(), String>,
) -> Result<Report, String> {
	let segments_of = Some(Segments { steps: LENGTH });
	let assurance = Assurance { segments: segments_of, ..Assurance::default() };
	chain::run(|world| {
		let offer = Offer { assurance, ..offer() };
		let mut stage = Stage::post_for(world, work(), cast, offer);
		stage.segments = segments;
		let report = stage.play()?;
		check(&stage)?;
		Ok(report)
	})
}

/// Two verifiers of the first segment and one of the second.
fn two_and_one(segments: &[u32]) -> bool {
	segments == [0, 0, 1] || segments == [0, 1, 0] || segments == [1, 0, 0]
}

/// Exactly one verifier of the first segment.
fn one_and_two(segments: &[u32]) -> bool {
	segments.iter().filter(|segment| **segment == 0).count() == 1 && segments.len() == 3
}

fn lying(lie: Lie) -> Cast {
	Cast { provider: ProviderMisdeed::Lie(lie), ..Cast::default() }
}

/// Everyone who was drawn vouches for what the provider leaks; somebody else replays the whole run.
fn vouched(lie: Lie) -> Result<Report, String> {
	let outsiders = vec![(Person::named("Outsider"), OutsiderMisdeed::None)];
	let drawn = vec![VerifierMisdeed::AlwaysValid; 3];
	let cast = Cast { drawn, outsiders, ..lying(lie) };
	played(cast, two_and_one)
}

fn refused(provider: ProviderMisdeed) -> Result<Report, String> {
	let cast = Cast { provider, ..Cast::default() };
	let mut report = played_and(
		cast,
		|_| true,
		|stage| {
			ensure(stage.was_refused("provider", "SegmentsMismatch"), "the reveal was not refused")
		},
	)?;
	report.outcome = format!("SegmentsMismatch, {}", report.outcome);
	Ok(report)
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "segments-all-honest",
		what: "each of three verifiers replays the segment that it has drawn from the provider's checkpoint",
		outcome: "Paid",
		blocks: Blocks::None,
		money: PAID,
		run: || played(Cast::default(), two_and_one),
	},
	Attack {
		name: "lie-in-a-segment-that-one-replays",
		what: "two verifiers of the other segment confirm it, and nothing happens to them; the third proves",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(3, 1),
		money: "provider -16.031764172358, verifier +3.206352834472, requester +4.007941043089, burned 8.817470294797",
		run: || played(lying(lie()), one_and_two),
	},
	Attack {
		name: "lie-right-behind-a-checkpoint",
		what: "the first step of the second segment is wrong; verifiers of the first are not to blame",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(3, 1),
		money: "provider -16.031764172358, verifier +3.206352834472, requester +4.007941043089, burned 8.817470294797",
		run: || played(lying(lie_behind_the_checkpoint()), two_and_one),
	},
	Attack {
		name: "friends-in-both-segments",
		what: "all drawn verifiers vouch unseen for a lie in the first segment: two of them for that segment",
		outcome: "ProvenFraud",
		blocks: proved_by_outsider(3, 1),
		money: "provider -16.031764172358, outsider +3.206352834472, requester +4.007941043089, burned 8.817470294797; deferred: 2 verifiers -2000 each",
		run: || vouched(lie()),
	},
	Attack {
		name: "friends-and-a-lie-behind-the-checkpoint",
		what: "the same with a lie in the first step of the second segment, for which one of them vouches",
		outcome: "ProvenFraud",
		blocks: proved_by_outsider(3, 1),
		money: "provider -16.031764172358, outsider +3.206352834472, requester +4.007941043089, burned 8.817470294797; deferred: verifier -2000",
		run: || vouched(lie_behind_the_checkpoint()),
	},
	Attack {
		name: "nobody-replays-the-wrong-segment",
		what: "all drawn verifiers have the honest segment; an outsider's replay of the whole run finds the lie",
		outcome: "ProvenFraud",
		blocks: proved_by_outsider(3, 1),
		money: "provider -16.031764172358, outsider +3.206352834472, requester +4.007941043089, burned 8.817470294797",
		run: || {
			let outsiders = vec![(Person::named("Outsider"), OutsiderMisdeed::None)];
			played(Cast { outsiders, ..lying(lie()) }, |segments| segments == [1, 1, 1])
		},
	},
	Attack {
		name: "checkpoints-of-another-run",
		what: "the provider has committed to checkpoints that its own trace contradicts: it cannot reveal",
		outcome: "SegmentsMismatch, Withheld",
		blocks: Blocks::None,
		money: "provider -16.031764172358, requester +4.007941043089, burned 12.023823129269",
		run: || refused(ProviderMisdeed::OtherCheckpoints(Lie::at(3, work().anchor(0), 0))),
	},
	Attack {
		name: "segments-of-another-run",
		what: "the segments at the reveal do not hash to the committed run root",
		outcome: "SegmentsMismatch, Withheld",
		blocks: Blocks::None,
		money: "provider -16.031764172358, requester +4.007941043089, burned 12.023823129269",
		run: || refused(ProviderMisdeed::OtherSegments),
	},
	Attack {
		name: "checkpoints-held-back",
		what: "nobody gets a checkpoint: the second tranche brings the time to replay all that comes before",
		outcome: "Paid",
		blocks: Blocks::None,
		// Those of the second tranche are in time too.
		money: "requester -12, 5 verifiers +0.38 each, provider +9.5, burned 0.6",
		run: || {
			let drawn = vec![VerifierMisdeed::WithoutCheckpoint; 3];
			played(Cast { drawn, ..Cast::default() }, |_| true)
		},
	},
	Attack {
		name: "segment-root-without-the-trace",
		what: "a verifier was told the root of its segment, and has no chunks of it: no verdict, no fee",
		outcome: "Paid",
		blocks: Blocks::None,
		money: PAID_TO_TWO,
		run: || {
			let drawn = vec![VerifierMisdeed::Hearsay];
			played(Cast { drawn, ..Cast::default() }, |_| true)
		},
	},
];
