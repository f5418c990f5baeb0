//! `assay identity`.

use crate::{
	chain::{ss58, value::Read, Node},
	context::Context,
	device::{Device, Profile},
	error::{Error, Result},
	output::hex,
	peer::PeerKey,
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use subxt::{dynamic::Value, ext::scale_value::value};

/// What an identity is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
	/// Posts jobs
	Requester,
	/// Runs jobs
	Provider,
	/// Replays jobs
	Verifier,
}

/// `assay identity …`
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
	/// Register an identity; its peer key is made and kept in the state folder
	#[command(after_help = "Example:\n  assay identity register --role provider --key //Charlie")]
	Register(IdentityDetails),
	/// Show the identity of an account
	Show {
		/// The account [default: that of --key]
		account: Option<String>,
	},
	/// Replace the peer key by a new one
	Rotate {
		/// Use this ed25519 seed file (64 hexadecimal digits) instead of a new key
		#[arg(long, value_name = "FILE")]
		peer_key: Option<PathBuf>,
	},
	/// Change role or device profile
	Update(IdentityDetails),
	/// Remove the identity
	Deregister,
}

/// Role and device profile of an identity.
#[derive(Clone, Debug, Args)]
pub struct IdentityDetails {
	/// What the identity is for; repeat for more
	#[arg(long, value_enum, default_value = "provider")]
	pub role: Vec<Role>,
	/// Adapter whose profile is published: a number or name of `assay devices`, cpu or auto
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	pub adapter: String,
	/// Use this ed25519 seed file (64 hexadecimal digits) instead of the one in the state folder
	#[arg(long, value_name = "FILE")]
	pub peer_key: Option<PathBuf>,
}

pub async fn run(context: &Context, command: IdentityCommand) -> Result<u8> {
	match command {
		IdentityCommand::Register(details) => register(context, details).await,
		IdentityCommand::Update(details) => update(context, details).await,
		IdentityCommand::Show { account } => show(context, account.as_deref()).await,
		IdentityCommand::Rotate { peer_key } => {
			let key = context.key()?;
			let who = key.public_key().0;
			let node = context.node().await?;
			let dir = context.state_dir()?;
			let next = match &peer_key {
				Some(path) => PeerKey::read(path)?,
				None => PeerKey::new()?,
			};
			let args = peer_args(&node, &who, &next);
			let included = node.submit(&key, "Identity", "rotate_peer_key", args).await?;
			// Kept only once the chain has it: a failed rotation leaves the old key in place.
			next.keep(&dir, &who)?;
			done(context, &who, included.block.number, "peer key rotated", Some(&next));
			Ok(0)
		}
		IdentityCommand::Deregister => {
			let key = context.key()?;
			let node = context.node().await?;
			let included = node.submit(&key, "Identity", "deregister", vec![]).await?;
			done(context, &key.public_key().0, included.block.number, "deregistered", None);
			Ok(0)
		}
	}
}

fn done(context: &Context, who: &[u8; 32], block: u64, what: &str, peer: Option<&PeerKey>) {
	context.ui.result(
		&json!({
			"account": ss58(who),
			"block": block,
			"peerKey": peer.map(|p| hex(p.public())),
		}),
		format!("{}: {what} in block {block}", ss58(who)),
	);
}

fn peer_args(node: &Node, who: &[u8; 32], key: &PeerKey) -> Vec<(&'static str, Value)> {
	vec![
		("peer_key", Value::from_bytes(key.public())),
		("proof", Value::from_bytes(key.proof(&node.genesis, who))),
	]
}

/// Roles and device profile as the calls take them.
fn profile_args(roles: &[Role], profile: Option<&Profile>) -> Vec<(&'static str, Value)> {
	let has = |role| value!(roles.contains(&role));
	let device = match profile {
		Some(p) => {
			let device = Value::named_composite([
				("adapter", Value::from_bytes(p.adapter.as_bytes())),
				("backend", Value::unnamed_variant(p.backend, [])),
				("memory_mib", value!(p.memory_mib)),
				("units_per_second", value!(p.units_per_second)),
			]);
			Value::unnamed_variant("Some", [device])
		}
		None => Value::unnamed_variant("None", []),
	};
	let roles = Value::named_composite([
		("requester", has(Role::Requester)),
		("provider", has(Role::Provider)),
		("verifier", has(Role::Verifier)),
	]);
	vec![("roles", roles), ("device", device)]
}

/// A profile is measured for those who compute.
async fn measure(context: &Context, details: &IdentityDetails) -> Result<Option<Profile>> {
	if details.role == [Role::Requester] {
		return Ok(None);
	}
	let device = Device::open(&details.adapter)?;
	let spinner = context.ui.spinner(format!("measure {}", device.name()));
	let profile = device.profile().await?;
	spinner.done(format!("{} work units per second", profile.units_per_second));
	Ok(Some(profile))
}

