//! Decoys: who vouches for them, and makers that would be reimbursed for cheating.

use super::verdicts::after_deferral;
use crate::{
	actors::{ProviderMisdeed, VerifierMisdeed},
	attack::Attack,
	chain::{self, Tx, Verdict, World},
	models,
	people::Person,
	stage::{ensure, expect, prepare, Cast, Report, Stage},
	work::Lie,
};
use assay_commitments::Hash;
use assay_runtime::{constants::currency::UNIT, Balance, Decoys, Runtime, RuntimeCall, Signature};
use frame_system::RawOrigin;
use pallet_assay_decoys::{Call, Consents};
use sp_core::Pair as _;

const SALT: Hash = [0x5a; 32];
/// What the maker may cost, and what is in the pot.
const ALLOWANCE: Balance = 100 * UNIT;

/// Posts and claims decoys through the ordinary requester and provider.
fn maker() -> Person {
	Person::named("Rival")
}

fn decoys(who: &Person, call: Call<Runtime>) -> Tx {
	Tx::Signed(who.clone(), RuntimeCall::Decoys(call))
}

/// The consents of a decoy whose requester's is signed by `requester`.
fn consents(requester: &Person) -> Consents<Signature> {
	let (posts, claims) = (Person::named("Requester"), Person::named("Provider"));
	let payload =
		Decoys::consent_payload(&maker().account(), &posts.account(), &claims.account(), &SALT);
	Consents {
		requester: requester.pair().sign(&payload).into(),
		provider: claims.pair().sign(&payload).into(),
	}
}

/// Root names the maker, somebody fills the pot, and the maker seals the decoy.
fn seal(world: &mut World, consents: &Consents<Signature>) -> Result<(), String> {
	prepare(world);
	Decoys::set_maker(RawOrigin::Root.into(), maker().account(), ALLOWANCE)
		.map_err(|error| format!("root cannot name a maker: {error:?}"))?;
	let fund = Call::fund { amount: ALLOWANCE };
	expect("the pot", world.send(decoys(&Person::named("Outsider"), fund)), Ok(()))?;
	let (posts, claims) =
		(Person::named("Requester").account(), Person::named("Provider").account());
	let hash = Decoys::seal_hash(&maker().account(), &posts, &claims, consents, &SALT);
	expect("the seal", world.send(decoys(&maker(), Call::seal { hash })), Ok(()))
}

fn unseal(stage: &mut Stage, consents: Consents<Signature>) -> Verdict {
	stage.with(decoys(&maker(), Call::unseal { job: stage.job, salt: SALT, consents }))
}

/// A fault that is planted on purpose, by a provider that reveals it to its verifiers.
fn planted() -> Cast {
	let provider = ProviderMisdeed::Lie(Lie::at(0, models::inference().anchor(0), 0));
	Cast { provider, drawn: vec![VerifierMisdeed::AlwaysValid], ..Cast::default() }
}

fn vouching_for_a_decoy() -> Result<Report, String> {
	chain::run(|world| {
		let agreed = consents(&Person::named("Requester"));
		seal(world, &agreed)?;
		let mut stage = Stage::post(world, models::inference(), planted());
		let Report { outcome, blocks, .. } = stage.play()?;
		expect("the reimbursement", unseal(&mut stage, agreed.clone()), Ok(()))?;
		let twice = unseal(&mut stage, agreed.clone());
		expect("another one", twice, Err("NotEnded"))?;
		after_deferral(&mut stage)?;
		let tally = pallet_assay_decoys::Tallies::<Runtime>::get();
		ensure((tally.proven, tally.missed) == (1, 0), "the decoy is miscounted")?;
		let money = stage.money()?;
		Ok(Report { outcome: format!("{outcome}, reimbursed, voucher slashed"), blocks, money })
	})
}

fn cheating_under_a_seal() -> Result<Report, String> {
	chain::run(|world| {
		// The requester is real, and has signed nothing.
		let forged = consents(&maker());
		seal(world, &forged)?;
		let cast = Cast { drawn: vec![], ..planted() };
		let mut stage = Stage::post(world, models::inference(), cast);
		let mut report = stage.play()?;
		expect("forged", unseal(&mut stage, forged), Err("RequesterDidNotConsent"))?;
		// Bribed afterwards, it signs. The seal is older than that.
		let bribed = consents(&Person::named("Requester"));
		expect("bribed", unseal(&mut stage, bribed), Err("NotSealed"))?;
		report.outcome = format!("{}, not reimbursed", report.outcome);
		Ok(report)
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "vouch-for-a-decoy",
		what: "a verifier confirms a root that a decoy's provider leaked to it",
		outcome: "ProvenFraud, reimbursed, voucher slashed",
		blocks: super::proved_by_verifier(2, 1),
		money: "verifier -2000, provider -2.499894238288, pot -2.000105761712, verifier +2, requester +2.5, burned 2000",
		run: vouching_for_a_decoy,
	},
	Attack {
		name: "cheat-under-a-decoy-seal",
		what: "a decoy maker's provider cheats a real requester, and would have its bond back",
		outcome: "ProvenFraud, not reimbursed",
		blocks: super::proved_by_verifier(2, 1),
		money: super::PROVEN_BY_VERIFIER,
		run: cheating_under_a_seal,
	},
];
