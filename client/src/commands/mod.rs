//! What each command does.

mod blob;
mod challenge;
mod devices;
mod disputes;
mod guard;
mod identity;
pub(crate) mod job;
mod model;
mod post;
mod profile;
mod program;
mod report;
mod stake;
mod train;
mod verify;
mod watch;

use crate::{
	chain::Node,
	cli::{Cli, Command, Global, ProviderCommand},
	error::{Error, Result},
	key,
	output::Ui,
	program::Loaded,
};
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
			Some(text) => crate::chain::parse_account(text),
			None => Ok(self.key()?.public_key().0),
		}
	}

	/// The folder of keys and databases; made when it is not there, closed to other users when it is open.
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
		crate::private::folder(&dir)?;
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
fn program_id_of(target: &str) -> Option<[u8; 32]> {
	crate::cli::parse_hash(target).ok().filter(|_| !Path::new(target).exists())
}

/// Runs one command; the exit code.
pub async fn run(cli: Cli, ui: Ui) -> Result<u8> {
	let context = Context { global: cli.global, ui };
	match cli.command {
		Command::Program(command) => program::run(&context, command).await,
		Command::Model(command) => model::run(&context, command),
		Command::Blob(command) => blob::run(&context, command).await,
		Command::Job(command) => job::run(&context, command).await,
		Command::Provider(ProviderCommand::Run(args)) => {
			crate::provider::run::run(&context, args).await
		}
		Command::Verify(args) => verify::run(&context, args).await,
		Command::Challenge(args) => challenge::run(&context, args).await,
		Command::Watch(args) => watch::run(&context, args).await,
		Command::Identity(command) => identity::run(&context, command).await,
		Command::Stake(command) => stake::run(&context, command).await,
		Command::Devices(args) => devices::run(&context, args).await,
	}
}
