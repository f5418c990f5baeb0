//! The connection to a node: RPC and metadata only. Nothing of the runtime is compiled in; what a
//! job is ([`assay_job`]) is read by the names in the metadata, too.

pub mod blobs;
pub mod calls;
pub mod disputes;
mod errors;
pub mod jobs;
pub mod parameters;
pub mod scan;
mod signing;
mod submit;
pub mod urgency;
pub mod value;

pub use crate::hash::Hash;
pub use errors::chain_error;

use crate::{
	amount::{format_units, Amount, DEFAULT_DECIMALS},
	error::{Error, Result},
	hash::parse_hash,
};
use errors::{root_cause, rpc_error};
use signing::Signing;
use std::{
	sync::{Arc, Mutex, PoisonError},
	time::Duration,
};
use subxt::{
	backend::LegacyBackend,
	client::{OnlineClient, OnlineClientAtBlock},
	config::{
		substrate::{AccountId32, H256},
		SubstrateConfig,
	},
	dynamic::{self, Value},
	rpcs::client::{rpc_params, RpcClient, RpcParams},
};

/// A client that reads the state of one block.
pub type At = OnlineClientAtBlock<SubstrateConfig>;

/// Pallets without which a chain is not an Assay chain.
const PALLETS: [&str; 5] = ["Jobs", "Programs", "Stake", "Identity", "Arbitration"];
/// How often the best block is asked for, a fraction of the block time.
const POLL: Duration = Duration::from_millis(500);

/// When a transaction counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Confirm {
	/// In a best block.
	#[default]
	Block,
	/// In a finalized block.
	Finalized,
}

/// A block of the best chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
	/// Height.
	pub number: u64,
	/// Hash.
	pub hash: Hash,
}

/// An event of an included transaction.
#[derive(Clone, Debug)]
pub struct Event {
	/// Pallet name.
	pub pallet: String,
	/// Event name.
	pub name: String,
	/// Fields by name.
	pub fields: Value,
}

/// A transaction that was included and succeeded.
#[derive(Clone, Debug)]
pub struct Included {
	/// The block it is in.
	pub block: Head,
	/// What it caused, in order.
	pub events: Vec<Event>,
}

impl Included {
	/// The fields of the first event of that name.
	pub fn event(&self, pallet: &str, name: &str) -> Result<&Value> {
		self.events
			.iter()
			.find(|e| e.pallet == pallet && e.name == name)
			.map(|e| &e.fields)
			.ok_or_else(|| {
				Error::new("chain-data", format!("the chain did not emit {pallet}.{name}"))
					.fix("use the client of the node's version")
			})
	}
}

/// A connection to one node.
#[derive(Clone)]
pub struct Node {
	client: OnlineClient<SubstrateConfig>,
	rpc: RpcClient,
	/// Where it was reached.
	pub url: String,
	/// Hash of block 0.
	pub genesis: Hash,
	/// Decimals of the native token.
	pub decimals: u8,
	/// Symbol of the native token.
	pub symbol: String,
	confirm: Confirm,
	/// What the transactions of this process have to know of each other.
	signing: Arc<Signing>,
}

/// A connection that is replaced after it was lost; all clones see the new one.
#[derive(Clone)]
pub struct Link(Arc<Mutex<Node>>);

impl Link {
	/// Around the first connection.
	pub fn new(node: Node) -> Self {
		Self(Arc::new(Mutex::new(node)))
	}

	/// The connection as it is now.
	pub fn node(&self) -> Node {
		self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
	}

	/// Puts a new connection in place.
	pub fn replace(&self, node: Node) {
		*self.0.lock().unwrap_or_else(PoisonError::into_inner) = node;
	}
}

