//! Signing, sending and following transactions.

use super::{
	chain_error,
	errors::{dispatch_error, lost, submit_error},
	signing::{Hold, MORTALITY},
	urgency::{decide, raised, Urgency, Version},
	Confirm, Event, Head, Included, Node,
};
use crate::error::{Error, Result};
use futures::stream::{FuturesUnordered, StreamExt};
use std::future::Future;
use subxt::{
	client::OnlineClientAtBlockImpl,
	config::{
		substrate::{AccountId32, H256},
		DefaultExtrinsicParamsBuilder, SubstrateConfig,
	},
	dynamic::{self, Value},
	error::TransactionEventsError,
	ext::scale_value::Composite,
	rpcs::client::rpc_params,
	transactions::{DynamicPayload, TransactionInBlock, TransactionProgress, TransactionStatus},
};
use subxt_signer::sr25519::Keypair;

/// Blocks below the best one at which a transaction is anchored at most. The chain takes a
/// transaction for one of another era where finality is further behind than its mortality, and
/// would refuse all of them.
const ANCHOR_DEPTH: u64 = 32;
/// Blocks after its deadline for which a transaction is still looked for.
const GRACE: u64 = 3;

type Client = OnlineClientAtBlockImpl<SubstrateConfig>;
type Payload = DynamicPayload<Composite<()>>;

/// The block in which mortality is anchored: the last finalized one, which no reorganisation can
/// remove, or one that is hardly ever removed where finality is far behind. Of a version whose
/// anchor is gone another one is signed.
fn anchor(best: u64, finalized: u64) -> u64 {
	finalized.max(best.saturating_sub(ANCHOR_DEPTH)).min(best)
}

/// How one version of a transaction came to its end.
type End = Result<TransactionInBlock<SubstrateConfig, Client>>;

/// Follows a transaction until it counts as done.
async fn follow(
	mut progress: TransactionProgress<SubstrateConfig, Client>,
	name: String,
	confirm: Confirm,
) -> End {
	loop {
		match progress.next().await.ok_or_else(lost)?.map_err(chain_error)? {
			TransactionStatus::InBestBlock(block) if confirm == Confirm::Block => return Ok(block),
			TransactionStatus::InFinalizedBlock(block) => return Ok(block),
			TransactionStatus::Invalid { message } | TransactionStatus::Error { message } => {
				return Err(submit_error(&name, &message))
			}
			TransactionStatus::Dropped { message } => {
				return Err(Error::new("tx-dropped", format!("{name}: {message}"))
					.fix("try again; the node's pool dropped the transaction"))
			}
			_ => {}
		}
	}
}

impl Node {
	/// Signs, submits and follows one call until it is confirmed; arguments go by name.
	///
	/// # Errors
	/// `Pallet.Error` with the runtime's own words when the call fails; `tx-invalid`, `tx-dropped`,
	/// `fee` when it is not included.
	pub async fn submit(
		&self,
		key: &Keypair,
		pallet: &str,
		call: &str,
		args: Vec<(&str, Value)>,
	) -> Result<Included> {
		let payload = dynamic::tx(pallet, call, Composite::named(args));
		let account = AccountId32(key.public_key().0);
		let turn = self.signing.turn.lock().await;
		let nonce: u64 =
			self.request("system_accountNextIndex", rpc_params![account.to_string()]).await?;
		let progress = self.send(key, &payload, Version { nonce, tip: 0 }).await;
		let name = format!("{pallet}.{call}");
		let progress = progress.map_err(|e| submit_error(&name, &e))?;
		drop(turn);
		let included = follow(progress, name, self.confirm).await?;
		self.collect(pallet, call, included).await
	}

	/// As [`Self::submit`], for a call that is worth nothing after a deadline: it waits behind
	/// nothing of its account but what is urgent too, and pays more with every block that passes
	/// without it. Where the pool takes no version of it, that is told at once: the caller has to
	/// look at the chain, where it may have happened by an earlier one.
	///
	/// # Errors
	/// As [`Self::submit`], and `too-late` a few blocks after the deadline.
	pub async fn submit_urgent(
		&self,
		key: &Keypair,
		pallet: &str,
		call: &str,
		args: Vec<(&str, Value)>,
		urgency: Urgency,
	) -> Result<Included> {
		let payload = dynamic::tx(pallet, call, Composite::named(args));
		let name = format!("{pallet}.{call}");
		let account = key.public_key().0;
		let mut hold = Hold::new(&self.signing, account);
		let mut versions = FuturesUnordered::new();
		let mut head = self.head().await?.number;
		let said = format!("{name} {:?}", payload.call_data());
		let said = *blake3::hash(&[account.as_slice(), said.as_bytes()].concat()).as_bytes();
		let first = self.signing.first(said, head, urgency.deadline);
		let mut sent = None;
		let n = urgency.deadline.saturating_sub(first);
		loop {
			if head <= urgency.deadline {
				let turn = self.signing.turn.lock().await;
				let best = self.best().await?;
				let nonce = best.transactions().account_nonce(&AccountId32(account)).await;
				let lowest = hold.lowest(nonce.map_err(chain_error)?);
				let at = (head.saturating_sub(first), n);
				let place = (lowest, hold.floor(lowest));
				if let Some(version) = decide(&urgency, at, place, sent, !versions.is_empty()) {
					hold.take(Some(version));
					match self.bid(key, &payload, version, urgency.max_tip).await {
						Ok((version, progress)) => {
							hold.take(Some(version));
							sent = Some(version);
							versions.push(follow(progress, name.clone(), self.confirm));
						}
						Err(text) if versions.is_empty() => return Err(submit_error(&name, &text)),
						Err(_) => {}
					}
				}
				drop(turn);
			} else if versions.is_empty() || head > urgency.deadline.saturating_add(GRACE) {
				let text = format!("{name} was not included by block {}", urgency.deadline);
				return Err(Error::new("too-late", text)
					.fix("raise --max-tip, and see that the account can pay it"));
			}
			tokio::select! {
				Some(end) = versions.next(), if !versions.is_empty() => match end {
					Ok(included) => {
						self.signing.done(&said);
						return self.collect(pallet, call, included).await;
					}
					// Where another version is on its way, this one was replaced by it.
					Err(error) if versions.is_empty() || error.code == "node-lost" => {
						return Err(error)
					}
					Err(_) => {}
				},
				next = self.next_head(head) => head = next?.number,
			}
		}
	}

