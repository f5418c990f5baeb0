//! What every command stands on: the flags of all commands, the node, the key, the state folder,
//! and the exit codes.

use crate::{
	chain::{parse_account, Confirm, Node},
	error::{Error, Result},
	hash::parse_hash,
	key,
	output::Ui,
	private,
	program::Loaded,
};
use clap::Args;
use std::path::{Path, PathBuf};
use subxt_signer::sr25519::Keypair;

/// Exit code of a job that ended without payment, and of a result that differs.
pub const UNPAID: u8 = 3;
/// Exit code of a challenge that could not bring a differing result down.
pub const STANDS: u8 = 4;
/// Exit code of an import whose result misses its target.
pub const MISSED: u8 = 5;
/// Exit code of a fault of this program itself.
pub const FAULT: u8 = 6;
/// Error code of the same.
pub const FAULT_CODE: &str = "internal-fault";

/// Flags of all commands.
#[derive(Clone, Debug, Args)]
pub struct Global {
	/// The node's WebSocket address
	#[arg(long, global = true, env = "ASSAY_URL", default_value = "ws://127.0.0.1:9944")]
	#[arg(value_name = "URL", help_heading = "Connection and output")]
	pub url: String,
	/// Signing key: //Alice style for development, or a private file with a mnemonic or 0x seed
	#[arg(long, global = true, env = "ASSAY_KEY", hide_env_values = true, value_name = "KEY")]
	#[arg(help_heading = "Connection and output")]
	pub key: Option<String>,
	/// Where keys and the provider's database are kept [default: ~/.local/share/assay]
	#[arg(long, global = true, env = "ASSAY_STATE_DIR", value_name = "DIR")]
	#[arg(help_heading = "Connection and output")]
	pub state_dir: Option<PathBuf>,
	/// When a transaction counts as done
	#[arg(long, global = true, value_enum, default_value_t = Confirm::Block)]
	#[arg(help_heading = "Connection and output")]
	pub confirm: Confirm,
	/// Print JSON for scripts
	#[arg(long, global = true, help_heading = "Connection and output")]
	pub json: bool,
}

/// What every command needs.
pub struct Context {
	/// Flags of all commands.
	pub global: Global,
	/// How to print.
	pub ui: Ui,
}

impl Context {
	/// Connects to the node.
	pub async fn node(&self) -> Result<Node> {
		Node::connect(&self.global.url, self.global.confirm).await
	}

	/// The signing key.
	///
	/// # Errors
	/// `no-key` when none is given.
	pub fn key(&self) -> Result<Keypair> {
		match &self.global.key {
			Some(source) => key::load(source),
			None => Err(Error::new("no-key", "this command signs a transaction and has no key")
				.fix("pass --key //Alice on a development chain, or --key FILE")),
		}
	}

	/// The account in `text`, or that of the signing key.
	pub fn account(&self, text: Option<&str>) -> Result<[u8; 32]> {
		match text {
			Some(text) => parse_account(text),
			None => Ok(self.key()?.public_key().0),
		}
	}

	/// The folder of keys and databases; made when it is not there, closed to other users when it
	/// is open.
	pub fn state_dir(&self) -> Result<PathBuf> {
		let dir = match &self.global.state_dir {
			Some(dir) => dir.clone(),
			None => {
				let home = |var, tail: &str| {
					std::env::var_os(var)
						.filter(|v| !v.is_empty())
						.map(|v| Path::new(&v).join(tail))
				};
				home("XDG_DATA_HOME", "assay")
					.or_else(|| home("HOME", ".local/share/assay"))
					.ok_or_else(|| {
						Error::new("no-state-dir", "there is no home folder")
							.fix("pass --state-dir DIR")
					})?
			}
		};
		private::folder(&dir)?;
		Ok(dir)
	}

	/// A program from a file or, by id, from the chain.
	pub async fn program(&self, target: &str, node: &Node) -> Result<Loaded> {
		match program_id_of(target) {
			Some(id) => Loaded::fetch(node, &id).await,
			None => Loaded::read(Path::new(target)),
		}
	}
}

/// The id that `target` is, unless it is a file.
pub fn program_id_of(target: &str) -> Option<[u8; 32]> {
	parse_hash(target).ok().filter(|_| !Path::new(target).exists())
}