impl Node {
	/// Connects and checks that the chain is an Assay chain.
	///
	/// # Errors
	/// `bad-url`, `node-unreachable`, `wrong-chain`.
	pub async fn connect(url: &str, confirm: Confirm) -> Result<Self> {
		if !url.starts_with("ws://") && !url.starts_with("wss://") {
			return Err(Error::new("bad-url", format!("`{url}` is not a WebSocket address"))
				.fix("use --url ws://127.0.0.1:9944 or wss://…"));
		}
		let unreachable = |e: &dyn std::fmt::Display| {
			Error::new("node-unreachable", format!("no node answers at {url}: {e}"))
				.fix("start `assay-node --dev`, or pass the node's address with --url")
		};
		let rpc = tokio::time::timeout(Duration::from_secs(15), RpcClient::from_insecure_url(url))
			.await
			.map_err(|_| unreachable(&"no answer within 15 s"))?
			.map_err(|e| unreachable(&root_cause(e)))?;
		let backend = LegacyBackend::<SubstrateConfig>::builder().build(rpc.clone());
		let client =
			OnlineClient::from_backend(Arc::new(backend)).await.map_err(|e| unreachable(&e))?;
		let properties: serde_json::Map<String, serde_json::Value> =
			rpc.request("system_properties", rpc_params![]).await.map_err(rpc_error)?;
		let node = Self {
			genesis: client.genesis_hash().0,
			decimals: properties
				.get("tokenDecimals")
				.and_then(serde_json::Value::as_u64)
				.and_then(|d| u8::try_from(d).ok())
				.unwrap_or(DEFAULT_DECIMALS),
			symbol: properties
				.get("tokenSymbol")
				.and_then(serde_json::Value::as_str)
				.unwrap_or("ASY")
				.into(),
			client,
			rpc,
			url: url.into(),
			confirm,
			signing: Arc::default(),
		};
		let at = node.best().await?;
		let missing: Vec<_> =
			PALLETS.iter().filter(|p| at.metadata_ref().pallet_by_name(p).is_none()).collect();
		if !missing.is_empty() {
			let names: Vec<_> = missing.iter().map(|p| **p).collect();
			return Err(Error::new(
				"wrong-chain",
				format!("the chain at {url} has no pallet {}", names.join(", ")),
			)
			.fix("connect to an Assay node, or use the client of the node's version"));
		}
		Ok(node)
	}

	/// A new connection to the same node.
	///
	/// # Errors
	/// `chain-reset` when the node now serves another chain, and those of [`Self::connect`].
	pub async fn again(&self) -> Result<Self> {
		let mut node = Self::connect(&self.url, self.confirm).await?;
		node.signing = self.signing.clone();
		if node.genesis != self.genesis {
			return Err(Error::new(
				"chain-reset",
				format!("{} now serves another chain", self.url),
			)
			.fix("start this command again"));
		}
		Ok(node)
	}

	/// Whether the node still answers.
	pub async fn alive(&self) -> bool {
		self.request::<serde_json::Value>("system_health", rpc_params![]).await.is_ok()
	}

	/// One RPC request.
	pub async fn request<R: serde::de::DeserializeOwned>(
		&self,
		method: &str,
		params: RpcParams,
	) -> Result<R> {
		self.rpc.request(method, params).await.map_err(rpc_error)
	}

	/// The best block.
	pub async fn head(&self) -> Result<Head> {
		let hash: H256 = self.request("chain_getBlockHash", rpc_params![]).await?;
		let at = self.client.at_block(hash).await.map_err(chain_error)?;
		Ok(Head { number: at.block_number(), hash: hash.0 })
	}

	/// Waits for a best block higher than `after`.
	pub async fn next_head(&self, after: u64) -> Result<Head> {
		loop {
			let head = self.head().await?;
			if head.number > after {
				return Ok(head);
			}
			tokio::time::sleep(POLL).await;
		}
	}

	/// The state of the best block.
	pub async fn best(&self) -> Result<At> {
		let hash: H256 = self.request("chain_getBlockHash", rpc_params![]).await?;
		self.client.at_block(hash).await.map_err(chain_error)
	}