	/// Sends a version; one that tips more where the pool wants more, less where the account cannot
	/// pay it.
	async fn bid(
		&self,
		key: &Keypair,
		payload: &Payload,
		mut version: Version,
		max_tip: u128,
	) -> Result<(Version, TransactionProgress<SubstrateConfig, Client>), String> {
		let (mut lowered, mut banned) = (false, 0);
		loop {
			let refusal = match self.send(key, payload, version).await {
				Ok(progress) => return Ok((version, progress)),
				Err(text) => text,
			};
			let tip = if refusal.contains("Inability to pay") && version.tip > 0 {
				lowered = true;
				// A few tries, and then without any.
				let enough = version.tip > max_tip.checked_shr(7).unwrap_or(0);
				Some(if enough { version.tip / 2 } else { 0 })
			} else if refusal.contains("Priority is too low") && !lowered {
				raised(version.tip, max_tip)
			} else if refusal.contains("temporarily banned") || refusal.contains("already imported")
			{
				// The pool knows these bytes; others say the same.
				banned += 1;
				(banned < 4).then(|| version.tip.saturating_add(1))
			} else {
				None
			};
			match tip {
				Some(tip) => version.tip = tip,
				None => return Err(refusal),
			}
		}
	}

	/// Signs and sends; the pool's own words where it refuses.
	// An `async fn` would not promise that its future can be sent to another thread.
	#[allow(clippy::manual_async_fn)]
	fn send<'a>(
		&'a self,
		key: &'a Keypair,
		payload: &'a Payload,
		version: Version,
	) -> impl Future<Output = Result<TransactionProgress<SubstrateConfig, Client>, String>> + Send + 'a
	{
		async move {
			let at = self.best().await.map_err(|e| e.to_string())?;
			let finalized = self.finalized().await.map_err(|e| e.to_string())?.block_number();
			let number = anchor(at.block_number(), finalized);
			let hash: Option<H256> = self
				.request("chain_getBlockHash", rpc_params![number])
				.await
				.map_err(|e| e.to_string())?;
			let hash = hash.ok_or_else(|| format!("the node has no block {number}"))?;
			let params = DefaultExtrinsicParamsBuilder::new()
				.nonce(version.nonce)
				.tip(version.tip)
				.mortal_from_unchecked(MORTALITY, number, hash)
				.build();
			let mut tx = at.transactions();
			tx.sign_and_submit_then_watch(payload, key, params).await.map_err(|e| e.to_string())
		}
	}

	/// What an included transaction has caused.
	async fn collect(
		&self,
		pallet: &str,
		call: &str,
		included: TransactionInBlock<SubstrateConfig, Client>,
	) -> Result<Included> {
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
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn transaction_should_be_of_the_era_that_the_chain_computes_when_finality_is_far_behind() {
		use subxt::utils::Era;
		let best = 100_000;
		// Up to a day's blocks behind.
		for behind in [0, 1, 31, 32, 33, 127, 128, 200, 600, 5_000, 28_800] {
			let number = anchor(best, best - behind);
			assert_eq!(number, best - behind.min(ANCHOR_DEPTH));
			let Era::Mortal { period, phase } = Era::mortal(MORTALITY, number) else { panic!() };
			// As the runtime computes the block whose hash is signed, in every block that may take
			// it.
			for block in best..best + MORTALITY - ANCHOR_DEPTH {
				assert_eq!((block.max(phase) - phase) / period * period + phase, number);
				assert!(block - number < 4096, "the chain has forgotten its hash");
			}
		}
		// A finalized block that has come meanwhile, and the first blocks of a chain.
		assert_eq!((anchor(10, 12), anchor(10, 0), anchor(0, 0)), (10, 0, 0));
	}
}
