//! Whether the keys of this node have won, which nobody else knows until they speak.

use crate::{chain::OpenLottery, fault::Fault, types::Hash};
use assay_market::{
	lottery::{claimed_output, tranche_of, transcript},
	verifier_crypto::KEY_TYPE,
	Ticket, VerifierId,
};
use sp_core::{crypto::ByteArray, sr25519};
use sp_keystore::Keystore;
use std::collections::{BTreeMap, BTreeSet};

/// Names a ticket: order, seed and key. On another fork a number may be another job's, and a job
/// may have another seed.
type Name = (Hash, Hash, VerifierId);

/// A ticket and the number that it draws.
#[derive(Clone, Copy, Debug)]
struct Drawn {
	ticket: Ticket,
	output: u128,
}

/// A ticket that has won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Winner {
	pub(crate) ticket: Ticket,
	/// From 0.
	pub(crate) tranche: u32,
}

/// The tickets of the lotteries that are open now. The numbers follow from keys and seeds, so that
/// a restart draws the same ones; the proofs beside them may be others.
#[derive(Default)]
pub(crate) struct Tickets {
	drawn: BTreeMap<Name, Drawn>,
	/// Keys that could not draw, so that it is said once.
	failed: BTreeSet<Name>,
}

/// What a lottery is for one key.
#[derive(Debug)]
pub(crate) enum Draw {
	/// Whether it has won, and whether that was not known before.
	Known { winner: Option<Winner>, new: bool },
	/// The keystore has not drawn; whether that is said for the first time.
	Failed(Fault, bool),
}

impl Tickets {
	/// The ticket of one of the keystore's keys. Blocks on the keystore the first time.
	pub(crate) fn draw(
		&mut self,
		keystore: &dyn Keystore,
		genesis: &Hash,
		lottery: &OpenLottery,
	) -> Draw {
		let name = (lottery.order, lottery.seed, lottery.key.clone());
		let known = self.drawn.get(&name).copied();
		let drawn = match known.map_or_else(|| draw(keystore, genesis, lottery), Ok) {
			Ok(drawn) => drawn,
			Err(fault) => return Draw::Failed(fault, self.failed.insert(name)),
		};
		self.drawn.insert(name, drawn);
		let tranche = tranche_of(drawn.output, lottery.stake, &lottery.terms);
		let winner = tranche.map(|tranche| Winner { ticket: drawn.ticket, tranche });
		Draw::Known { winner, new: known.is_none() }
	}

	/// Forgets the tickets of all other lotteries than these.
	pub(crate) fn retain(&mut self, open: &[OpenLottery]) {
		let open: BTreeSet<_> =
			open.iter().map(|lottery| (lottery.order, lottery.seed, lottery.key.clone())).collect();
		self.drawn.retain(|name, _| open.contains(name));
		self.failed.retain(|name| open.contains(name));
	}
}

fn draw(keystore: &dyn Keystore, genesis: &Hash, lottery: &OpenLottery) -> Result<Drawn, Fault> {
	let data = transcript(genesis, &lottery.order, &lottery.seed);
	let public = sr25519::Public::from_slice(lottery.key.as_ref())
		.map_err(|()| Fault::Keystore("the verifier key has a wrong length".into()))?;
	let signature = keystore
		.sr25519_vrf_sign(KEY_TYPE, &public, &data)
		.map_err(|error| Fault::Keystore(error.to_string()))?
		.ok_or_else(|| Fault::Keystore("the verifier key is not in the keystore".into()))?;
	let ticket = Ticket::from(&signature);
	let output = claimed_output(&lottery.key, &data, &ticket)
		.ok_or_else(|| Fault::Keystore("what it drew is no ticket".into()))?;
	Ok(Drawn { ticket, output })
}