	/// The state of the last finalized block.
	pub async fn finalized(&self) -> Result<At> {
		let hash: H256 = self.request("chain_getFinalizedHead", rpc_params![]).await?;
		self.client.at_block(hash).await.map_err(chain_error)
	}

	/// The state of block `number` of the best chain, while the node still keeps it.
	pub async fn at(&self, number: u64) -> Result<At> {
		self.client.at_block(number).await.map_err(|e| {
			Error::new(
				"block-pruned",
				format!("the node no longer has the state of block {number}: {e}"),
			)
			.fix("ask an archive node (`--state-pruning archive`)")
		})
	}

	/// Timestamp of block `number` in milliseconds of Unix time, where its state is still kept.
	pub async fn timestamp(&self, number: u64) -> Option<u64> {
		let at = self.at(number).await.ok()?;
		let now = dynamic::storage::<(), u64>("Timestamp", "Now");
		at.storage().fetch(now, ()).await.ok()?.decode().ok()
	}

	/// Calls a runtime API in the state of the best block.
	pub async fn api(&self, api: &str, method: &str, args: Vec<Value>) -> Result<Value> {
		let call = dynamic::runtime_api_call::<_, Value>(api, method, args);
		self.best().await?.runtime_apis().call(call).await.map_err(chain_error)
	}

	/// A storage value of the best block, or `None` where it is not set.
	pub async fn storage(
		&self,
		pallet: &str,
		entry: &str,
		keys: Vec<Value>,
	) -> Result<Option<Value>> {
		storage_at(&self.best().await?, pallet, entry, keys).await
	}

	/// The free, held and frozen units of an account at the best block or at `at`.
	pub async fn balance(&self, who: &Hash, at: Option<u64>) -> Result<Balance> {
		use value::Read;
		let at = match at {
			Some(number) => self.at(number).await?,
			None => self.best().await?,
		};
		let Some(account) =
			storage_at(&at, "System", "Account", vec![Value::from_bytes(who)]).await?
		else {
			return Ok(Balance::default());
		};
		let data = account.field("data")?;
		Ok(Balance {
			free: data.field("free")?.uint()?,
			held: data.field("reserved")?.uint()?,
			frozen: data.maybe("frozen").map_or(Ok(0), Read::uint)?,
		})
	}

	/// An amount as typed, in units of this chain.
	pub fn units(&self, amount: &Amount) -> Result<u128> {
		amount.to_units(self.decimals)
	}

	/// Units for people, such as `1.5 ASY`.
	pub fn money(&self, units: u128) -> String {
		format!("{} {}", format_units(units, self.decimals), self.symbol)
	}
}

/// Units of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Balance {
	/// Not held; parts may be frozen.
	pub free: u128,
	/// On hold: escrow, bonds and deposits.
	pub held: u128,
	/// The part of all units that cannot be transferred.
	pub frozen: u128,
}

/// A storage value in the state `at`, or its default, or `None`.
pub async fn storage_at(
	at: &At,
	pallet: &str,
	entry: &str,
	keys: Vec<Value>,
) -> Result<Option<Value>> {
	let address = dynamic::storage::<Vec<Value>, Value>(pallet, entry);
	match at.storage().try_fetch(address, keys).await.map_err(chain_error)? {
		Some(value) => Ok(Some(value.decode().map_err(chain_error)?)),
		None => Ok(None),
	}
}

/// The SS58 form of an account (prefix 42).
pub fn ss58(account: &Hash) -> String {
	AccountId32(*account).to_string()
}

/// An account from its SS58 or hexadecimal form.
pub fn parse_account(text: &str) -> Result<Hash> {
	if let Ok(hash) = parse_hash(text) {
		return Ok(hash);
	}
	text.parse::<AccountId32>().map(|a| a.0).map_err(|_| {
		Error::new("bad-account", format!("`{text}` is not an account"))
			.fix("pass an SS58 address (5…) or 0x and 64 hexadecimal digits")
	})
}
