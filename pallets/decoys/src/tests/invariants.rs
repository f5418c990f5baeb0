//! Random sequences of calls: no unit comes or goes but what a fraud burned, and no maker takes
//! more than it was allowed.

use super::*;
use proptest::{collection::vec, prelude::*};
use sp_keyring::Sr25519Keyring;

#[derive(Clone, Debug)]
enum Action {
	SetMaker { rival: bool, allowance: u64 },
	Seal { rival: bool, honest: bool },
	Discard { rival: bool, index: usize, by_stranger: bool },
	End { job: u8, own: bool, reason: u8 },
	Unseal { job: u8, index: usize },
	Fund { amount: u64 },
	Roll { blocks: u64 },
}

fn action() -> impl Strategy<Value = Action> {
	prop_oneof![
		1 => (any::<bool>(), 0..4_000u64)
			.prop_map(|(rival, allowance)| Action::SetMaker { rival, allowance }),
		4 => (any::<bool>(), any::<bool>()).prop_map(|(rival, honest)| Action::Seal { rival, honest }),
		1 => (any::<bool>(), any::<usize>(), any::<bool>())
			.prop_map(|(rival, index, by_stranger)| Action::Discard { rival, index, by_stranger }),
		4 => (any::<u8>(), any::<bool>(), 0..4u8)
			.prop_map(|(job, own, reason)| Action::End { job: job % 8, own, reason }),
		6 => (any::<u8>(), any::<usize>())
			.prop_map(|(job, index)| Action::Unseal { job: job % 8, index }),
		1 => (0..300u64).prop_map(|amount| Action::Fund { amount }),
		3 => (1..30u64).prop_map(|blocks| Action::Roll { blocks }),
	]
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

	#[test]
	fn money_should_be_conserved_when_anything_happens_in_any_order(
		actions in vec(action(), 1..60),
	) {
		new_test_ext().execute_with(|| {
			let maker = |rival: bool| if rival { RIVAL } else { MAKER };
			let mut secrets: Vec<Secret> = Vec::new();
			let mut issuance = Balances::total_issuance();
			let mut allowed = [0u64, ALLOWANCE];
			let mut taken = [0u64; 2];
			for (step, action) in actions.into_iter().enumerate() {
				match action {
					Action::SetMaker { rival, allowance } => {
						if set_maker(maker(rival), allowance).is_ok() {
							allowed[usize::from(!rival)] = taken[usize::from(!rival)] + allowance;
						}
					}
					Action::Seal { rival, honest } => {
						let first = if honest { POSTS } else { STRANGER };
						let salt = [step as u8; 32];
						let new =
							secret_signed_by(maker(rival), (POSTS, CLAIMS), (first, CLAIMS), salt);
						let _ = seal(&new);
						secrets.push(new);
					}
					Action::Discard { rival, index, by_stranger } => {
						let Some(secret) = secrets.get(index % secrets.len().max(1)) else { continue };
						let by = if by_stranger { STRANGER } else { maker(rival) };
						let who = maker(rival).to_account_id();
						let _ = Decoys::discard(signed(by), who, secret.hash);
					}
					Action::End { job, own, reason } => {
						if Ended::contains_key(u64::from(job)) {
							continue;
						}
						let reason = [
							ReasonCode::ProvenFraud,
							ReasonCode::Withheld,
							ReasonCode::Paid,
							ReasonCode::Inconclusive,
						][usize::from(reason)];
						let requester: Sr25519Keyring = if own { POSTS } else { STRANGER };
						end(job.into(), (requester, CLAIMS), reason);
						issuance = Balances::total_issuance();
					}
					Action::Unseal { job, index } => {
						let Some(secret) = secrets.get(index % secrets.len().max(1)) else { continue };
						let record = Ended::get(u64::from(job));
						let before = (free(CLAIMS), pot(), Balances::total_issuance());
						let done = unseal(job.into(), secret).is_ok();
						let after = (free(CLAIMS), pot(), Balances::total_issuance());
						let (burned, paid, _) = match (&record, done) {
							(Some((requester, .., losses, was_taken)), true) => {
								prop_assert!(!was_taken && *requester == POSTS.to_account_id());
								*losses
							}
							_ => (0, 0, 0),
						};
						prop_assert_eq!(after.0, before.0 + burned + paid);
						prop_assert_eq!(after.1, before.1 - paid);
						prop_assert_eq!(after.2, before.2 + burned);
						issuance = after.2;
						let by = usize::from(secret.maker != RIVAL);
						taken[by] += burned + paid;
						prop_assert!(taken[by] <= allowed[by]);
					}
					Action::Fund { amount } => {
						let _ = Decoys::fund(signed(FINDER), amount);
					}
					Action::Roll { blocks } => roll(blocks),
				}
				prop_assert_eq!(Balances::total_issuance(), issuance);
				prop_assert_eq!(Decoys::do_try_state(), Ok(()));
			}
			Ok(())
		})?;
	}
}
