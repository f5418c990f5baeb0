//! Exact accounts: what every account has, what has come and gone, and that nothing else did.

use crate::chain::World;
use assay_runtime::{constants::currency::UNIT, AccountId};
use std::collections::BTreeMap;

/// What every account has, transaction fees and fees for data left aside, and all money there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purses {
	accounts: BTreeMap<AccountId, i128>,
	issuance: i128,
}

/// What has moved between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
	/// By account, where it is not zero.
	pub accounts: Vec<(AccountId, i128)>,
	/// Taken out of existence.
	pub burned: i128,
}

impl Purses {
	/// As they are now.
	pub fn now(world: &World) -> Self {
		Self { accounts: world.balances(), issuance: world.issuance() }
	}

	/// What has moved since.
	///
	/// # Errors
	/// When the balances of all accounts are not all the money there is, or do not change as it
	/// does.
	pub fn since(&self, before: &Self) -> Result<Moved, String> {
		for purses in [before, self] {
			let sum: i128 = purses.accounts.values().sum();
			if sum != purses.issuance {
				return Err(format!("{} in all accounts, {} issued", sum, purses.issuance));
			}
		}
		let of = |purses: &Self, who: &AccountId| purses.accounts.get(who).copied().unwrap_or(0);
		let everyone: std::collections::BTreeSet<_> =
			before.accounts.keys().chain(self.accounts.keys()).cloned().collect();
		let accounts = everyone
			.into_iter()
			.map(|who| {
				let change = of(self, &who) - of(before, &who);
				(who, change)
			})
			.filter(|(_, change)| *change != 0)
			.collect();
		Ok(Moved { accounts, burned: before.issuance - self.issuance })
	}
}

/// An amount in ASY, exactly.
pub fn amount(value: i128) -> String {
	let (whole, rest) = (value.unsigned_abs() / UNIT, value.unsigned_abs() % UNIT);
	let sign = if value < 0 { "-" } else { "" };
	let digits = format!("{rest:012}");
	match digits.trim_end_matches('0') {
		"" => format!("{sign}{whole}"),
		fraction => format!("{sign}{whole}.{fraction}"),
	}
}

fn signed(value: i128) -> String {
	if value > 0 {
		format!("+{}", amount(value))
	} else {
		amount(value)
	}
}

/// Changes in words: losers first, equal changes of people with one part together.
pub fn each(changes: &[(AccountId, i128)], part_of: impl Fn(&AccountId) -> String) -> String {
	let mut grouped: BTreeMap<(i128, String), usize> = BTreeMap::new();
	for (who, change) in changes {
		*grouped.entry((*change, part_of(who))).or_default() += 1;
	}
	let described: Vec<_> = grouped
		.into_iter()
		.map(|((change, part), count)| match count {
			1 => format!("{part} {}", signed(change)),
			count => format!("{count} {part}s {} each", signed(change)),
		})
		.collect();
	described.join(", ")
}

/// Everything that moved, in words; `nothing` if nothing did.
pub fn describe(moved: &Moved, part_of: impl Fn(&AccountId) -> String) -> String {
	let mut words = each(&moved.accounts, part_of);
	if moved.burned != 0 {
		if !words.is_empty() {
			words.push_str(", ");
		}
		words.push_str(&format!("burned {}", amount(moved.burned)));
	}
	if words.is_empty() {
		words.push_str("nothing");
	}
	words
}
