//! Uploading and downloading blobs through the node's RPC: in pieces, resumable, checked by
//! content. What the node lacks it is asked to fetch from its peers.

use super::{Hash, Node};
use crate::{
	error::{io, Error, Result},
	output::{bytes, hex, short, Ui},
};
use serde::Deserialize;
use std::{
	fs::File,
	io::{Cursor, Read, Seek, SeekFrom, Write},
	path::Path,
	time::Duration,
};
use subxt::rpcs::client::rpc_params;

/// Bytes of one piece; the node accepts up to 1 MiB a call.
const PIECE: usize = 1 << 20;
/// Largest blob that is fetched into memory.
const MAX_BLOB: u64 = 8 << 30;
/// How often a fetch is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How long the node's peers may give nothing before a fetch is given up, in milliseconds.
const PATIENCE: u64 = 30_000;

/// What a node has of a blob.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Status {
	/// Whole and verified.
	pub present: bool,
	/// Its length, 0 where it is not known.
	pub len: u64,
	/// Bytes received.
	pub received: u64,
	/// The fetch from the node's peers, while there is one.
	#[serde(default)]
	pub fetch: Option<FetchStatus>,
}

/// How a fetch from the node's peers is getting on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct FetchStatus {
	/// Verified bytes that are there.
	pub received: u64,
	/// Peers of the node that have the blob.
	pub sources: u32,
	/// Milliseconds since the last byte came.
	pub idle: u64,
	/// Why the node's store could not take it.
	#[serde(default)]
	pub error: Option<String>,
}

/// Translates the node's named errors, `Name: words`, into codes with a fix.
fn named(root: &Hash, error: Error) -> Error {
	if error.code != "rpc" {
		return error;
	}
	let (code, fix) = match error.message.split(':').next().unwrap_or_default() {
		"Unknown" => ("unknown-blob", "check the root, or ask its owner to upload it again"),
		"RootMismatch" => ("blob-mismatch", "the bytes are not those of this root; try again"),
		"Corrupt" => ("blob-damaged", "the node's copy was damaged and is gone; upload it again"),
		"TooLarge" => {
			("blob-too-large", "split the tensor, or raise the limit of the node's store")
		}
		"Quota" => ("blob-quota", "raise the quota of the node's blob store, or use another node"),
		"Full" => ("blob-store-full", "free disk space on the node; the upload then continues"),
		"Gap" => ("blob-gap", "another upload of this blob is under way; try again"),
		"Range" => ("blob-length", "the blob has another length than the program gives"),
		_ if error.message.contains("unsafe") => {
			("rpc-unsafe", "the node refuses uploads on this interface; use its local address")
		}
		_ => return error,
	};
	Error::new(code, format!("blob {}: {}", hex(root), error.message)).fix(fix)
}

/// Why the node does not even try.
fn not_fetched(root: &Hash, error: Error) -> Error {
	match &error {
		e if e.code != "rpc" => error,
		e if e.message.contains("unsafe") => Error::new(
			"unknown-blob",
			format!("the node does not have {} and fetches nothing on this interface", hex(root)),
		)
		.fix("use the node's local address, or upload the blob"),
		_ => named(root, error),
	}
}

/// Whether to wait longer.
fn give_up(root: &Hash, fetch: &FetchStatus) -> Result<()> {
	if let Some(error) = &fetch.error {
		return Err(Error::new("blob-quota", format!("blob {}: {error}", hex(root)))
			.fix("make room in the node's blob store; what has arrived is kept"));
	}
	if fetch.idle < PATIENCE {
		return Ok(());
	}
	let text = match fetch.sources {
		0 => "neither the node nor its peers have it",
		_ => "the peers that have it do not give it",
	};
	Err(Error::new("unknown-blob", format!("blob {}: {text}", hex(root)))
		.fix("check the root, or ask its owner to upload it again; what has arrived is kept"))
}

/// A file with its root and length. Blocks.
fn open(path: &Path) -> std::io::Result<(Hash, u64, File)> {
	let mut file = File::open(path)?;
	let mut hasher = blake3::Hasher::new();
	let total = std::io::copy(&mut file, &mut hasher)?;
	Ok((*hasher.finalize().as_bytes(), total, file))
}

impl Node {
	/// What the node has of a blob.
	pub async fn blob_status(&self, root: &Hash) -> Result<Status> {
		self.request("blob_status", rpc_params![hex(root)]).await.map_err(|e| named(root, e))
	}

	/// Uploads `data` unless the node has it; continues an interrupted upload. Returns the root
	/// and whether anything was sent.
	pub async fn blob_put(&self, data: &[u8], ui: &Ui, label: &str) -> Result<(Hash, bool)> {
		let root = assay_commitments::tensor_root(data);
		let status = self.blob_status(&root).await?;
		if status.present {
			ui.note(format!("{label} {} is already there", short(root)));
			return Ok((root, false));
		}
		if data.is_empty() {
			return Err(Error::new("empty-blob", format!("{label} is empty"))
				.fix("a blob has at least one byte"));
		}
		let (total, reader) = (data.len() as u64, Cursor::new(data));
		self.send_blob(&root, total, status.received, reader, ui, label).await?;
		Ok((root, true))
	}

