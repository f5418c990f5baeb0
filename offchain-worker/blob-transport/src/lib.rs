//! Blobs from and for other nodes.
//!
//! A request-response protocol on the node's own network moves blobs in slices that prove
//! themselves against the blob's root ([`tree`], [`wire`]; docs/blobs.md has the protocol). Of a
//! peer nothing is believed: a byte gets into the store only after its chunk group was checked
//! against the root, and a peer that sends anything else is known at once and asked nothing more.
//!
//! ```text
//! chain ──open jobs──► Keeper ─claims─► BlobStore ◄── verified ranges ── Fetcher ◄──► peers
//!                                          │                                            ▲
//!                                          └──── complete blobs ──► Server ─────────────┘
//! ```
//!
//! * [`Server`] answers peers, within limits for each and for all.
//! * [`Fetcher`] gets blobs of known root and length from several peers at once.
//! * [`Keeper`] tells the store what open jobs name, so that it does not let that make way, and
//!   looks after what lies on the disk.
#![warn(missing_docs)]

mod asking;
mod bucket;
mod fetcher;
mod keeper;
mod limits;
mod metrics;
mod network;
mod outboards;
mod peers;
mod plan;
pub mod scheduler;
mod server;
pub mod tree;
mod turns;
mod want;
pub mod wire;

#[cfg(test)]
mod tests;

pub use fetcher::{FetchError, Fetcher};
pub use keeper::{ClientMarket, Keeper, Market, MarketError, OpenJob};
pub use limits::{FetchLimits, ServeLimits};
pub use metrics::Metrics;
pub use network::{Network, NodeNetwork, PeerList};
pub use outboards::Outboards;
pub use peers::Fault;
pub use scheduler::{Failure, Progress, Wanted};
pub use server::Server;

use sc_network::{request_responses::IncomingRequest, NetworkBackend, ProtocolName};
use sp_runtime::traits::Block as BlockT;

/// Target of every log line of this crate.
pub const LOG_TARGET: &str = "assay::blobs";

/// Name of the protocol on the chain with this genesis hash: `/GENESIS/assay/blobs/1`, in
/// hexadecimal.
pub fn protocol_name(genesis: impl AsRef<[u8]>) -> ProtocolName {
	format!("/{}/assay/blobs/1", hex::encode(genesis)).into()
}

/// The protocol's settings for the node's network, and the requests that come in for a [`Server`].
pub fn protocol<B, N>(
	genesis: impl AsRef<[u8]>,
	serve: &ServeLimits,
	fetch: &FetchLimits,
) -> (N::RequestResponseProtocolConfig, async_channel::Receiver<IncomingRequest>)
where
	B: BlockT,
	N: NetworkBackend<B, B::Hash>,
{
	let (sender, receiver) = async_channel::bounded(serve.queue.max(1));
	let config = N::request_response_config(
		protocol_name(genesis),
		Vec::new(),
		wire::MAX_REQUEST,
		wire::MAX_RESPONSE,
		// The fetching side has its own clock, which shall run out first.
		fetch.request_timeout * 2,
		Some(sender),
	);
	(config, receiver)
}
