//! Blobs over RPC: `blob_put`, `blob_get`, `blob_fetch`, `blob_status`.
//!
//! A blob is named by its BLAKE3 hash. Uploads arrive in parts, in order, and can go on after an
//! interruption; the blob shows only when all of its bytes have the hash that it is named by. What
//! the node lacks it can fetch from its peers, if root and length are known (docs/blobs.md).
//! Uploading and fetching fill the node's disk, so they are refused where unsafe methods are. What
//! anyone may call is bounded in what one call does and in how many are answered at one time.

use super::places::Places;
use assay_blob_transport::Fetcher;
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

/// Calls of `blob_get` that read the disk at one time.
const READS: usize = 32;
/// Of these, calls for blobs that have to be hashed first because the node has just started.
const CHECKS: usize = 4;

/// What the node has of a blob.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BlobStatus {
	/// Whole and verified.
	pub present: bool,
	/// Length in bytes as far as it is known, else 0.
	pub len: u64,
	/// Bytes received; an upload goes on from here.
	pub received: u64,
	/// The fetch from peers, while there is one.
	#[serde(skip_serializing_if = "Option::is_none", default)]
	pub fetch: Option<FetchStatus>,
}

/// How a fetch from peers is getting on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FetchStatus {
	/// Verified bytes that are here, those included that wait in memory for an earlier part.
	pub received: u64,
	/// Length of the blob in bytes, as it was asked for.
	pub len: u64,
	/// Connected peers that have it.
	pub sources: u32,
	/// Milliseconds since the last byte came.
	pub idle: u64,
	/// What the store said last, if it could not take the blob; the fetch is tried again.
	#[serde(skip_serializing_if = "Option::is_none", default)]
	pub error: Option<String>,
}

impl From<Status> for BlobStatus {
	fn from(Status { present, len, received }: Status) -> Self {
		Self { present, len, received, fetch: None }
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

	/// Wants the blob `root` of `len` bytes from the node's peers, and says how far it is. The node
	/// goes on fetching for two minutes after it was asked last. Unsafe.
	#[method(name = "blob_fetch", with_extensions, blocking)]
	fn fetch(&self, root: H256, len: u64) -> RpcResult<BlobStatus>;

	/// What the node has of the blob `root`, and how a fetch of it is getting on.
	#[method(name = "blob_status", blocking)]
	fn status(&self, root: H256) -> RpcResult<BlobStatus>;
}

/// Serves the node's blob store.
pub struct Blobs {
	store: Arc<BlobStore>,
	fetcher: Fetcher,
	reads: Places,
	checks: Places,
}

impl Blobs {
	/// Serves `store`, which `fetcher` fills.
	pub fn new(store: Arc<BlobStore>, fetcher: Fetcher) -> Self {
		let reads = Places::new(READS, "reads blobs");
		let checks = Places::new(CHECKS, "hashes blobs that it has not read since it started");
		Self { store, fetcher, reads, checks }
	}

