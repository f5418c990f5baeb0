//! The network as the fetching side sees it.

use crate::{peers::Fault, scheduler::Failure, wire::Refusal};
use futures::future::BoxFuture;
use sc_network::{
	service::traits::NetworkService, IfDisconnected, OutboundFailure, PeerId, ProtocolName,
	ReputationChange, RequestFailure,
};
use std::sync::Arc;

/// Peers and a way to ask them.
pub trait Network: Send + Sync + 'static {
	/// Everyone who is connected.
	fn peers(&self) -> BoxFuture<'static, Vec<PeerId>>;

	/// Sends a request and waits for the answer's bytes.
	fn request(
		&self,
		peer: PeerId,
		request: Vec<u8>,
	) -> BoxFuture<'static, Result<Vec<u8>, Failure>>;

	/// Takes note of what a peer did.
	fn report(&self, peer: PeerId, fault: Fault);
}

/// What faults cost a peer's reputation.
pub fn reputation(fault: Fault) -> ReputationChange {
	match fault {
		Fault::WrongBytes => ReputationChange::new_fatal("Assay: wrong bytes of a blob"),
		Fault::Malformed => ReputationChange::new_fatal("Assay: malformed answer about blobs"),
		Fault::Silent => ReputationChange::new(-(1 << 10), "Assay: no answer about blobs"),
		Fault::Withheld => ReputationChange::new(-(1 << 10), "Assay: withheld a blob"),
		// A few dozen times, hours, and it is banned; an overloaded peer gives something now and
		// then.
		Fault::Endless => ReputationChange::new(-(1 << 24), "Assay: only ever busy with blobs"),
	}
}

/// A question for the connected peers.
pub type PeerList = Arc<dyn Fn() -> BoxFuture<'static, Vec<PeerId>> + Send + Sync>;

/// The node's own network.
pub struct NodeNetwork {
	service: Arc<dyn NetworkService>,
	protocol: ProtocolName,
	peers: PeerList,
	connect: IfDisconnected,
}

impl NodeNetwork {
	/// The running network of a node, the protocol's name and who is connected, as chain
	/// synchronisation knows it. Peers that are not connected are not dialled for a blob.
	pub fn new(service: Arc<dyn NetworkService>, protocol: ProtocolName, peers: PeerList) -> Self {
		Self { service, protocol, peers, connect: IfDisconnected::ImmediateError }
	}

	/// The same, but dialling known addresses.
	pub fn dialling(self) -> Self {
		Self { connect: IfDisconnected::TryConnect, ..self }
	}
}

impl Network for NodeNetwork {
	fn peers(&self) -> BoxFuture<'static, Vec<PeerId>> {
		(self.peers)()
	}

	fn request(
		&self,
		peer: PeerId,
		request: Vec<u8>,
	) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
		let (service, protocol, connect) =
			(self.service.clone(), self.protocol.clone(), self.connect);
		Box::pin(async move {
			match service.request(peer, protocol, request, None, connect).await {
				Ok((answer, _)) => Ok(answer),
				Err(failure) => Err(failure_of(failure)),
			}
		})
	}

	fn report(&self, peer: PeerId, fault: Fault) {
		self.service.report_peer(peer, reputation(fault));
	}
}

fn failure_of(failure: RequestFailure) -> Failure {
	match failure {
		RequestFailure::Refused => Failure::Rejected,
		RequestFailure::Network(OutboundFailure::Timeout | OutboundFailure::Io(_)) => {
			Failure::Fault(Fault::Silent)
		}
		// Asked again soon: the connection broke under the request.
		RequestFailure::Network(OutboundFailure::ConnectionClosed) => {
			Failure::Refused(Refusal::Busy(500))
		}
		RequestFailure::NotConnected
		| RequestFailure::UnknownProtocol
		| RequestFailure::InvalidRequest
		| RequestFailure::Obsolete
		| RequestFailure::Network(
			OutboundFailure::DialFailure | OutboundFailure::UnsupportedProtocols,
		) => Failure::Unreachable,
	}
}
