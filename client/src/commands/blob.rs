//! `assay blob`.

use crate::{
	context::Context,
	error::{io, Result},
	hash::parse_hash,
	output::{bytes, hex},
};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

/// `assay blob …`
#[derive(Debug, Subcommand)]
pub enum BlobCommand {
	/// Upload files as they are; prints their roots
	Put {
		/// Files
		#[arg(required = true)]
		files: Vec<PathBuf>,
	},
	/// Download a blob and check its root
	Get {
		/// Its root
		#[arg(value_parser = parse_hash, value_name = "ROOT")]
		root: [u8; 32],
		/// Where to write it
		#[arg(short, long, value_name = "FILE")]
		output: PathBuf,
		/// Its length; a node that lacks the blob then fetches it from its peers
		#[arg(long, value_name = "LENGTH", value_parser = clap::value_parser!(u64).range(1..))]
		bytes: Option<u64>,
	},
	/// What the node has of a blob
	Status {
		/// Its root
		#[arg(value_parser = parse_hash, value_name = "ROOT")]
		root: [u8; 32],
	},
}

pub async fn run(context: &Context, command: BlobCommand) -> Result<u8> {
	let ui = &context.ui;
	let node = context.node().await?;
	match command {
		BlobCommand::Put { files } => {
			let mut sent = Vec::new();
			for file in files {
				let data = std::fs::read(&file).map_err(io(&file))?;
				let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
				let (root, new) = node.blob_put(&data, ui, &name).await?;
				ui.line(format!("{}  {}", hex(root), file.display()));
				sent.push(json!({
					"file": file, "root": hex(root), "bytes": data.len(), "new": new
				}));
			}
			ui.document(&json!({ "blobs": sent }));
		}
		BlobCommand::Get { root, output, bytes: len } => {
			let data = node.blob_get(&root, len, ui, "blob").await?;
			let part = output.with_extension("part");
			std::fs::write(&part, &data).map_err(io(&part))?;
			std::fs::rename(&part, &output).map_err(io(&output))?;
			ui.result(
				&json!({"root": hex(root), "file": output, "bytes": data.len()}),
				format!("{} to {}", bytes(data.len() as u64), output.display()),
			);
		}
		BlobCommand::Status { root } => {
			let status = node.blob_status(&root).await?;
			let fetch = status.fetch.as_ref();
			ui.document(&json!({
				"root": hex(root),
				"present": status.present,
				"bytes": status.len,
				"received": status.received,
				"fetch": fetch.map(|f| json!({ "received": f.received, "sources": f.sources })),
			}));
			ui.line(match (status.present, status.len, fetch) {
				(true, len, _) => format!("present, {}", bytes(len)),
				(false, _, Some(fetch)) => format!(
					"being fetched: {} so far, {} peers have it",
					bytes(fetch.received),
					fetch.sources
				),
				(false, 0, None) => "not here".into(),
				(false, len, None) => {
					format!("incomplete: {} of {}", bytes(status.received), bytes(len))
				}
			});
		}
	}
	Ok(0)
}