	fn status_of(&self, root: &H256) -> BlobStatus {
		let mut status: BlobStatus = self.store.public_status(root.as_fixed_bytes()).into();
		if !status.present {
			let root = root.as_fixed_bytes();
			status.fetch = self.fetcher.progress_of(root).map(|progress| FetchStatus {
				received: progress.received,
				len: progress.total,
				sources: progress.sources as u32,
				idle: progress.idle.as_millis() as u64,
				error: self.fetcher.error_of(root),
			});
		}
		status
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
		BlobError::Share { .. } => "Share",
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

/// The same, with advice where the blob is not here.
fn unknown(error: BlobError) -> ErrorObjectOwned {
	match error {
		BlobError::Unknown(_) => named(
			"Unknown",
			format!("{error}; blob_fetch with its root and length gets it from peers"),
		),
		error => refuse(error),
	}
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
		let root = root.into();
		if !self.store.public_status(&root).present {
			return Err(unknown(BlobError::Unknown(root)));
		}
		let _reads = self.reads.take()?;
		let _checks = match self.store.is_checked(&root) {
			true => None,
			false => Some(self.checks.take()?),
		};
		self.store.get(&root, offset, len as usize).map(Bytes).map_err(unknown)
	}

	fn fetch(&self, extensions: &Extensions, root: H256, len: u64) -> RpcResult<BlobStatus> {
		sc_rpc_api::check_if_safe(extensions)?;
		self.fetcher
			.want(root.into(), len)
			.map_err(|error| named("FetchRefused", error.to_string()))?;
		Ok(self.status_of(&root))
	}

	fn status(&self, root: H256) -> RpcResult<BlobStatus> {
		Ok(self.status_of(&root))
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_blob_transport::{Failure, Fault, FetchLimits, Metrics, Network};
	use futures::{future::BoxFuture, FutureExt};
	use jsonrpsee::RpcModule;
	use sc_network::PeerId;
	use sc_rpc_api::DenyUnsafe;
	use serde_json::{json, Value};

	/// Peers that one knows, and that never answer.
	struct Silent(Vec<PeerId>);

	impl Network for Silent {
		fn peers(&self) -> BoxFuture<'static, Vec<PeerId>> {
			let peers = self.0.clone();
			async move { peers }.boxed()
		}

		fn request(&self, _: PeerId, _: Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
			futures::future::pending().boxed()
		}

		fn report(&self, _: PeerId, _: Fault) {}
	}

	fn module(deny_unsafe: DenyUnsafe) -> (RpcModule<Blobs>, tempfile::TempDir) {
		let dir = tempfile::tempdir().unwrap();
		let store = Arc::new(BlobStore::open(dir.path(), 8 << 20).unwrap());
		let network = Arc::new(Silent(vec![PeerId::random()]));
		let (fetcher, task) =
			Fetcher::new(store.clone(), network, FetchLimits::default(), Metrics::default());
		tokio::spawn(task);
		let mut module = Blobs::new(store, fetcher).into_rpc();
		module.extensions_mut().insert(deny_unsafe);
		(module, dir)
	}

	#[tokio::test]
	async fn blob_get_should_be_refused_when_all_places_are_taken() {
		let (module, dir) = module(DenyUnsafe::Yes);
		let store =
			|dir: &tempfile::TempDir| BlobStore::open(dir.path().join("s"), 8 << 20).unwrap();
		let root = store(&dir).insert(&[7; 1000]).unwrap();
		// Just opened: nothing in it is checked yet.
		let network = Arc::new(Silent(vec![]));
		let reopened = Arc::new(store(&dir));
		let (fetcher, _) =
			Fetcher::new(reopened.clone(), network, FetchLimits::default(), Metrics::default());
		let blobs = Blobs::new(reopened.clone(), fetcher);
		let (reads, checks) = (blobs.reads.clone(), blobs.checks.clone());
		drop(module);
		let module = blobs.into_rpc();
		let get = || call(&module, "blob_get", json!([hex(&root), 0, 10]));
		let taken: Vec<_> = (0..CHECKS).map(|_| checks.take().unwrap()).collect();
		let answer = get().await;
		assert_eq!(answer["error"]["data"]["name"], json!("Busy"), "{answer}");
		drop(taken);
		assert_eq!(get().await["result"], json!(hex(&[7; 10])));
		// What is checked needs no such place, and a place to read.
		let _checks: Vec<_> = (0..CHECKS).map(|_| checks.take().unwrap()).collect();
		assert_eq!(get().await["result"], json!(hex(&[7; 10])));
		let _reads: Vec<_> = (0..READS).map(|_| reads.take().unwrap()).collect();
		assert_eq!(get().await["error"]["data"]["name"], json!("Busy"));
		// Blobs that are not here cost nothing and are told so.
		let absent = call(&module, "blob_get", json!([hex(&[1; 32]), 0, 10])).await;
		assert_eq!(absent["error"]["data"]["name"], json!("Unknown"));
	}

	#[tokio::test]
	async fn quiet_result_should_be_in_no_answer_until_it_is_put_openly() {
		let (_, dir) = module(DenyUnsafe::No);
		let store = Arc::new(BlobStore::open(dir.path().join("q"), 8 << 20).unwrap());
		let blob = [5; 1000];
		let root = *blake3::hash(&blob).as_bytes();
		store.insert_quiet_from(3, root, 1000, &blob[..]).unwrap();
		let network = Arc::new(Silent(vec![]));
		let (fetcher, _) =
			Fetcher::new(store.clone(), network, FetchLimits::default(), Metrics::default());
		let mut module = Blobs::new(store, fetcher).into_rpc();
		module.extensions_mut().insert(DenyUnsafe::No);
		let status = call(&module, "blob_status", json!([hex(&root)])).await;
		assert_eq!(status["result"], json!({ "present": false, "len": 0, "received": 0 }));
		let get = call(&module, "blob_get", json!([hex(&root), 0, 10])).await;
		assert_eq!(get["error"]["data"]["name"], json!("Unknown"));
		// The provider's own client of this node hands it over after its reveal.
		let put = call(&module, "blob_put", json!([hex(&root), 0, 1000, hex(&blob)])).await;
		assert_eq!(put["result"], json!({ "present": true, "len": 1000, "received": 1000 }));
		let get = call(&module, "blob_get", json!([hex(&root), 0, 10])).await;
		assert_eq!(get["result"], json!(hex(&[5; 10])));
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
	async fn blob_fetch_should_show_its_progress_and_be_refused_when_unsafe_methods_are() {
		let (denied, _dir) = module(DenyUnsafe::Yes);
		let root = hex(&[7; 32]);
		let answer = call(&denied, "blob_fetch", json!([root, 5])).await;
		assert!(answer["error"]["message"].as_str().unwrap().contains("unsafe"), "{answer}");

		let (module, _dir) = module(DenyUnsafe::No);
		let absent = call(&module, "blob_get", json!([root, 0, 1])).await;
		assert!(absent["error"]["message"].as_str().unwrap().contains("blob_fetch"), "{absent}");
		let answer = call(&module, "blob_fetch", json!([root, 5])).await;
		assert_eq!(answer["result"]["present"], json!(false));
		assert_eq!(answer["result"]["fetch"]["len"], json!(5));
		let status = call(&module, "blob_status", json!([root])).await;
		assert_eq!(status["result"]["fetch"]["sources"], json!(0), "{status}");
		let empty = call(&module, "blob_fetch", json!([root, 0])).await;
		assert_eq!(empty["error"]["data"]["name"], json!("FetchRefused"));
		// What is here need not be fetched.
		let here = hex(blake3::hash(b"x").as_bytes());
		call(&module, "blob_put", json!([here, 0, 1, hex(b"x")])).await;
		let answer = call(&module, "blob_fetch", json!([here, 1])).await;
		assert_eq!(answer["result"], json!({ "present": true, "len": 1, "received": 1 }));
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
