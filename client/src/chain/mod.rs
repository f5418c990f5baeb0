//! The connection to a node: RPC and metadata only, nothing compiled in about the runtime.

pub mod blobs;
pub mod disputes;
pub mod jobs;
pub mod value;

use crate::{
	amount::{format_units, Amount, DEFAULT_DECIMALS},
	error::{Error, Result},
};
use std::{
	sync::{Arc, Mutex, PoisonError},
	time::Duration,
};
use subxt::{
	backend::LegacyBackend,
	client::{OnlineClient, OnlineClientAtBlock},
	config::{
		substrate::{AccountId32, H256},
		DefaultExtrinsicParamsBuilder, SubstrateConfig,
	},
	dynamic::{self, Value},
	error::{DispatchError, TransactionEventsError},
	ext::scale_value::Composite,
	rpcs::client::{rpc_params, RpcClient, RpcParams},
	transactions::TransactionStatus,
};
use subxt_signer::sr25519::Keypair;

/// 32 bytes: a block, a program, a tensor root or an account.
pub type Hash = [u8; 32];
/// A client that reads the state of one block.
pub type At = OnlineClientAtBlock<SubstrateConfig>;

/// Pallets without which a chain is not an Assay chain.
const PALLETS: [&str; 5] = ["Jobs", "Programs", "Stake", "Identity", "Arbitration"];
/// Blocks for which a signed transaction stays valid.
const MORTALITY: u64 = 128;
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
	/// Held from asking for a nonce until the pool has the transaction: of two that are sent at once, the
	/// second one must count the first.
	signing: Arc<tokio::sync::Mutex<()>>,
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

	/// Signs, submits and follows one call until it is confirmed; arguments go by name.
	///
	/// # Errors
	/// `Pallet.Error` with the runtime's own words when the call fails; `tx-invalid`,
	/// `tx-dropped`, `fee` when it is not included.
	pub async fn submit(
		&self,
		key: &Keypair,
		pallet: &str,
		call: &str,
		args: Vec<(&str, Value)>,
	) -> Result<Included> {
		let payload = dynamic::tx(pallet, call, Composite::named(args));
		let account = AccountId32(key.public_key().0);
		let signing = self.signing.lock().await;
		let nonce: u64 =
			self.request("system_accountNextIndex", rpc_params![account.to_string()]).await?;
		// Mortality is anchored in a finalized block, which no reorganisation can remove.
		let at = self.client.at_current_block().await.map_err(chain_error)?;
		let params = DefaultExtrinsicParamsBuilder::new().nonce(nonce).mortal(MORTALITY).build();
		let mut tx = at.transactions();
		let mut progress = tx
			.sign_and_submit_then_watch(&payload, key, params)
			.await
			.map_err(|e| submit_error(pallet, call, &e.to_string()))?;
		drop(signing);
		let included = loop {
			let status = progress.next().await.ok_or_else(lost)?.map_err(chain_error)?;
			match status {
				TransactionStatus::InBestBlock(block) if self.confirm == Confirm::Block => {
					break block
				}
				TransactionStatus::InFinalizedBlock(block) => break block,
				TransactionStatus::Invalid { message } | TransactionStatus::Error { message } => {
					return Err(submit_error(pallet, call, &message))
				}
				TransactionStatus::Dropped { message } => {
					return Err(Error::new("tx-dropped", format!("{pallet}.{call}: {message}"))
						.fix("try again; the node's pool dropped the transaction"))
				}
				_ => {}
			}
		};
		let events = included.wait_for_success().await.map_err(|e| match e {
			TransactionEventsError::ExtrinsicFailed(e) => dispatch_error(pallet, call, &e),
			other => chain_error(other),
		})?;
		let hash = included.block_hash();
		let number = self.client.at_block(hash).await.map_err(chain_error)?.block_number();
		let events = events
			.iter()
			.map(|event| {
				let event = event.map_err(chain_error)?;
				let fields: Composite<()> =
					event.decode_fields_unchecked_as().map_err(chain_error)?;
				Ok(Event {
					pallet: event.pallet_name().into(),
					name: event.event_name().into(),
					fields: Value::without_context(fields.into()),
				})
			})
			.collect::<Result<_>>()?;
		Ok(Included { block: Head { number, hash: hash.0 }, events })
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
	if let Ok(hash) = crate::cli::parse_hash(text) {
		return Ok(hash);
	}
	text.parse::<AccountId32>().map(|a| a.0).map_err(|_| {
		Error::new("bad-account", format!("`{text}` is not an account"))
			.fix("pass an SS58 address (5…) or 0x and 64 hexadecimal digits")
	})
}

