//! The node's part in moving blobs: the protocol on its network, the tasks behind it, and where the
//! verifier's inputs come from.

use crate::{cli::BlobParams, client::FullClient};
use assay_blob_transport::{
	ClientMarket, FetchLimits, Fetcher, Keeper, Metrics, NodeNetwork, Outboards, PeerList,
	ServeLimits, Server, LOG_TARGET,
};
use assay_blobs::{BlobStore, Hash as Root};
use assay_runtime::{opaque::Block, AccountId, Balance, Hash};
use futures::{future::BoxFuture, FutureExt};
use sc_network::{
	request_responses::IncomingRequest, service::traits::NetworkService, NetworkBackend,
};
use sc_service::{error::Error as ServiceError, SpawnTaskHandle};
use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path, sync::Arc};
use substrate_prometheus_endpoint::Registry;

/// Blobs, before there is a network.
pub struct Blobs {
	/// The node's store.
	pub store: Arc<BlobStore>,
	outboards: Arc<Outboards>,
	serve: ServeLimits,
	fetch: FetchLimits,
	metrics: Metrics,
	requests: Option<async_channel::Receiver<IncomingRequest>>,
	genesis: Hash,
}

impl Blobs {
	/// Opens the store, which by default lies in the chain's folder.
	pub fn open(
		params: &BlobParams,
		chain_dir: &Path,
		genesis: Hash,
		registry: Option<&Registry>,
	) -> Result<Self, ServiceError> {
		close(chain_dir);
		let dir = params.blob_dir.clone().unwrap_or_else(|| chain_dir.join("blobs"));
		let quota = params.blob_quota_mib.saturating_mul(1 << 20);
		let failed =
			|error: Box<dyn std::error::Error + Send + Sync>| ServiceError::Application(error);
		let store = BlobStore::open(&dir, quota).map_err(|error| failed(error.into()))?;
		let store = Arc::new(store);
		let outboards = Outboards::open(dir.join("outboards"), store.clone());
		let outboards = Arc::new(outboards.map_err(|error| failed(error.into()))?);
		let mib = |rate: u64| rate.saturating_mul(1 << 20);
		let serve = ServeLimits {
			rate: mib(params.blob_serve_rate_mib),
			peer_rate: mib(params.blob_peer_rate_mib.min(params.blob_serve_rate_mib)),
			..ServeLimits::default()
		};
		let fetch = FetchLimits {
			parallel: params.blob_fetch_parallel as usize,
			per_peer: params.blob_fetch_per_peer as usize,
			..FetchLimits::default()
		};
		let metrics = Metrics::register(registry);
		Ok(Self { store, outboards, serve, fetch, metrics, requests: None, genesis })
	}

	/// The protocol for the node's network.
	pub fn protocol<N: NetworkBackend<Block, Hash>>(&mut self) -> N::RequestResponseProtocolConfig {
		let (config, requests) =
			assay_blob_transport::protocol::<Block, N>(self.genesis, &self.serve, &self.fetch);
		self.requests = Some(requests);
		config
	}

	/// Serves, fetches and keeps blobs from now on. `peers` lists who is connected.
	pub fn start(
		self,
		client: Arc<FullClient>,
		network: Arc<dyn NetworkService>,
		peers: PeerList,
		spawner: &SpawnTaskHandle,
	) -> Fetcher {
		let Self { store, outboards, serve, fetch, metrics, requests, genesis } = self;
		let spawn = |name, task: BoxFuture<'static, ()>| spawner.spawn(name, Some("assay"), task);
		if let Some(requests) = requests {
			let server = Server::new(store.clone(), outboards.clone(), serve, metrics.clone());
			spawn("assay-blobs-server", server.run(requests).boxed());
		}
		let protocol = assay_blob_transport::protocol_name(genesis);
		let network = Arc::new(NodeNetwork::new(network, protocol, peers));
		let (fetcher, task) = Fetcher::new(store.clone(), network, fetch, metrics.clone());
		spawn("assay-blobs-fetcher", task);
		let market = ClientMarket::<Block, _, AccountId, Balance>::new(client);
		let keeper = Keeper::new(market, store, outboards, metrics);
		spawn("assay-blobs-keeper", keeper.run().boxed());
		fetcher
	}
}

/// Closes the chain's folder to other users of the machine, where an earlier version has left it
/// open: the database holds verdicts and their salts before they are opened.
fn close(chain_dir: &Path) {
	let closed = std::fs::metadata(chain_dir).and_then(|found| {
		let mode = found.permissions().mode();
		match mode & 0o077 {
			0 => Ok(()),
			_ => std::fs::set_permissions(chain_dir, Permissions::from_mode(mode & 0o700)),
		}
	});
	match closed {
		Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
			let dir = chain_dir.display();
			log::warn!(
				target: LOG_TARGET,
				"{dir} is open to others, and holds secrets: {error}. Give it to the node's user alone",
			);
		}
		_ => {}
	}
}

/// Blobs for the verifier, from peers. What does not come the verifier says itself, when it may: a
/// line here would tell who was drawn, and there can be as many as a stranger's jobs have inputs.
pub struct FromPeers(pub Fetcher);

impl assay_verifier_service::Fetch for FromPeers {
	fn want(&self, blobs: &[(Root, u64)]) {
		for (root, len) in blobs {
			if let Err(error) = self.0.want(*root, *len) {
				log::debug!(target: LOG_TARGET, "A blob is not fetched: {error}");
			}
		}
	}

	fn fetch(&self, blobs: Vec<(Root, u64)>) -> BoxFuture<'static, ()> {
		let fetcher = self.0.clone();
		async move {
			let fetches = blobs.iter().map(|(root, len)| fetcher.fetch(*root, *len));
			for outcome in futures::future::join_all(fetches).await {
				if let Err(error) = outcome {
					log::debug!(target: LOG_TARGET, "A blob did not come: {error}");
				}
			}
		}
		.boxed()
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn chain_folder_should_be_closed_to_others_when_it_was_open() {
		let dir = tempfile::tempdir().unwrap();
		std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
		close(dir.path());
		let mode = std::fs::metadata(dir.path()).unwrap().permissions().mode();
		assert_eq!(mode & 0o777, 0o700);
		close(&dir.path().join("not there yet"));
	}
}
