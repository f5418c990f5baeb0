//! Accounts by number, and the verifier keys that belong to them.

use assay_market::verifier_crypto::AuthorityPair;
use sp_core::Pair;
use sp_runtime::AccountId32;

/// An account by its number.
pub fn account(index: u8) -> AccountId32 {
	AccountId32::new([index; 32])
}

/// Verifiers are the accounts from 10 on.
pub fn verifier(index: u8) -> AccountId32 {
	account(10 + index)
}

/// The raw seed of an account's verifier key. A phrase would be stretched by thousands of hashes at
/// every use.
pub fn seed_of(account: &AccountId32) -> String {
	let bytes: &[u8] = account.as_ref();
	format!("0x{}", format!("{:02x}", bytes[0]).repeat(32))
}

/// The key of a raw seed.
///
/// # Panics
/// When it is none.
pub fn pair_of(seed: &str) -> AuthorityPair {
	AuthorityPair::from_string(seed, None).expect("a raw seed")
}

/// The verifier key of an account.
pub fn pair(account: &AccountId32) -> AuthorityPair {
	pair_of(&seed_of(account))
}
