//! What serving and fetching may cost.

use std::time::Duration;

/// Limits of the serving side.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
	/// Bytes of slices a second for all peers together.
	pub rate: u64,
	/// Bytes of slices a second for one peer.
	pub peer_rate: u64,
	/// Questions a second from one peer, whatever they ask for; it may save up five seconds of
	/// them.
	pub peer_requests: u64,
	/// Slices that are made or on their way at one time, for all peers together.
	pub concurrent: usize,
	/// The same for one peer.
	pub peer_concurrent: usize,
	/// How long an answer counts as on its way when its peer does not read it.
	pub send_timeout: Duration,
	/// Requests that wait before the network refuses further ones.
	pub queue: usize,
	/// Peers that are remembered.
	pub peers: usize,
}

impl Default for ServeLimits {
	fn default() -> Self {
		Self {
			// Half of what a link of 1 Gbit/s carries: blocks and votes go over the same one.
			rate: 64 << 20,
			peer_rate: 32 << 20,
			peer_requests: 200,
			concurrent: 32,
			peer_concurrent: 8,
			send_timeout: Duration::from_secs(20),
			queue: 256,
			peers: 1024,
		}
	}
}

/// Limits of the fetching side.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
	/// Ranges asked for at one time, over all blobs and peers.
	pub parallel: usize,
	/// Ranges asked of one peer at one time.
	pub per_peer: usize,
	/// Blobs fetched at one time; others wait for a turn.
	pub blobs: usize,
	/// Longest turn of a blob while others wait for one.
	pub turn: Duration,
	/// Longest time without a byte in a turn while others wait for one.
	pub stall: Duration,
	/// Ranges of one blob that are asked for or held in memory because an earlier one is missing.
	pub window: u64,
	/// Blobs that can be wanted at one time.
	pub wanted: usize,
	/// Time until a request counts as lost.
	pub request_timeout: Duration,
	/// Time after which another peer is asked for the same range as well. Where answers are usually
	/// fast, eight times what is usual, but not below an eighth of this.
	pub hedge_after: Duration,
	/// How long a peer may say that it is busy, and give nothing, before that is a fault.
	pub busy: Duration,
	/// Shortest and longest pause until a peer that lacked a blob is asked for it again.
	pub ask_again: (Duration, Duration),
	/// How long a peer that lied is not asked.
	pub ban: Duration,
	/// How long a blob is fetched after somebody wanted it last.
	pub lease: Duration,
	/// How long [`crate::Fetcher::fetch`] waits for a further byte before it gives up.
	pub patience: Duration,
	/// How often the connected peers are looked at.
	pub look: Duration,
}

impl Default for FetchLimits {
	fn default() -> Self {
		Self {
			parallel: 16,
			per_peer: 4,
			blobs: 4,
			turn: Duration::from_secs(20),
			stall: Duration::from_secs(5),
			window: 32,
			wanted: 4096,
			request_timeout: Duration::from_secs(10),
			hedge_after: Duration::from_secs(2),
			busy: Duration::from_secs(120),
			ask_again: (Duration::from_secs(2), Duration::from_secs(60)),
			ban: Duration::from_secs(3600),
			lease: Duration::from_secs(120),
			patience: Duration::from_secs(30),
			look: Duration::from_secs(2),
		}
	}
}
