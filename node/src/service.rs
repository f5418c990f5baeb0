//! The parts of a running node and how they are joined.

use crate::{
	blobs::{Blobs, FromPeers},
	cli::MarketParams,
	client::{FullBackend, FullClient, FullSelectChain, RuntimeExecutor, TransactionPool},
	finality,
	hooks::Hooks,
	rpc,
};
use assay_runtime::{opaque::Block, RuntimeApi};
use futures::FutureExt;
use sc_client_api::Backend;
use sc_consensus_babe::SlotProportion;
use sc_consensus_grandpa::SharedVoterState;
use sc_network::NetworkBackend;
use sc_service::{
	error::Error as ServiceError, Configuration, PartialComponents, TaskManager, WarpSyncConfig,
};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_babe::{inherents::InherentDataProvider as SlotProvider, SlotDuration};
use sp_inherents::CreateInherentDataProviders;
use sp_runtime::traits::Block as BlockT;
use sp_timestamp::InherentDataProvider as TimeProvider;
use std::{sync::Arc, time::Duration};

type GrandpaBlockImport =
	sc_consensus_grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, FullSelectChain>;
type GrandpaLink = sc_consensus_grandpa::LinkHalf<Block, FullClient, FullSelectChain>;
type InherentProviders = Arc<
	dyn CreateInherentDataProviders<
		Block,
		(),
		InherentDataProviders = (SlotProvider, TimeProvider),
	>,
>;
type BabeBlockImport = sc_consensus_babe::BabeBlockImport<
	Block,
	FullClient,
	GrandpaBlockImport,
	InherentProviders,
	FullSelectChain,
>;

/// Parts beside those that every Substrate node has.
pub struct OtherParts {
	/// Checks blocks by BABE's and GRANDPA's rules and imports them.
	pub block_import: BabeBlockImport,
	/// Connects block import to the finality voter.
	pub grandpa_link: GrandpaLink,
	/// Connects block import to the block author.
	pub babe_link: sc_consensus_babe::BabeLink<Block>,
	/// Answers questions about epochs.
	pub babe_worker: sc_consensus_babe::BabeWorkerHandle<Block>,
	/// The slot and the time for new blocks.
	pub inherents: InherentProviders,
	/// Reports to a telemetry server, where one is configured.
	pub telemetry: Option<Telemetry>,
}

/// Parts of a node that does not run: enough for the subcommands that work on the database.
pub type Service = PartialComponents<
	FullClient,
	FullBackend,
	FullSelectChain,
	sc_consensus::DefaultImportQueue<Block>,
	TransactionPool,
	OtherParts,
>;

/// Blocks between two justifications that are kept and can prove finality to light clients.
const JUSTIFICATION_PERIOD: u32 = 512;
/// Time that GRANDPA gives its messages to spread.
const GOSSIP_DURATION: Duration = Duration::from_millis(333);
/// Share of a slot that authoring a block may take; the rest is for spreading it.
const PROPOSAL_SLOT_PORTION: f32 = 2.0 / 3.0;

fn inherent_providers(slot_duration: SlotDuration) -> InherentProviders {
	Arc::new(move |_: <Block as BlockT>::Hash, ()| async move {
		let time = TimeProvider::from_system_time();
		Ok((SlotProvider::from_timestamp_and_slot_duration(*time, slot_duration), time))
	})
}

/// Opens the database and builds the parts that need no network.
pub fn new_partial(config: &Configuration) -> Result<Service, ServiceError> {
	let telemetry = config
		.telemetry_endpoints
		.clone()
		.filter(|endpoints| !endpoints.is_empty())
		.map(|endpoints| -> Result<_, sc_telemetry::Error> {
			let worker = TelemetryWorker::new(16)?;
			let telemetry = worker.handle().new_telemetry(endpoints);
			Ok((worker, telemetry))
		})
		.transpose()?;

	let executor: RuntimeExecutor = sc_service::new_wasm_executor(&config.executor);
	let (client, backend, keystore_container, task_manager) =
		sc_service::new_full_parts::<Block, RuntimeApi, _>(
			config,
			telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
			executor,
			vec![],
		)?;
	let client = Arc::new(client);

	let telemetry = telemetry.map(|(worker, telemetry)| {
		task_manager.spawn_handle().spawn("telemetry", None, worker.run());
		telemetry
	});
	let telemetry_handle = telemetry.as_ref().map(Telemetry::handle);

	let select_chain = sc_consensus::LongestChain::new(backend.clone());
	let transaction_pool = Arc::new(
		sc_transaction_pool::Builder::new(
			task_manager.spawn_essential_handle(),
			client.clone(),
			config.role.is_authority().into(),
		)
		.with_options(config.transaction_pool.clone())
		.with_prometheus(config.prometheus_registry())
		.build(),
	);

	let (grandpa_block_import, grandpa_link) = sc_consensus_grandpa::block_import(
		client.clone(),
		JUSTIFICATION_PERIOD,
		&client,
		select_chain.clone(),
		telemetry_handle.clone(),
	)?;
	let justification_import = Box::new(grandpa_block_import.clone());

	let babe_config = sc_consensus_babe::configuration(&*client)?;
	let slot_duration = babe_config.slot_duration();
	let inherents = inherent_providers(slot_duration);
	let (block_import, babe_link) = sc_consensus_babe::block_import(
		babe_config,
		grandpa_block_import,
		client.clone(),
		inherents.clone(),
		select_chain.clone(),
		OffchainTransactionPoolFactory::new(transaction_pool.clone()),
	)?;
	let (import_queue, babe_worker) =
		sc_consensus_babe::import_queue(sc_consensus_babe::ImportQueueParams {
			link: babe_link.clone(),
			block_import: block_import.clone(),
			justification_import: Some(justification_import),
			client: client.clone(),
			slot_duration,
			spawner: &task_manager.spawn_essential_handle(),
			registry: config.prometheus_registry(),
			telemetry: telemetry_handle,
		})?;

	Ok(PartialComponents {
		client,
		backend,
		task_manager,
		import_queue,
		keystore_container,
		select_chain,
		transaction_pool,
		other: OtherParts {
			block_import,
			grandpa_link,
			babe_link,
			babe_worker,
			inherents,
			telemetry,
		},
	})
}

