//! The commands and their flags.

use crate::{
	commands::{
		blob::{self, BlobCommand},
		challenge::{self, Challenge},
		devices::{self, Devices},
		identity::{self, IdentityCommand},
		job::{self, JobCommand},
		model::{self, ModelCommand},
		program::{self, ProgramCommand},
		provider::{self, ProviderCommand},
		stake::{self, StakeCommand},
		verify::{self, Verify},
		watch::{self, Watch},
	},
	context::{Context, Global},
	error::Result,
	output::Ui,
};
use clap::{Parser, Subcommand};

const EXAMPLES: &str = "Examples:
  assay model import mlp.onnx --calibrate samples.npz --out mlp
  assay program register digits.program --key //Dave
  assay job post --program digits.program --input images=digits.safetensors \\
      --weights mlp.safetensors --price-max 5 --key //Dave --wait --output-dir out
  assay job why 7
  assay provider run --key //Charlie
  assay verify 7
  assay challenge 7 --key //Eve

Every command takes --json for scripts: one document, or one line per event, and
{\"error\":{\"code\",\"message\",\"fix\"}} when it fails. Exit codes: 0 done, 1 failed,
2 wrong usage, 3 the job ended without payment or a result differs, 4 a challenge could not
bring a differing result down, 5 an imported model misses its --target, 6 a fault of assay itself.";

/// Rent ML compute that is paid for only when its result is right.
#[derive(Debug, Parser)]
#[command(name = "assay", version, after_help = EXAMPLES, propagate_version = true)]
#[command(arg_required_else_help = true)]
pub struct Cli {
	/// Flags of all commands.
	#[command(flatten)]
	pub global: Global,
	/// What to do.
	#[command(subcommand)]
	pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Inspect and register programs
	#[command(subcommand)]
	Program(ProgramCommand),
	/// Import ordinary float models as programs, and run them on float samples
	#[command(subcommand)]
	Model(ModelCommand),
	/// Upload and download blobs: tensors by their BLAKE3 root
	#[command(subcommand)]
	Blob(BlobCommand),
	/// Post jobs and follow them
	#[command(subcommand)]
	Job(JobCommand),
	/// Earn by running jobs
	#[command(subcommand)]
	Provider(ProviderCommand),
	/// Run a job again on this machine and compare its roots with the chain's
	Verify(Verify),
	/// Prove a job's result wrong: replay it here, and where it differs lead the dispute to its end
	Challenge(Challenge),
	/// Earn by finding wrong results: replay every revealed result, and challenge those that differ
	Watch(Watch),
	/// The account's persistent identity
	#[command(subcommand)]
	Identity(IdentityCommand),
	/// The account's bond
	#[command(subcommand)]
	Stake(StakeCommand),
	/// List adapters with self-test result and measured rate
	Devices(Devices),
}

/// Runs one command; the exit code.
pub async fn run(cli: Cli, ui: Ui) -> Result<u8> {
	let context = Context { global: cli.global, ui };
	match cli.command {
		Command::Program(command) => program::run(&context, command).await,
		Command::Model(command) => model::run(&context, command),
		Command::Blob(command) => blob::run(&context, command).await,
		Command::Job(command) => job::run(&context, command).await,
		Command::Provider(command) => provider::run(&context, command).await,
		Command::Verify(args) => verify::run(&context, args).await,
		Command::Challenge(args) => challenge::run(&context, args).await,
		Command::Watch(args) => watch::run(&context, args).await,
		Command::Identity(command) => identity::run(&context, command).await,
		Command::Stake(command) => stake::run(&context, command).await,
		Command::Devices(args) => devices::run(&context, args).await,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn help_should_not_show_what_the_environment_holds_of_keys() {
		fn look(command: &clap::Command) {
			for argument in command.get_arguments() {
				let env = argument.get_env().map(|env| env.to_string_lossy().into_owned());
				let secret = env.is_some_and(|env| env.contains("KEY"));
				assert!(!secret || argument.is_hide_env_values_set(), "{argument}");
			}
			command.get_subcommands().for_each(look);
		}
		look(&Cli::command());
	}

	#[test]
	fn commands_should_be_consistent_when_built() {
		Cli::command().debug_assert();
	}

	#[test]
	fn post_should_parse_when_all_flags_are_given() {
		let root = "ab".repeat(32);
		let line = format!(
			"assay job post --program p --input x=f#t --weights w --root y=0x{root} --price-max 5 \
			 --price-start 0.5 --ramp 3 --audit 12.5 --wait --output-dir out --json"
		);
		let cli = Cli::try_parse_from(line.split(' ')).unwrap();
		let Command::Job(JobCommand::Post(post)) = cli.command else { panic!() };
		assert!(cli.global.json);
		assert_eq!(post.audit, Some(125_000));
		assert_eq!(post.inputs.roots, [("y".into(), [0xab; 32])]);
		assert_eq!(post.inputs.inputs[0].tensor.as_deref(), Some("t"));
	}

	#[test]
	fn watch_should_take_jobs_in_a_list_or_one_by_one_when_it_is_parsed() {
		let line = "assay watch --jobs 7,8 --jobs 9 --max-work 5 --once --dry-run";
		let Command::Watch(watch) = Cli::try_parse_from(line.split(' ')).unwrap().command else {
			panic!()
		};
		assert_eq!((watch.jobs, watch.max_work), (vec![7, 8, 9], Some(5)));
		assert!(watch.once && watch.dry_run);
		assert!(Cli::try_parse_from(["assay", "watch", "--jobs", "seven"]).is_err());
	}

	#[test]
	fn post_should_be_refused_when_it_lacks_a_price() {
		assert!(Cli::try_parse_from(["assay", "job", "post", "--program", "p"]).is_err());
	}

	#[test]
	fn fixes_should_name_commands_that_exist_when_they_name_any() {
		let command = Cli::command();
		for code in ["Jobs.Disputed", "Arbitration.NoLane", "Arbitration.NotDue"] {
			let text = crate::explain::fix(code).unwrap();
			let words = text.split('`').nth(1).unwrap().split(' ').skip(1);
			let mut at = &command;
			for word in words.take_while(|w| w.chars().all(char::is_lowercase)) {
				at = at.find_subcommand(word).unwrap_or_else(|| panic!("{text}: {word}"));
			}
		}
	}
}
