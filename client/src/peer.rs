//! The peer key of an identity: an ed25519 key that is made once and kept in the state folder, and
//! the proof that whoever registers it has it.

use crate::{
	chain::Hash,
	error::{io, Error, Result},
	key::{read_private, write_private},
};
use ed25519_zebra::SigningKey;
use std::{
	io::Read,
	path::{Path, PathBuf},
};

/// First bytes of what a peer key signs, as `pallet-assay-identity` defines it.
const CONTEXT: &[u8; 16] = b"assay/peer-key/1";

/// An ed25519 key.
pub struct PeerKey(SigningKey);

impl PeerKey {
	/// A new key.
	pub fn new() -> Result<Self> {
		let place = Path::new("/dev/urandom");
		let mut seed = [0; 32];
		std::fs::File::open(place).and_then(|mut f| f.read_exact(&mut seed)).map_err(io(place))?;
		Ok(Self(SigningKey::from_bytes(&seed)))
	}

	/// From a private file that holds the seed as 64 hexadecimal digits.
	pub fn read(path: &Path) -> Result<Self> {
		let text = read_private(path)?;
		let mut seed = [0; 32];
		hex::decode_to_slice(text.trim().trim_start_matches("0x"), &mut seed).map_err(|_| {
			Error::new("bad-peer-key", format!("{} holds no ed25519 seed", path.display()))
				.fix("it must be 64 hexadecimal digits, as the node's own network key is")
		})?;
		Ok(Self(SigningKey::from_bytes(&seed)))
	}

	/// The key that is kept for an account, made when there is none.
	pub fn kept(state_dir: &Path, account: &Hash) -> Result<Self> {
		let path = Self::path(state_dir, account);
		if path.exists() {
			return Self::read(&path);
		}
		let key = Self::new()?;
		write_private(&path, &key.text())?;
		Ok(key)
	}

	/// Keeps this key for an account instead of the one there was, which stays as a backup until
	/// the next change.
	pub fn keep(&self, state_dir: &Path, account: &Hash) -> Result<()> {
		let path = Self::path(state_dir, account);
		let new = path.with_extension("new");
		// Left over from a run that was killed.
		let _ = std::fs::remove_file(&new);
		write_private(&new, &self.text())?;
		if path.exists() {
			let old = path.with_extension("old");
			std::fs::rename(&path, &old).map_err(io(&old))?;
		}
		std::fs::rename(&new, &path).map_err(io(&path))
	}

	fn path(state_dir: &Path, account: &Hash) -> PathBuf {
		state_dir.join(format!("peer-{}.key", hex::encode(&account[..8])))
	}

	fn text(&self) -> String {
		hex::encode(self.0.as_bytes())
	}

	/// The public key.
	pub fn public(&self) -> Hash {
		self.0.verification_key().into()
	}

	/// Shows that `account` on the chain of this genesis has the key: the signature over context,
	/// genesis hash and account.
	pub fn proof(&self, genesis: &Hash, account: &Hash) -> [u8; 64] {
		self.0.sign(&[&CONTEXT[..], genesis, account].concat()).to_bytes()
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use ed25519_zebra::{Signature, VerificationKey};

	#[test]
	fn key_should_be_the_same_when_kept_and_read_again() {
		let dir = tempfile::tempdir().unwrap();
		let (a, b) = ([1; 32], [2; 32]);
		let first = PeerKey::kept(dir.path(), &a).unwrap().public();
		assert_eq!(PeerKey::kept(dir.path(), &a).unwrap().public(), first);
		assert_ne!(PeerKey::kept(dir.path(), &b).unwrap().public(), first);
		for _ in 0..2 {
			let next = PeerKey::new().unwrap();
			next.keep(dir.path(), &a).unwrap();
			assert_eq!(PeerKey::kept(dir.path(), &a).unwrap().public(), next.public());
		}
		let path = PeerKey::path(dir.path(), &a);
		std::fs::write(&path, "zz").unwrap();
		assert_eq!(PeerKey::kept(dir.path(), &a).err().unwrap().code, "bad-peer-key");
	}

	#[test]
	fn proof_should_bind_chain_and_account_when_verified() {
		let key = PeerKey::new().unwrap();
		let proof = Signature::from_bytes(&key.proof(&[1; 32], &[2; 32]));
		let public = VerificationKey::try_from(key.public()).unwrap();
		let payload = |g: u8, a: u8| [&CONTEXT[..], &[g; 32], &[a; 32]].concat();
		assert!(public.verify(&proof, &payload(1, 2)).is_ok());
		assert!(public.verify(&proof, &payload(1, 3)).is_err());
		assert!(public.verify(&proof, &payload(3, 2)).is_err());
	}
}
