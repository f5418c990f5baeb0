//! The number that a verifier's key draws.

use crate::{
	lottery::{Ticket, ARRIVAL_CONTEXT},
	VerifierId,
};
use sp_core::{
	crypto::{VrfPublic, Wraps},
	sr25519::vrf::{VrfSignData, VrfSignature},
};

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
