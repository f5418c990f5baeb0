//! Blobs over RPC: `blob_put`, `blob_get`, `blob_status`.
//!
//! A blob is named by its BLAKE3 hash. Uploads arrive in parts, in order, and can go on after an
//! interruption; the blob shows only when all of its bytes have the hash that it is named by.
//! Uploading fills the node's disk, so it is refused where unsafe methods are.

use assay_blobs::{BlobError, BlobStore, Status, MAX_PART};
use jsonrpsee::{
	core::RpcResult,
	proc_macros::rpc,
	types::{ErrorObject, ErrorObjectOwned},
	Extensions,
};
use sp_core::{Bytes, H256};
use std::sync::Arc;

/// Code of every error of the blob methods. `data.name` of the error tells them apart.
pub const BLOB_ERROR: i32 = 7100;

/// What the node has of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BlobStatus {
	/// Whole and verified.
	pub present: bool,
	/// Length in bytes as far as it is known, else 0.
	pub len: u64,
	/// Bytes received; an upload goes on from here.
	pub received: u64,
}

impl From<Status> for BlobStatus {
	fn from(Status { present, len, received }: Status) -> Self {
		Self { present, len, received }
	}
}

/// Methods about blobs.
#[rpc(server)]
pub trait BlobApi {
	/// Takes a part of the blob `root`, which has `total` bytes in all: `data` (at most 1 MiB,
	/// hexadecimal) from byte `offset` on. Unsafe.
	#[method(name = "blob_put", with_extensions, blocking)]
	fn put(&self, root: H256, offset: u64, total: u64, data: Bytes) -> RpcResult<BlobStatus>;

	/// Up to `len` (at most 1 MiB) bytes of the blob `root` from byte `offset` on, hexadecimal.
	#[method(name = "blob_get", blocking)]
	fn get(&self, root: H256, offset: u64, len: u64) -> RpcResult<Bytes>;

	/// What the node has of the blob `root`.
	#[method(name = "blob_status", blocking)]
	fn status(&self, root: H256) -> RpcResult<BlobStatus>;
}

/// Serves the node's blob store.
pub struct Blobs {
	store: Arc<BlobStore>,
}

impl Blobs {
	/// Serves `store`.
	pub fn new(store: Arc<BlobStore>) -> Self {
		Self { store }
	}
}

/// Names the error in the message and in `data.name`.
fn refuse(error: BlobError) -> ErrorObjectOwned {
	let name = match &error {
		BlobError::Unknown(_) => "Unknown",
		BlobError::RootMismatch { .. } => "RootMismatch",
		BlobError::Corrupt(_) => "Corrupt",
		BlobError::TooLarge { .. } => "TooLarge",
		BlobError::Quota { .. } => "Quota",
		BlobError::Full => "Full",
		BlobError::Gap { .. } => "Gap",
		BlobError::Range { .. } => "Range",
		BlobError::Pinned(_) => "Pinned",
		BlobError::Locked(_) => "Locked",
		BlobError::Format(_) => "Format",
		BlobError::Io(_) => "Io",
	};
	named(name, error.to_string())
}

fn named(name: &str, message: String) -> ErrorObjectOwned {
	ErrorObject::owned(
		BLOB_ERROR,
		format!("{name}: {message}"),
		Some(serde_json::json!({ "name": name })),
	)
}

fn check_part(len: u64) -> RpcResult<()> {
	if len <= MAX_PART as u64 {
		return Ok(());
	}
	Err(named("PartTooLarge", format!("{len} bytes in one call; at most {MAX_PART} are allowed")))
}

impl BlobApiServer for Blobs {
	fn put(
		&self,
		extensions: &Extensions,
		root: H256,
		offset: u64,
		total: u64,
		data: Bytes,
	) -> RpcResult<BlobStatus> {
		sc_rpc_api::check_if_safe(extensions)?;
		check_part(data.len() as u64)?;
		self.store.put_part(root.into(), offset, total, &data).map(Into::into).map_err(refuse)
	}

	fn get(&self, root: H256, offset: u64, len: u64) -> RpcResult<Bytes> {
		check_part(len)?;
		self.store.get(&root.into(), offset, len as usize).map(Bytes).map_err(refuse)
	}

