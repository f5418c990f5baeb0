//! `assay provider`.

use crate::{
	context::Context,
	error::Result,
	provider::{self, flags::ProviderRun},
};
use clap::Subcommand;

/// `assay provider …`
#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
	/// Claim and run jobs until stopped, and answer challenges; continues after a kill where it was
	#[command(
		after_help = "Example:\n  assay stake bond 100000 --key //Charlie\n  assay identity register \
		              --role provider --key //Charlie\n  assay provider run --key //Charlie"
	)]
	Run(ProviderRun),
}

pub async fn run(context: &Context, command: ProviderCommand) -> Result<u8> {
	match command {
		ProviderCommand::Run(args) => provider::run::run(context, args).await,
	}
}
