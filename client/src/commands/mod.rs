//! What each command does.

mod blob;
mod challenge;
mod devices;
mod disputes;
mod follow;
mod guard;
mod identity;
mod job;
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
	cli::{Cli, Command, ProviderCommand},
	context::Context,
	error::Result,
	output::Ui,
};

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
