//! Amounts of the native token: typed with decimals, exact to the last unit, never through floats.

use crate::error::{Error, Result};
use std::str::FromStr;

/// Decimals of the token when the chain does not say.
pub const DEFAULT_DECIMALS: u8 = 12;

/// A non-negative decimal number as typed, kept exact until the chain's decimals are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
	whole: String,
	fraction: String,
}

impl FromStr for Amount {
	type Err = Error;

	fn from_str(text: &str) -> Result<Self> {
		let bad = || {
			Error::new("bad-amount", format!("`{text}` is not an amount"))
				.fix("write a number of ASY such as 12, 0.25 or 1_000.5")
		};
		let number = text.trim().strip_suffix("ASY").unwrap_or(text).trim().replace('_', "");
		let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
		let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
		if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
			return Err(bad());
		}
		Ok(Self { whole: whole.into(), fraction: fraction.trim_end_matches('0').into() })
	}
}

impl Amount {
	/// The smallest units of a token with `decimals` decimals.
	pub fn to_units(&self, decimals: u8) -> Result<u128> {
		let places = usize::from(decimals);
		if self.fraction.len() > places {
			return Err(Error::new(
				"bad-amount",
				format!("{}.{} has more than {places} decimals", self.whole, self.fraction),
			)
			.fix(format!("the token has {places} decimals; round the amount")));
		}
		let digits = format!("{}{:0<places$}", self.whole, self.fraction);
		if digits.is_empty() {
			return Ok(0);
		}
		digits.parse().map_err(|_| {
			Error::new("bad-amount", format!("{} does not fit in 128 bits", self.whole))
				.fix("use a smaller amount")
		})
	}
}

/// `units` as a decimal number without trailing zeros, such as `1.5`.
pub fn format_units(units: u128, decimals: u8) -> String {
	if decimals == 0 {
		return units.to_string();
	}
	let places = usize::from(decimals);
	let digits = format!("{units:0>width$}", width = places + 1);
	let (whole, fraction) = digits.split_at(digits.len() - places);
	let fraction = fraction.trim_end_matches('0');
	if fraction.is_empty() {
		whole.into()
	} else {
		format!("{whole}.{fraction}")
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn units(text: &str) -> u128 {
		text.parse::<Amount>().unwrap().to_units(12).unwrap()
	}

	#[test]
	fn amount_should_be_exact_when_typed_with_decimals() {
		assert_eq!(units("12"), 12_000_000_000_000);
		assert_eq!(units("0.25"), 250_000_000_000);
		assert_eq!(units(".5"), 500_000_000_000);
		assert_eq!(units("1_000.5 ASY"), 1_000_500_000_000_000);
		assert_eq!(units("0.000000000001"), 1);
		assert_eq!(units("1.500000000000000000"), 1_500_000_000_000);
		assert_eq!(units("0"), 0);
	}

	#[test]
	fn amount_should_name_the_fix_when_malformed() {
		for text in ["", ".", "-1", "1e5", "1.2.3", "abc", "1 2"] {
			let error = text.parse::<Amount>().unwrap_err();
			assert_eq!(error.code, "bad-amount", "{text}");
			assert!(error.fix.is_some());
		}
		assert_eq!(
			"0.0000000000001".parse::<Amount>().unwrap().to_units(12).unwrap_err().code,
			"bad-amount"
		);
		assert!("9".repeat(40).parse::<Amount>().unwrap().to_units(12).is_err());
	}

	#[test]
	fn format_should_invert_parsing_when_any_units() {
		for n in [0, 1, 999_999_999_999, 1_000_000_000_000, 1_500_000_000_000, u64::MAX.into()] {
			assert_eq!(units(&format_units(n, 12)), n);
		}
		assert_eq!(format_units(1_500_000_000_000, 12), "1.5");
		assert_eq!(format_units(7, 0), "7");
	}
}
