//! `assay program`.

use crate::{
	chain::{value::Read, Node},
	context::{program_id_of, Context},
	error::Result,
	hash::parse_hash,
	output::{hex, short},
	program::Loaded,
};
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use subxt::dynamic::Value;
use subxt_signer::sr25519::Keypair;

/// `assay program …`
#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
	/// Show inputs, outputs, work units and checks of a program file or a registered program
	#[command(after_help = "Example:\n  assay program inspect digits.program")]
	Inspect {
		/// Program file, or 0x id of a registered program
		#[arg(value_name = "FILE|ID")]
		program: String,
	},
	/// Register a program; the chain checks it and keeps a deposit
	#[command(after_help = "Example:\n  assay program register digits.program --key //Dave")]
	Register {
		/// Program file
		file: PathBuf,
	},
	/// Remove a program that no job needs, and get its deposit back
	Remove {
		/// Its id
		#[arg(value_parser = parse_hash, value_name = "ID")]
		program: [u8; 32],
	},
}

pub async fn run(context: &Context, command: ProgramCommand) -> Result<u8> {
	let ui = &context.ui;
	match command {
		ProgramCommand::Inspect { program } => {
			let loaded = match program_id_of(&program) {
				Some(id) => Loaded::fetch(&context.node().await?, &id).await?,
				None => Loaded::read(Path::new(&program))?,
			};
			ui.document(&loaded.to_json());
			ui.fields(&loaded.rows());
		}
		ProgramCommand::Register { file } => {
			let loaded = Loaded::read(&file)?;
			let key = context.key()?;
			let node = context.node().await?;
			let block = register(&node, &key, &loaded, context).await?;
			ui.result(
				&json!({"program": hex(loaded.id), "block": block, "new": block.is_some()}),
				match block {
					Some(block) => {
						format!("program {} registered in block {block}", hex(loaded.id))
					}
					None => format!("program {} was registered already", hex(loaded.id)),
				},
			);
		}
		ProgramCommand::Remove { program } => {
			let key = context.key()?;
			let node = context.node().await?;
			let args = vec![("program", Value::from_bytes(program))];
			let included = node.submit(&key, "Programs", "remove_program", args).await?;
			let deposit = included.event("Programs", "ProgramRemoved")?.field("deposit")?.uint()?;
			let block = included.block.number;
			ui.result(
				&json!({"program": hex(program), "block": block, "deposit": deposit.to_string()}),
				format!("removed in block {block}; {} returned", node.money(deposit)),
			);
		}
	}
	Ok(0)
}

/// Registers a program unless the chain has it; the block.
pub async fn register(
	node: &Node,
	key: &Keypair,
	loaded: &Loaded,
	context: &Context,
) -> Result<Option<u64>> {
	match node.program(&loaded.id).await {
		Ok(_) => return Ok(None),
		Err(e) if e.code == "unknown-program" => {}
		Err(e) => return Err(e),
	}
	let spinner = context.ui.spinner(format!("register program {}", short(loaded.id)));
	let args = vec![("program", Value::from_bytes(&loaded.bytes))];
	let included = node.submit(key, "Programs", "register_program", args).await?;
	spinner.done(format!("in block {}", included.block.number));
	Ok(Some(included.block.number))
}