	fn status(&self, root: H256) -> RpcResult<BlobStatus> {
		Ok(self.store.status(&root.into()).into())
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use jsonrpsee::RpcModule;
	use sc_rpc_api::DenyUnsafe;
	use serde_json::{json, Value};

	fn module(deny_unsafe: DenyUnsafe) -> (RpcModule<Blobs>, tempfile::TempDir) {
		let dir = tempfile::tempdir().unwrap();
		let store = Arc::new(BlobStore::open(dir.path(), 8 << 20).unwrap());
		let mut module = Blobs::new(store).into_rpc();
		module.extensions_mut().insert(deny_unsafe);
		(module, dir)
	}

	async fn call(module: &RpcModule<Blobs>, method: &str, params: Value) -> Value {
		let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
		let (answer, _) = module.raw_json_request(&request.to_string(), 1).await.unwrap();
		serde_json::from_str(&answer).unwrap()
	}

	fn hex(bytes: &[u8]) -> String {
		format!("0x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
	}

	#[tokio::test]
	async fn blob_should_come_back_when_it_was_put_in_parts() {
		let (module, _dir) = module(DenyUnsafe::No);
		let blob = b"what was rented, replayed and found right".repeat(50);
		let root = hex(blake3::hash(&blob).as_bytes());
		let status = call(&module, "blob_status", json!([root])).await;
		assert_eq!(status["result"], json!({ "present": false, "len": 0, "received": 0 }));

		let (total, half) = (blob.len(), blob.len() / 2);
		let first = call(&module, "blob_put", json!([root, 0, total, hex(&blob[..half])])).await;
		assert_eq!(
			first["result"],
			json!({ "present": false, "len": total, "received": half }),
			"{first}"
		);
		let last = call(&module, "blob_put", json!([root, half, total, hex(&blob[half..])])).await;
		assert_eq!(last["result"], json!({ "present": true, "len": total, "received": total }));

		let part = call(&module, "blob_get", json!([root, 5, 7])).await;
		assert_eq!(part["result"], json!(hex(&blob[5..12])));
	}

	#[tokio::test]
	async fn blob_put_should_be_refused_when_unsafe_methods_are() {
		let (module, _dir) = module(DenyUnsafe::Yes);
		let root = hex(blake3::hash(b"x").as_bytes());
		let answer = call(&module, "blob_put", json!([root, 0, 1, hex(b"x")])).await;
		assert!(answer["error"]["message"].as_str().unwrap().contains("unsafe"), "{answer}");
		let answer = call(&module, "blob_status", json!([root])).await;
		assert_eq!(answer["result"]["received"], json!(0));
	}

	#[tokio::test]
	async fn blob_errors_should_have_names_when_bytes_are_wrong_missing_or_too_many() {
		let (module, _dir) = module(DenyUnsafe::No);
		let root = hex(&[7; 32]);
		let cases = [
			("blob_put", json!([root, 0, 1, hex(b"x")]), "RootMismatch"),
			("blob_put", json!([root, 3, 4, hex(b"x")]), "Gap"),
			("blob_put", json!([root, 0, 0, hex(b"")]), "Range"),
			("blob_put", json!([root, 0, 1u64 << 30, hex(b"x")]), "Quota"),
			("blob_put", json!([root, 0, 1u64 << 50, hex(b"x")]), "TooLarge"),
			("blob_put", json!([root, 0, 2 << 20, hex(&vec![0; MAX_PART + 1])]), "PartTooLarge"),
			("blob_get", json!([root, 0, 1]), "Unknown"),
			("blob_get", json!([root, 0, MAX_PART + 1]), "PartTooLarge"),
		];
		for (method, params, name) in cases {
			let answer = call(&module, method, params).await;
			assert_eq!(answer["error"]["data"]["name"], json!(name), "{answer}");
			assert!(answer["error"]["message"].as_str().unwrap().starts_with(name), "{answer}");
			assert_eq!(answer["error"]["code"], json!(BLOB_ERROR));
		}
	}
}