async fn register(context: &Context, details: IdentityDetails) -> Result<u8> {
	let key = context.key()?;
	let who = key.public_key().0;
	let node = context.node().await?;
	let dir = context.state_dir()?;
	let peer = match &details.peer_key {
		Some(path) => PeerKey::read(path)?,
		None => PeerKey::kept(&dir, &who)?,
	};
	let profile = measure(context, &details).await?;
	let mut args = profile_args(&details.role, profile.as_ref());
	args.extend(peer_args(&node, &who, &peer));
	let included = node.submit(&key, "Identity", "register", args).await?;
	if details.peer_key.is_some() {
		peer.keep(&dir, &who)?;
	}
	done(context, &who, included.block.number, "registered", Some(&peer));
	Ok(0)
}

async fn update(context: &Context, details: IdentityDetails) -> Result<u8> {
	if details.peer_key.is_some() {
		return Err(Error::new("bad-argument", "`update` leaves the peer key as it is")
			.fix("use `assay identity rotate --peer-key FILE`"));
	}
	let key = context.key()?;
	let node = context.node().await?;
	let profile = measure(context, &details).await?;
	let args = profile_args(&details.role, profile.as_ref());
	let included = node.submit(&key, "Identity", "update", args).await?;
	done(context, &key.public_key().0, included.block.number, "updated", None);
	Ok(0)
}

async fn show(context: &Context, account: Option<&str>) -> Result<u8> {
	let who = context.account(account)?;
	let node = context.node().await?;
	let keys = || vec![Value::from_bytes(who)];
	let Some(identity) = node.storage("Identity", "Identities", keys()).await? else {
		return Err(Error::new("not-registered", format!("{} has no identity", ss58(&who)))
			.fix("`assay identity register --role provider`"));
	};
	let roles = identity.field("roles")?;
	let names = ["requester", "provider", "verifier"];
	let roles: Vec<_> = names
		.into_iter()
		.filter(|name| roles.field(name).and_then(Read::flag).unwrap_or(false))
		.collect();
	let device = identity.field("device")?.option()?;
	let device = device
		.map(|d| {
			let adapter = String::from_utf8_lossy(&d.field("adapter")?.bytes()?).into_owned();
			Ok::<_, Error>((
				adapter,
				d.field("backend")?.variant()?.to_string(),
				d.field("memory_mib")?.u64()?,
				d.field("units_per_second")?.u64()?,
			))
		})
		.transpose()?;
	let peer = identity.field("peer_key")?.hash()?;
	let since = identity.field("registered_at")?.u64()?;
	let deposit = identity.field("deposit")?.uint()?;
	let reputation = node.storage("Identity", "Reputations", keys()).await?;
	let counts = reputation.as_ref().map(counts).unwrap_or_default();
	context.ui.document(&json!({
		"account": ss58(&who),
		"roles": roles,
		"device": device.as_ref().map(|(adapter, backend, memory, rate)| json!({
			"adapter": adapter, "backend": backend, "memoryMib": memory, "unitsPerSecond": rate
		})),
		"peerKey": hex(peer),
		"registeredAt": since,
		"deposit": deposit.to_string(),
		"reputation": counts.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
	}));
	let mut rows = vec![
		("account", ss58(&who)),
		("roles", roles.join(", ")),
		("peer key", hex(peer)),
		("since block", since.to_string()),
		("deposit", node.money(deposit)),
	];
	if let Some((adapter, backend, memory, rate)) = device {
		let text = format!("{adapter} ({backend}), {memory} MiB, {rate} work units per second");
		rows.push(("device", text));
	}
	for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
		rows.push(("reputation", format!("{count} × {}", name.replace('_', " "))));
	}
	context.ui.fields(&rows);
	Ok(0)
}

/// The counters of a reputation by name, whatever a later runtime adds.
fn counts(reputation: &Value) -> Vec<(String, u64)> {
	use subxt::ext::scale_value::{Composite, ValueDef};
	match &reputation.value {
		ValueDef::Composite(Composite::Named(fields)) => {
			fields.iter().filter_map(|(n, v)| Some((n.clone(), v.u64().ok()?))).collect()
		}
		_ => Vec::new(),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn profile_should_carry_roles_and_device_when_encoded() {
		let profile =
			Profile { adapter: "cpu".into(), backend: "Cpu", memory_mib: 4, units_per_second: 5 };
		let args = profile_args(&[Role::Provider, Role::Verifier], Some(&profile));
		assert!(!args[0].1.field("requester").unwrap().flag().unwrap());
		assert!(args[0].1.field("provider").unwrap().flag().unwrap());
		let device = args[1].1.option().unwrap().unwrap();
		assert_eq!(device.field("adapter").unwrap().bytes().unwrap(), b"cpu");
		assert_eq!(device.field("backend").unwrap().variant().unwrap(), "Cpu");
		assert!(profile_args(&[Role::Requester], None)[1].1.option().unwrap().is_none());
	}
}
