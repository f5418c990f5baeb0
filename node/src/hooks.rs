//! When the pallets' offchain hooks run: after every new best block, and as soon as the verifier
//! has left something for them. A dispute has many moves, and each would otherwise wait for one
//! block more.
//!
//! A run looks at all that this node has to say, so a verifier that has found something for each of
//! hundreds of jobs must not start it as often: what is found within [`REST`] of a run waits that
//! long.

use crate::client::FullClient;
use assay_runtime::opaque::Block;
use futures::StreamExt;
use sc_client_api::{
	BlockImportNotification, BlockchainEvents, FinalityNotifications, ImportNotifications,
	StorageEventStream, StorageKey,
};
use sc_utils::mpsc::{tracing_unbounded, TracingUnboundedSender};
use sp_runtime::traits::Block as BlockT;
use std::{
	sync::{Arc, Mutex, PoisonError},
	time::Duration,
};
use tokio::{
	sync::Notify,
	time::{sleep_until, Instant},
};

/// At least so long after a run of the hooks comes the next that no block starts.
const REST: Duration = Duration::from_millis(500);

/// Notifications that wait before the node complains of a leak.
const WAITING: usize = 1_000;

/// The client's block notifications for the offchain workers; the last one comes again when
/// something was found.
pub struct Hooks {
	client: Arc<FullClient>,
	blocks: Mutex<Option<ImportNotifications<Block>>>,
}

impl Hooks {
	/// The notifications, and the task that feeds them until the node ends.
	pub fn new(
		client: Arc<FullClient>,
		found: Arc<Notify>,
	) -> (Arc<Self>, impl std::future::Future<Output = ()>) {
		let (sender, receiver) = tracing_unbounded("assay_offchain_hooks", WAITING);
		let feed = feed(client.clone(), found, sender);
		(Arc::new(Self { client, blocks: Mutex::new(Some(receiver)) }), feed)
	}
}

async fn feed(
	client: Arc<FullClient>,
	found: Arc<Notify>,
	sender: TracingUnboundedSender<BlockImportNotification<Block>>,
) {
	let mut imported = client.import_notification_stream();
	let mut best = None;
	let mut waiting = false;
	let mut rested = Instant::now();
	loop {
		let next = tokio::select! {
			block = imported.next() => match block {
				Some(block) => {
					if block.is_new_best {
						best = Some(block.clone());
					}
					Some(block)
				}
				None => return,
			},
			() = found.notified(), if !waiting => {
				waiting = true;
				continue;
			}
			() = sleep_until(rested), if waiting => best.clone(),
		};
		// Of a block of another fork no hook runs.
		if next.as_ref().is_none_or(|block| block.is_new_best) {
			waiting = false;
			rested = Instant::now() + REST;
		}
		if next.is_some_and(|block| sender.unbounded_send(block).is_err()) {
			return;
		}
	}
}

impl BlockchainEvents<Block> for Hooks {
	/// For the one reader that these notifications are made for; a second one gets the client's
	/// own.
	fn import_notification_stream(&self) -> ImportNotifications<Block> {
		let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).take();
		blocks.unwrap_or_else(|| self.client.import_notification_stream())
	}

	fn every_import_notification_stream(&self) -> ImportNotifications<Block> {
		self.client.every_import_notification_stream()
	}

	fn finality_notification_stream(&self) -> FinalityNotifications<Block> {
		self.client.finality_notification_stream()
	}

	fn storage_changes_notification_stream(
		&self,
		filter: Option<&[StorageKey]>,
		child_filter: Option<&[(StorageKey, Option<Vec<StorageKey>>)]>,
	) -> sp_blockchain::Result<StorageEventStream<<Block as BlockT>::Hash>> {
		self.client.storage_changes_notification_stream(filter, child_filter)
	}
}
