//! Where the signing key comes from: a development path such as `//Alice`, or a private file.

use crate::{
	error::{io, Error, Result},
	private,
};
use std::{io::Write, os::unix::fs::OpenOptionsExt, path::Path, str::FromStr};
use subxt_signer::{sr25519::Keypair, SecretUri};

/// Longest key file that is read: a mnemonic with a derivation path is far shorter.
const MAX_KEY_FILE: u64 = 4096;

/// Loads the key that `source` names: `//Path` derives from the well-known development phrase,
/// anything else is a file that holds a mnemonic, a `0x` seed or a secret URI.
pub fn load(source: &str) -> Result<Keypair> {
	if source.starts_with('/') && source[1..].starts_with('/') {
		return parse(source, source);
	}
	if source.split_whitespace().count() >= 12 || is_seed(source) {
		return Err(Error::new("key-on-command-line", "`--key` holds a secret itself")
			.fix("write it into a file with mode 600 and pass the file's path"));
	}
	let path = Path::new(source);
	let text = read_private(path)?;
	let secret = text.trim();
	if secret.is_empty() {
		return Err(Error::new("bad-key", format!("key file {source} is empty"))
			.fix("put a mnemonic or a 0x seed into it"));
	}
	parse(secret, source)
}

/// A seed, also one that a derivation path or a password follows, or whose `0x` was forgotten: no
/// message may repeat it.
fn is_seed(text: &str) -> bool {
	let digits = text.strip_prefix("0x").unwrap_or(text).bytes();
	digits.take_while(u8::is_ascii_hexdigit).count() >= 64
}

fn parse(secret: &str, source: &str) -> Result<Keypair> {
	// The text of the inner error may quote the secret, so it is not repeated.
	let bad = || {
		Error::new("bad-key", format!("{source} does not hold a usable secret"))
			.fix("use //Alice style, a BIP-39 mnemonic or a 0x seed of 32 bytes")
	};
	let uri = SecretUri::from_str(secret).map_err(|_| bad())?;
	Keypair::from_uri(&uri).map_err(|_| bad())
}

/// Reads a file that is this user's and that only its owner may read.
pub fn read_private(path: &Path) -> Result<String> {
	private::read(path, MAX_KEY_FILE)
}

/// Writes a new file that only its owner may read; fails when it exists.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
	let mut file = std::fs::OpenOptions::new()
		.write(true)
		.create_new(true)
		.mode(0o600)
		.open(path)
		.map_err(io(path))?;
	file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io(path))
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::os::unix::fs::PermissionsExt;

	const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";

	#[test]
	fn load_should_derive_development_keys_when_path_starts_with_two_slashes() {
		let alice = load("//Alice").unwrap().public_key();
		assert_eq!(alice.0, subxt_signer::sr25519::dev::alice().public_key().0);
	}

	#[test]
	fn load_should_read_a_mnemonic_when_file_is_private() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		write_private(&path, &format!("{PHRASE}//Alice\n")).unwrap();
		let key = load(path.to_str().unwrap()).unwrap();
		assert_eq!(key.public_key().0, subxt_signer::sr25519::dev::alice().public_key().0);
		assert_eq!(write_private(&path, "again").unwrap_err().code, "file");
	}

	#[test]
	fn load_should_refuse_with_the_fix_when_others_can_read_the_file() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		write_private(&path, PHRASE).unwrap();
		for mode in [0o644, 0o640, 0o604] {
			std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
			let error = load(path.to_str().unwrap()).unwrap_err();
			assert_eq!(error.code, "key-file-exposed");
			assert_eq!(error.fix, Some(format!("chmod 600 {}", path.display())));
		}
	}

	#[test]
	fn load_should_not_repeat_the_secret_when_it_is_malformed() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		write_private(&path, "hunter2 hunter2").unwrap();
		let error = load(path.to_str().unwrap()).unwrap_err();
		assert_eq!(error.code, "bad-key");
		assert!(!error.to_string().contains("hunter2"));
		assert_eq!(load(PHRASE).unwrap_err().code, "key-on-command-line");
		let seed = "ab".repeat(32);
		for secret in [format!("0x{seed}"), seed.clone(), format!("0x{seed}//1///word")] {
			let error = load(&secret).unwrap_err();
			assert_eq!(error.code, "key-on-command-line");
			assert!(!error.to_string().contains(&seed));
		}
		assert_eq!(load("/no/such/file").unwrap_err().code, "file");
	}
}
