//! `assay stake`.

use crate::{
	amount::Amount,
	chain::{ss58, value::Read, Node},
	context::Context,
	error::{Error, Result},
};
use clap::Subcommand;
use serde_json::json;
use subxt::{dynamic::Value, ext::scale_value::value};

/// `assay stake …`
#[derive(Debug, Subcommand)]
pub enum StakeCommand {
	/// Bond an amount, or add it to the bond
	Bond {
		/// In ASY
		amount: Amount,
	},
	/// Set an amount on its way out
	Unbond {
		/// In ASY
		amount: Amount,
	},
	/// Take out what has waited long enough
	Withdraw,
	/// Show the bond and balance of an account
	Show {
		/// The account [default: that of --key]
		account: Option<String>,
	},
}

pub async fn run(context: &Context, command: StakeCommand) -> Result<u8> {
	let node = context.node().await?;
	match command {
		StakeCommand::Bond { amount } => {
			let who = context.key()?.public_key().0;
			let call = match ledger(&node, &who).await? {
				Some(_) => "bond_extra",
				None => "bond",
			};
			change(context, &node, call, Some(&amount), "bonded").await
		}
		StakeCommand::Unbond { amount } => {
			change(context, &node, "unbond", Some(&amount), "on its way out").await
		}
		StakeCommand::Withdraw => change(context, &node, "withdraw", None, "withdrawn").await,
		StakeCommand::Show { account } => show(context, &node, account.as_deref()).await,
	}
}

async fn ledger(node: &Node, who: &[u8; 32]) -> Result<Option<Value>> {
	node.storage("Stake", "Ledgers", vec![Value::from_bytes(who)]).await
}

async fn change(
	context: &Context,
	node: &Node,
	call: &str,
	amount: Option<&Amount>,
	done: &str,
) -> Result<u8> {
	let key = context.key()?;
	let who = key.public_key().0;
	let units = amount.map(|a| node.units(a)).transpose()?;
	if let (true, Some(units)) = (call.starts_with("bond"), units) {
		let free = node.balance(&who, None).await?.free;
		if units > free {
			return Err(Error::new(
				"balance-too-small",
				format!(
					"{} has {} free, less than {}",
					ss58(&who),
					node.money(free),
					node.money(units)
				),
			)
			.fix("bond less, or send the account tokens first"));
		}
	}
	let spinner = context.ui.spinner(format!("stake {call}"));
	let args = units.map(|u| ("amount", value!(u))).into_iter().collect();
	let included = node.submit(&key, "Stake", call, args).await?;
	spinner.clear();
	let moved = match (call, units) {
		("withdraw", _) => included.event("Stake", "Withdrawn")?.field("amount")?.uint()?,
		(_, units) => units.unwrap_or(0),
	};
	let mut document = json!({
		"account": ss58(&who),
		"block": included.block.number,
		"amount": moved.to_string(),
	});
	let mut text = format!("{} {done} in block {}", node.money(moved), included.block.number);
	if call == "unbond" {
		let session = included.event("Stake", "Unbonding")?.field("releasable_at")?.u64()?;
		document["releasableAt"] = session.into();
		text += &format!("; free from session {session}");
	}
	context.ui.result(&document, text);
	Ok(0)
}

async fn show(context: &Context, node: &Node, account: Option<&str>) -> Result<u8> {
	let who = context.account(account)?;
	let balance = node.balance(&who, None).await?;
	let session =
		node.storage("Stake", "CurrentSession", vec![]).await?.map_or(Ok(0), |v| v.u64())?;
	let (mut active, mut held, mut deferred, mut job_holds, mut unbonding) = (0, 0, 0, 0, vec![]);
	if let Some(ledger) = ledger(node, &who).await? {
		active = ledger.field("active")?.uint()?;
		held = ledger.field("held")?.uint()?;
		deferred = ledger.field("deferred")?.uint()?;
		job_holds = ledger.field("job_holds")?.u64()?;
		for chunk in ledger.field("unbonding")?.bounded()? {
			unbonding.push((chunk.field("value")?.uint()?, chunk.field("releasable_at")?.u64()?));
		}
	}
	let free = active.saturating_sub(held).saturating_sub(deferred);
	context.ui.document(&json!({
		"account": ss58(&who),
		"balance": {
			"free": balance.free.to_string(),
			"held": balance.held.to_string(),
			"frozen": balance.frozen.to_string(),
		},
		"stake": {
			"active": active.to_string(),
			"heldByJobs": held.to_string(),
			"jobs": job_holds,
			"deferredSlashes": deferred.to_string(),
			"free": free.to_string(),
			"unbonding": unbonding.iter()
				.map(|(value, at)| json!({"amount": value.to_string(), "releasableAt": at}))
				.collect::<Vec<_>>(),
		},
		"session": session,
	}));
	let mut rows = vec![
		("account", ss58(&who)),
		("free balance", node.money(balance.free)),
		("on hold", node.money(balance.held)),
		("bonded", node.money(active)),
		("held by jobs", format!("{} for {job_holds} jobs", node.money(held))),
		("free stake", node.money(free)),
	];
	if deferred > 0 {
		rows.push(("deferred slashes", node.money(deferred)));
	}
	for (value, at) in unbonding {
		let when = if at <= session {
			"can be withdrawn".into()
		} else {
			format!("free from session {at}, now {session}")
		};
		rows.push(("unbonding", format!("{}, {when}", node.money(value))));
	}
	context.ui.fields(&rows);
	Ok(0)
}