fn lost() -> Error {
	Error::new("node-lost", "the node closed the connection")
		.fix("check that the node is running and try again")
}

/// The innermost message of an error, without the layers of libraries around it.
fn root_cause(error: impl std::fmt::Display) -> String {
	let text = error.to_string();
	text.rsplit("client error: ").next().unwrap_or_default().to_string()
}

/// An error of the library that reads the chain.
pub fn chain_error(error: impl std::fmt::Display) -> Error {
	let text = error.to_string();
	if text.contains("State already discarded") || text.contains("UnknownBlock") {
		return Error::new("block-pruned", text)
			.fix("ask an archive node (`--state-pruning archive`)");
	}
	if ["client error", "restart required", "connection", "background task"]
		.iter()
		.any(|t| text.to_lowercase().contains(t))
	{
		return Error::new(
			"node-lost",
			format!("the connection to the node failed: {}", root_cause(&text)),
		)
		.fix("check that the node is running and try again");
	}
	Error::new("chain", text)
}

fn rpc_error(error: subxt::rpcs::Error) -> Error {
	match error {
		subxt::rpcs::Error::User(e) => {
			// Data that is not text only repeats the message for programs.
			let detail = e.data.as_ref().and_then(|d| serde_json::from_str::<String>(d.get()).ok());
			let detail = detail.map(|d| format!(": {d}")).unwrap_or_default();
			match e.code {
				-32601 => Error::new("rpc-missing", format!("{}{detail}", e.message))
					.fix("connect to an Assay node of this client's version"),
				_ => Error::new("rpc", format!("{}{detail}", e.message)),
			}
		}
		other => chain_error(other),
	}
}

fn submit_error(pallet: &str, call: &str, text: &str) -> Error {
	let message = format!("{pallet}.{call} was not accepted: {text}");
	if text.contains("Inability to pay some fees") {
		Error::new("fee", message).fix("the account cannot pay the fee; send it some tokens first")
	} else if text.contains("Priority is too low") || text.contains("outdated") {
		Error::new("tx-invalid", message)
			.fix("another transaction of this account is on its way; wait a block and try again")
	} else if text.contains("not found") || text.contains("doesn't exist") {
		Error::new("wrong-chain", message).fix("use the client of the node's version")
	} else {
		Error::new("tx-invalid", message)
	}
}

fn dispatch_error(pallet: &str, call: &str, error: &DispatchError) -> Error {
	match error {
		DispatchError::Module(module) => match module.details() {
			Ok(details) => {
				let code = format!("{}.{}", details.pallet.name(), details.variant.name);
				let words = details.variant.docs.join(" ");
				let words = words.trim();
				let message = if words.is_empty() { code.clone() } else { words.into() };
				let error = Error::new(code, format!("{pallet}.{call} failed: {message}"));
				match crate::explain::fix(&error.code) {
					Some(fix) => error.fix(fix),
					None => error,
				}
			}
			Err(_) => Error::new("chain", format!("{pallet}.{call} failed: {error}")),
		},
		DispatchError::Token(e) => {
			Error::new("Token.FundsUnavailable", format!("{pallet}.{call} failed: {e}"))
				.fix("the account's free balance is too small; check `assay stake show`")
		}
		other => Error::new("chain", format!("{pallet}.{call} failed: {other}")),
	}
}