	/// Sends what the node does not have of a blob, a piece at a time.
	async fn send_blob(
		&self,
		root: &Hash,
		total: u64,
		received: u64,
		mut source: impl Read + Seek + Send,
		ui: &Ui,
		label: &str,
	) -> Result<()> {
		let unread = |e| Error::new("file", format!("{label}: {e}"));
		let bar = ui.bar(total, format!("upload {label}"), true);
		// A piece boundary, so that a node that restarted its count is simply sent everything.
		let mut offset = received.min(total) / PIECE as u64 * PIECE as u64;
		source.seek(SeekFrom::Start(offset)).map_err(unread)?;
		while offset < total {
			let mut piece = vec![0; (total - offset).min(PIECE as u64) as usize];
			source.read_exact(&mut piece).map_err(unread)?;
			let _: serde_json::Value = self
				.request("blob_put", rpc_params![hex(root), offset, total, hex(&piece)])
				.await
				.map_err(|e| named(root, e))?;
			offset += piece.len() as u64;
			bar.set(offset);
		}
		if !self.blob_status(root).await?.present {
			return Err(Error::new(
				"blob-incomplete",
				format!("the node does not show blob {} after the upload", hex(root)),
			)
			.fix("try again; the upload continues where it stopped"));
		}
		bar.done(format!("{} as {}", bytes(total), short(*root)));
		Ok(())
	}

	/// As [`Self::blob_put`] of a file whose root is known, which is never in memory as a whole;
	/// whether anything was sent.
	///
	/// # Errors
	/// `file` where it cannot be read, `blob-mismatch` where it has other bytes.
	pub async fn blob_put_file(
		&self,
		root: &Hash,
		path: &Path,
		ui: &Ui,
		label: &str,
	) -> Result<bool> {
		let status = self.blob_status(root).await?;
		if status.present {
			return Ok(false);
		}
		let opened = tokio::task::spawn_blocking({
			let path = path.to_owned();
			move || open(&path)
		});
		let stopped = |e| Error::new("local-fault", format!("reading a file stopped: {e}"));
		let (found, total, file) = opened.await.map_err(stopped)?.map_err(io(path))?;
		if found != *root {
			return Err(Error::new("file", format!("{} has other bytes", path.display())));
		}
		self.send_blob(root, total, status.received, file, ui, label).await?;
		Ok(true)
	}

	/// Sees to it that the node has a blob of this length, from its peers if need be.
	pub async fn blob_fetch(&self, root: &Hash, len: u64, ui: &Ui, label: &str) -> Result<()> {
		if self.blob_status(root).await?.present {
			return Ok(());
		}
		let bar = ui.bar(len, format!("fetch {label}"), true);
		loop {
			let status: Status = match self.request("blob_fetch", rpc_params![hex(root), len]).await
			{
				Ok(status) => status,
				Err(error) => return Err(not_fetched(root, error)),
			};
			if status.present {
				bar.done(format!("{} as {} from peers", bytes(len), short(root)));
				return Ok(());
			}
			let fetch = status.fetch.unwrap_or_default();
			bar.set(fetch.received.min(len));
			give_up(root, &fetch)?;
			tokio::time::sleep(LOOK).await;
		}
	}

	/// Downloads a blob and checks its root; if the length is known, a node that lacks the blob
	/// fetches it from its peers first. `len` is its length where the caller knows it.
	pub async fn blob_get(
		&self,
		root: &Hash,
		len: Option<u64>,
		ui: &Ui,
		label: &str,
	) -> Result<Vec<u8>> {
		let total = match len {
			Some(len) => {
				self.blob_fetch(root, len, ui, label).await?;
				len
			}
			None => {
				let status = self.blob_status(root).await?;
				Some(status.len).filter(|_| status.present).ok_or_else(|| {
					Error::new("unknown-blob", format!("the node does not have {}", hex(root)))
						.fix("with `--bytes LENGTH` the node fetches it from its peers")
				})?
			}
		};
		if total > MAX_BLOB {
			return Err(Error::new("blob-too-large", format!("{} is {}", hex(root), bytes(total)))
				.fix("fetch it on a machine with more memory, from the node's own store"));
		}
		let mut data = Vec::new();
		let mut take = |piece: &[u8]| {
			data.extend_from_slice(piece);
			Ok(())
		};
		self.download(root, total, ui, label, &mut take).await?;
		Ok(data)
	}

