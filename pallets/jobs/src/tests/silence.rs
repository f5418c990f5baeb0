//! What others get of the bond where a result is withheld and nothing is proved.

use super::*;
use assay_market::{Assurance, Audit, Disputes};

/// At the rarest audit a bond is many prices. Whoever can keep a provider from revealing for a while, or
/// from answering, must not earn a part of it.
#[test]
fn silence_should_pay_the_price_at_most_when_the_bond_is_many_prices() {
	let rare = Assurance { audit: Audit::Custom(Permill::from_percent(5)), ..unattested() };
	let committed = || {
		let id = post(rare);
		roll(10);
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &right()));
		roll_past_deadline(id);
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Revealing);
		assert!(bond_of(id) / 4 > PRICE, "or the test shows nothing: {}", bond_of(id));
		id
	};
	// No reveal.
	ExtBuilder::default().build_and_execute(|| {
		let id = committed();
		let bond = bond_of(id);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Withheld)));
		assert_eq!(free(&requester()), BALANCE + PRICE);
		assert_eq!((FreeStake::get(provider()), BurnedStake::get()), (STAKE - bond, bond - PRICE));
	});
	// No answer, or a list that contradicts itself, after a proof with fees.
	for costs in [0, UNIT, u64::MAX] {
		ExtBuilder::default().build_and_execute(|| {
			let id = committed();
			let bond = bond_of(id);
			assert_ok!(reveal_result(id, &right()));
			let by = bystander();
			let reason = ReasonCode::Withheld;
			assert!(<Market as Disputes<_, _, _>>::condemn(id, reason, &by, None, costs));
			let replay = test_parameters().least_price(WORK, 0);
			let part = replay.saturating_add(costs).min(bond / 2 - PRICE);
			assert_eq!(free(&by) - BALANCE, part);
			assert_eq!(free(&requester()) - BALANCE, PRICE);
			assert_eq!(BurnedStake::get(), bond - PRICE - part);
		});
	}
}