/// Starts a node.
pub fn new_full<N: NetworkBackend<Block, <Block as BlockT>::Hash>>(
	config: Configuration,
	market: MarketParams,
) -> Result<TaskManager, ServiceError> {
	let PartialComponents {
		client,
		backend,
		mut task_manager,
		import_queue,
		keystore_container,
		select_chain,
		transaction_pool,
		other:
			OtherParts { block_import, grandpa_link, babe_link, babe_worker, inherents, mut telemetry },
	} = new_partial(&config)?;

	let role = config.role;
	let force_authoring = config.force_authoring;
	let enable_grandpa = !config.disable_grandpa;
	let name = config.network.node_name.clone();
	let prometheus_registry = config.prometheus_registry().cloned();
	let genesis_hash = client.chain_info().genesis_hash;

	// Blobs.
	let chain_dir = config.base_path.config_dir(config.chain_spec.id());
	let registry = prometheus_registry.as_ref();
	let mut transport = Blobs::open(&market.blobs, &chain_dir, genesis_hash, registry)?;
	let blobs = transport.store.clone();

	// Network.
	let mut net_config = sc_network::config::FullNetworkConfiguration::<_, _, N>::new(
		&config.network,
		prometheus_registry.clone(),
	);
	let metrics = N::register_notification_metrics(prometheus_registry.as_ref());
	let grandpa_protocol =
		sc_consensus_grandpa::protocol_standard_name(&genesis_hash, &config.chain_spec);
	let (grandpa_protocol_config, grandpa_notifications) =
		sc_consensus_grandpa::grandpa_peers_set_config::<_, N>(
			grandpa_protocol.clone(),
			metrics.clone(),
			net_config.peer_store_handle(),
		);
	net_config.add_notification_protocol(grandpa_protocol_config);
	net_config.add_request_response_protocol(transport.protocol::<N>());
	let warp_sync = Arc::new(sc_consensus_grandpa::warp_proof::NetworkProvider::new(
		backend.clone(),
		grandpa_link.shared_authority_set().clone(),
		Vec::new(),
	));
	let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
		sc_service::build_network(sc_service::BuildNetworkParams {
			config: &config,
			net_config,
			client: client.clone(),
			transaction_pool: transaction_pool.clone(),
			spawn_handle: task_manager.spawn_handle(),
			spawn_essential_handle: task_manager.spawn_essential_handle(),
			import_queue,
			block_announce_validator_builder: None,
			warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_sync)),
			block_relay: None,
			metrics,
			gap_sync_body_policy: None,
		})?;

	// Blobs from and for peers.
	let connected = sync_service.clone();
	let peers = Arc::new(move || {
		let connected = connected.clone();
		let peers = async move { connected.peers_info().await.unwrap_or_default() };
		peers.map(|peers| peers.into_iter().map(|(id, _)| id).collect()).boxed()
	});
	let spawner = task_manager.spawn_handle();
	let fetcher = transport.start(client.clone(), network.clone(), peers, &spawner);

	// Offchain workers. Beside every new best block they run when the verifier has found something,
	// which would otherwise wait for the next block, and a dispute has many moves.
	let found = Arc::new(tokio::sync::Notify::new());
	if config.offchain_worker.enabled {
		let offchain_workers =
			sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
				runtime_api_provider: client.clone(),
				is_validator: role.is_authority(),
				keystore: Some(keystore_container.keystore()),
				offchain_db: backend.offchain_storage(),
				transaction_pool: Some(OffchainTransactionPoolFactory::new(
					transaction_pool.clone(),
				)),
				network_provider: Arc::new(network.clone()),
				enable_http_requests: false,
				custom_extensions: |_| vec![],
			})?;
		let (hooks, feed) = Hooks::new(client.clone(), found.clone());
		task_manager.spawn_handle().spawn("offchain-hooks", Some("offchain-worker"), feed);
		task_manager.spawn_handle().spawn(
			"offchain-workers-runner",
			"offchain-worker",
			offchain_workers.run(hooks, task_manager.spawn_handle()).boxed(),
		);
	}

	// What this node finds out about results, and how it votes for finality.
	let knowledge = assay_verifier_service::Knowledge::default();
	let voting_rule = finality::voting_rule(
		&market.finality,
		client.clone(),
		backend.clone(),
		knowledge.clone(),
		babe_link.config().epoch_length,
		prometheus_registry.as_ref(),
	)?;

	// Verification of jobs.
	if role.is_authority() && !market.no_verification {
		match backend.offchain_storage() {
			Some(offchain_storage) => {
				let worker = assay_verifier_service::find_worker(market.worker_path);
				let mut verifier = assay_verifier_service::Config::new(worker, &chain_dir);
				verifier.adapter = market.worker_adapter;
				verifier.allow_unsandboxed = market.allow_unsandboxed_worker;
				verifier.found = found;
				verifier.knowledge = knowledge;
				let service =
					assay_verifier_service::run::<Block, _, _>(assay_verifier_service::Params {
						client: client.clone(),
						keystore: keystore_container.keystore(),
						offchain_storage,
						blobs: blobs.clone(),
						fetch: Some(Arc::new(FromPeers(fetcher.clone()))),
						config: verifier,
						registry: prometheus_registry.clone(),
					});
				task_manager.spawn_handle().spawn("assay-verifier", Some("assay"), service);
			}
			None => log::error!("No offchain storage: this validator cannot verify jobs"),
		}
	}

	// RPC, metrics, telemetry.
	let voter_state = SharedVoterState::empty();
	let rpc_deps = rpc::Deps {
		client: client.clone(),
		pool: transaction_pool.clone(),
		select_chain: select_chain.clone(),
		keystore: keystore_container.keystore(),
		babe_worker,
		voter_state: voter_state.clone(),
		authority_set: grandpa_link.shared_authority_set().clone(),
		justifications: grandpa_link.justification_stream(),
		blobs,
		fetcher,
		finality: sc_consensus_grandpa::FinalityProofProvider::new_for_service(
			backend.clone(),
			Some(grandpa_link.shared_authority_set().clone()),
		),
	};
	sc_service::spawn_tasks(sc_service::SpawnTasksParams {
		config,
		client: client.clone(),
		backend,
		task_manager: &mut task_manager,
		keystore: keystore_container.keystore(),
		transaction_pool: transaction_pool.clone(),
		rpc_builder: Box::new(move |executor| rpc::create(&rpc_deps, executor)),
		network: network.clone(),
		system_rpc_tx,
		tx_handler_controller,
		sync_service: sync_service.clone(),
		telemetry: telemetry.as_mut(),
		tracing_execute_block: None,
	})?;
	let telemetry = telemetry.as_ref().map(Telemetry::handle);

	// Block authorship.
	if role.is_authority() {
		let proposer = sc_basic_authorship::ProposerFactory::new(
			task_manager.spawn_handle(),
			client.clone(),
			transaction_pool.clone(),
			prometheus_registry.as_ref(),
			telemetry.clone(),
		);
		let author = sc_consensus_babe::start_babe(sc_consensus_babe::BabeParams {
			keystore: keystore_container.keystore(),
			client: client.clone(),
			select_chain,
			env: proposer,
			block_import,
			sync_oracle: sync_service.clone(),
			justification_sync_link: sync_service.clone(),
			create_inherent_data_providers: inherents,
			force_authoring,
			backoff_authoring_blocks: None::<()>,
			babe_link,
			block_proposal_slot_portion: SlotProportion::new(PROPOSAL_SLOT_PORTION),
			max_block_proposal_slot_portion: None,
			telemetry: telemetry.clone(),
		})?;
		task_manager.spawn_essential_handle().spawn_blocking(
			"babe-proposer",
			Some("block-authoring"),
			author,
		);
	}

	// Finality. A node that is no authority follows the votes without keys.
	if enable_grandpa {
		let voter = sc_consensus_grandpa::run_grandpa_voter(sc_consensus_grandpa::GrandpaParams {
			config: sc_consensus_grandpa::Config {
				gossip_duration: GOSSIP_DURATION,
				justification_generation_period: JUSTIFICATION_PERIOD,
				observer_enabled: false,
				local_role: role,
				name: Some(name),
				keystore: role.is_authority().then(|| keystore_container.keystore()),
				telemetry: telemetry.clone(),
				protocol_name: grandpa_protocol,
			},
			link: grandpa_link,
			network,
			sync: Arc::new(sync_service),
			notification_service: grandpa_notifications,
			voting_rule,
			prometheus_registry,
			shared_voter_state: voter_state,
			telemetry,
			offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(transaction_pool),
		})?;
		task_manager.spawn_essential_handle().spawn_blocking("grandpa-voter", None, voter);
	}

	Ok(task_manager)
}