	/// As [`Self::blob_get`] into a file, which is then whole or not there.
	pub async fn blob_save(
		&self,
		root: &Hash,
		len: u64,
		path: &Path,
		ui: &Ui,
		label: &str,
	) -> Result<()> {
		self.blob_fetch(root, len, ui, label).await?;
		let part = path.with_extension("part");
		let mut file = std::fs::File::create(&part).map_err(io(&part))?;
		let mut take = |piece: &[u8]| file.write_all(piece).map_err(io(&part));
		let downloaded = self.download(root, len, ui, label, &mut take).await;
		if let Err(error) = downloaded {
			// The next try begins anew.
			let _ = std::fs::remove_file(&part);
			return Err(error);
		}
		file.sync_all().map_err(io(&part))?;
		std::fs::rename(&part, path).map_err(io(path))
	}

	/// Gives a blob that the node has to `take`, piece by piece; an error where the bytes are not
	/// those of the root.
	async fn download(
		&self,
		root: &Hash,
		total: u64,
		ui: &Ui,
		label: &str,
		take: &mut (dyn FnMut(&[u8]) -> Result<()> + Send),
	) -> Result<()> {
		let bar = ui.bar(total, format!("download {label}"), true);
		let mut hasher = blake3::Hasher::new();
		let mut have = 0;
		while have < total {
			let want = (total - have).min(PIECE as u64);
			let piece: String = self
				.request("blob_get", rpc_params![hex(root), have, want])
				.await
				.map_err(|e| named(root, e))?;
			let piece = hex::decode(piece.trim_start_matches("0x"))
				.map_err(|_| Error::new("rpc", "the node's answer is not hexadecimal"))?;
			if piece.is_empty() || piece.len() as u64 > want {
				return Err(Error::new(
					"blob-incomplete",
					format!("blob {} ends at {have} of {total} bytes", hex(root)),
				)
				.fix(
					"the blob has another length than the program gives; check the job's inputs",
				));
			}
			hasher.update(&piece);
			take(&piece)?;
			have += piece.len() as u64;
			bar.set(have);
		}
		if hasher.finalize().as_bytes() != root {
			return Err(Error::new(
				"blob-mismatch",
				format!("the bytes that came for {} are not those of this root", hex(root)),
			)
			.fix("ask another node; this one's blob store is damaged"));
		}
		bar.done(format!("{} from {}", bytes(total), short(root)));
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn status_should_be_read_when_the_node_answers() {
		let read = |s: &str| serde_json::from_str::<Status>(s).unwrap();
		let none = read(r#"{"present":false,"len":0,"received":0}"#);
		assert_eq!(none, Status::default());
		let part = read(r#"{"present":false,"len":2048,"received":1024}"#);
		assert_eq!(part, Status { len: 2048, received: 1024, ..Default::default() });
		let fetched = read(
			r#"{"present":false,"len":0,"received":0,
				"fetch":{"received":5,"len":9,"sources":2,"idle":70}}"#,
		);
		let fetch = FetchStatus { received: 5, sources: 2, idle: 70, error: None };
		assert_eq!(fetched.fetch, Some(fetch));
	}

	#[test]
	fn fetch_should_end_when_nothing_comes_or_the_store_is_full() {
		let code = |fetch: FetchStatus| give_up(&[0; 32], &fetch).map_err(|e| e.code.into_owned());
		assert_eq!(code(FetchStatus::default()), Ok(()));
		let idle = FetchStatus { idle: PATIENCE, ..Default::default() };
		assert_eq!(code(idle), Err("unknown-blob".into()));
		let full = FetchStatus { error: Some("no room".into()), ..Default::default() };
		assert_eq!(code(full), Err("blob-quota".into()));
		for (text, code) in [
			("RPC call is unsafe to be called externally", "unknown-blob"),
			("Quota: 9 bytes do not fit", "blob-quota"),
		] {
			let error = not_fetched(&[0; 32], Error::new("rpc", text));
			assert!(error.fix.is_some());
			assert_eq!(error.code, code);
		}
	}

	#[test]
	fn rpc_errors_should_be_named_with_a_fix_when_a_blob_is_refused() {
		for (text, code) in [
			("RootMismatch: the bytes of blob 00 have the hash 01", "blob-mismatch"),
			("Quota: 9 bytes do not fit: 1 of 2 bytes are in use", "blob-quota"),
			("Full: the disk of the blob store is full", "blob-store-full"),
			("Unknown: no blob 00", "unknown-blob"),
			("RPC call is unsafe to be called externally", "rpc-unsafe"),
		] {
			let error = named(&[0; 32], Error::new("rpc", text));
			assert_eq!(error.code, code);
			assert!(error.fix.is_some());
			assert!(error.message.contains("0x00"));
		}
		for code in ["node-lost", "rpc"] {
			let error = named(&[0; 32], Error::new(code, "full"));
			assert_eq!((error.code.as_ref(), error.fix), (code, None));
		}
	}
}
