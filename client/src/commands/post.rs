//! `assay job post`.

use super::{follow, program, report};
use crate::{
	amount::Amount,
	chain::{calls::Post, ss58, value::Read, Hash, Node},
	context::Context,
	error::{Error, Result},
	hash::parse_hash,
	output::hex,
	program::Loaded,
	tensors::{self, InputArg},
};
use assay_commitments::Segmentation;
use assay_program::MAX_STEPS;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) const INPUTS_HELP: &str = "Example:
  assay job inputs --program digits.program --input images=digits.safetensors \\
      --weights weights.safetensors";

pub(super) const POST_HELP: &str =
	"Inputs are tensors of safetensors files, of dtype I8, I16 or I32 and exactly the
program's shape. --input names them one by one; --weights gives the rest by name.

Example:
  assay job post --program digits.program --input images=digits.safetensors#test \\
      --weights mlp.safetensors --price-start 1 --price-max 5 --ramp 20 --key //Dave --wait";

/// The program of a job and the tensors that it works on.
#[derive(Debug, Args)]
pub struct JobInputs {
	/// Program file, or 0x id of a registered program
	#[arg(long, value_name = "FILE|ID")]
	pub program: String,
	/// An input: NAME=FILE.safetensors or NAME=FILE.safetensors#TENSOR; repeat for more
	#[arg(long = "input", value_name = "NAME=FILE[#TENSOR]")]
	pub inputs: Vec<InputArg>,
	/// A safetensors file whose tensors are taken by input name; repeat for more
	#[arg(long, value_name = "FILE")]
	pub weights: Vec<PathBuf>,
	/// Root of an input that is already uploaded: NAME=0x…; repeat for more
	#[arg(long = "root", value_name = "NAME=ROOT", value_parser = parse_named_root)]
	pub roots: Vec<(String, [u8; 32])>,
}

/// `assay job post`
#[derive(Debug, Args)]
pub struct PostArgs {
	/// Program and inputs.
	#[command(flatten)]
	pub inputs: JobInputs,
	/// Steps to run
	#[arg(long, default_value_t = 1)]
	pub steps: u32,
	/// Most that you pay, in ASY: where the price ramp ends
	#[arg(long, value_name = "ASY")]
	pub price_max: Amount,
	/// Where the price ramp starts, in ASY [default: a tenth of --price-max]
	#[arg(long, value_name = "ASY")]
	pub price_start: Option<Amount>,
	/// Blocks that the price takes from start to max
	#[arg(long, default_value_t = 10, value_name = "BLOCKS")]
	pub ramp: u32,
	/// How likely a committee replays the result, in percent [default: the chain's]
	#[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
	pub audit: Option<u32>,
	/// Open at once, without validators attesting the inputs; such a job earns no reputation
	#[arg(long)]
	pub no_attestation: bool,
	/// Cut the run into segments of so many steps, a power of two; each verifier then replays one
	/// segment that it draws in private. The provider's bond grows with the number of segments (2
	/// to 256)
	#[arg(long, value_name = "L")]
	pub segment_steps: Option<u32>,
	/// Follow the job to its end
	#[arg(long)]
	pub wait: bool,
	/// Fetch the outputs after settlement and write them as safetensors into this folder
	#[arg(long, value_name = "DIR", requires = "wait")]
	pub output_dir: Option<PathBuf>,
}

fn parse_named_root(text: &str) -> Result<(String, [u8; 32])> {
	let (name, root) = text.split_once('=').ok_or_else(|| {
		Error::new("bad-input-argument", format!("`{text}` names no input"))
			.fix("write --root NAME=0x…")
	})?;
	Ok((name.into(), parse_hash(root)?))
}

/// Parts per million of a percentage such as `12.5`.
fn parse_percent(text: &str) -> Result<u32> {
	let bad = || {
		Error::new("bad-percent", format!("`{text}` is not a percentage"))
			.fix("write a number above 0 and up to 100, such as 12.5")
	};
	let amount: Amount = text.trim_end_matches('%').parse().map_err(|_| bad())?;
	let ppm = amount.to_units(4).map_err(|_| bad())?;
	u32::try_from(ppm).ok().filter(|p| (1..=1_000_000).contains(p)).ok_or_else(bad)
}

pub async fn run(context: &Context, args: PostArgs) -> Result<u8> {
	let ui = &context.ui;
	let key = context.key()?;
	let mut node = context.node().await?;
	let loaded = context.program(&args.inputs.program, &node).await?;
	let (price_start, price_max) = prices(&node, &args)?;
	if args.ramp == 0 || args.steps == 0 {
		return Err(Error::new("bad-argument", "--ramp and --steps count from 1")
			.fix("give at least 1 block and 1 step"));
	}
	ensure_steps(args.steps)?;
	if let Some(length) = args.segment_steps {
		ensure_cut(args.steps, length)?;
	}
	ensure_affordable(&node, &key.public_key().0, &loaded, &args, (price_start, price_max)).await?;
	// Everything is read and checked before anything is sent.
	let inputs = inputs(&loaded, &args.inputs)?;
	program::register(&node, &key, &loaded, context).await?;
	let input_roots = upload(&node, context, &loaded, inputs).await?;
	let post = Post {
		program: loaded.id,
		input_roots,
		steps: args.steps,
		price_start,
		price_max,
		ramp_blocks: args.ramp,
		audit_ppm: args.audit,
		attested: !args.no_attestation,
		segment_steps: args.segment_steps,
	};
	let spinner = ui.spinner("post job");
	let (id, included) = node.post_job(&key, &post).await?;
	// The highest price and the verifiers' fee.
	let event = included.event("Jobs", "JobPosted")?;
	let (escrow, deposit) = (event.field("escrow")?.uint()?, event.field("deposit")?.uint()?);
	let order = event.field("order")?.hash()?;
	spinner.clear();
	let posted = json!({
		"event": "posted",
		"job": id,
		"order": hex(order),
		"block": included.block.number,
		"blockHash": hex(included.block.hash),
		"program": hex(loaded.id),
		"inputRoots": post.input_roots.iter().map(hex).collect::<Vec<_>>(),
		"priceStart": price_start.to_string(),
		"priceMax": price_max.to_string(),
		"escrow": escrow.to_string(),
		"deposit": deposit.to_string(),
		"segments": args.segment_steps.map(|length| args.steps.div_ceil(length)),
	});
	let cut = args.segment_steps.map_or(String::new(), |length| {
		let count = args.steps.div_ceil(length);
		format!("; cut into {count} segments, each verifier replays one of them")
	});
	ui.result(
		&posted,
		format!(
			"job {id} posted in block {}; {} in escrow, {} deposit{cut}",
			included.block.number,
			node.money(escrow),
			node.money(deposit)
		),
	);
	if !args.wait {
		ui.note(format!("follow it with `assay job watch {id}`"));
		return Ok(0);
	}
	let ended = follow::watch(&mut node, ui, id, &mut |line| ui.document(line)).await?;
	if let (Some(dir), 0) = (&args.output_dir, follow::exit_code(&ended)) {
		let path = report::fetch_outputs(context, &node, &ended, &loaded, dir).await?;
		ui.result(
			&json!({"event": "outputs", "job": id, "file": path}),
			format!("outputs in {}", path.display()),
		);
	}
	Ok(follow::exit_code(&ended))
}

/// `assay job inputs`: everything of a post but the transaction.
pub async fn prepare(context: &Context, args: JobInputs) -> Result<u8> {
	let node = context.node().await?;
	let loaded = context.program(&args.program, &node).await?;
	let inputs = inputs(&loaded, &args)?;
	let roots = upload(&node, context, &loaded, inputs).await?;
	let names: Vec<_> = loaded.inputs().into_iter().map(|w| w.name).collect();
	let rows: Vec<_> = names.iter().zip(&roots).collect();
	context.ui.document(&json!({
		"program": hex(loaded.id),
		"inputs": rows
			.iter()
			.map(|(name, root)| json!({ "name": name, "root": hex(root) }))
			.collect::<Vec<_>>(),
	}));
	context.ui.line(format!("program  {}", hex(loaded.id)));
	for (name, root) in rows {
		context.ui.line(format!("{}  {name}", hex(root)));
	}
	Ok(0)
}

/// Refuses what no worker runs.
fn ensure_steps(steps: u32) -> Result<()> {
	match steps > MAX_STEPS {
		true => {
			Err(Error::new("too-many-steps", format!("{steps} steps are more than {MAX_STEPS}"))
				.fix("post several jobs, each from the states of the one before"))
		}
		false => Ok(()),
	}
}

/// Refuses segments that the chain would refuse, and says which lengths it takes.
fn ensure_cut(steps: u32, length: u32) -> Result<()> {
	if Segmentation::new(steps, length).is_some() {
		return Ok(());
	}
	let fitting: Vec<_> = (1..32)
		.map(|exponent| 1u32 << exponent)
		.filter(|length| Segmentation::new(steps, *length).is_some())
		.collect();
	let fix = match (fitting.first(), fitting.last()) {
		(Some(least), Some(most)) => {
			format!("give a power of two from {least} to {most} for {steps} steps")
		}
		_ => "leave it out: a run is cut into at least two segments of two steps or more".into(),
	};
	Err(Error::new(
		"bad-segments",
		format!("{steps} steps cannot be cut into segments of {length}"),
	)
	.fix(fix))
}

/// Refuses a post whose price the chain would refuse, or whose requester cannot pay for all that is
/// held, before anything is registered or uploaded.
async fn ensure_affordable(
	node: &Node,
	who: &Hash,
	loaded: &Loaded,
	args: &PostArgs,
	(price_start, price_max): (u128, u128),
) -> Result<()> {
	let parameters = node.parameters().await?;
	let work = loaded.checked.work_units.saturating_mul(args.steps.into());
	let inputs = loaded.inputs();
	let bytes = inputs.iter().map(|w| w.ty.canonical_len()).fold(0, u64::saturating_add);
	let outputs = loaded.outputs();
	let bytes = outputs.iter().map(|(_, ty)| ty.canonical_len()).fold(bytes, u64::saturating_add);
	let least = parameters.least_price(work, bytes);
	if price_start < least {
		return Err(Error::new(
			"price-too-low",
			format!(
				"the price starts at {}, and {work} work units with {bytes} bytes of inputs and outputs cost at \
				 least {}",
				node.money(price_start),
				node.money(least)
			),
		)
		.fix(format!("give a --price-start of {} or more", node.money(least))));
	}
	let audit = args.audit.map_or(parameters.audit, u128::from);
	let verified = args.segment_steps.unwrap_or(args.steps).min(args.steps);
	let verified = loaded.checked.work_units.saturating_mul(verified.into());
	let escrow = parameters.escrow(price_max, verified, audit, bytes);
	let deposit = node.record_deposit(inputs.len()).await?;
	let free = node.balance(who, None).await?.free;
	// Something has to be left for the fees.
	if free <= escrow.saturating_add(deposit) {
		return Err(Error::new(
			"balance-too-small",
			format!(
				"{} has {} free, and the job takes {} in escrow, a deposit of {} and the fees",
				ss58(who),
				node.money(free),
				node.money(escrow),
				node.money(deposit)
			),
		)
		.fix("lower --price-max, or send the account tokens first"));
	}
	Ok(())
}

/// Start and maximum of the ramp.
fn prices(node: &Node, args: &PostArgs) -> Result<(u128, u128)> {
	let max = node.units(&args.price_max)?;
	let start = match &args.price_start {
		Some(start) => node.units(start)?,
		None => (max / 10).max(1).min(max),
	};
	if start > max {
		return Err(Error::new(
			"ramp-upside-down",
			format!("the price would fall from {} to {}", node.money(start), node.money(max)),
		)
		.fix("give a --price-start that is not above --price-max"));
	}
	if max == 0 {
		return Err(Error::new("bad-argument", "a job that pays nothing is never claimed")
			.fix("give a --price-max above 0"));
	}
	Ok((start, max))
}

/// An input: bytes to upload, or the root of a blob that is said to be there.
enum Given {
	Bytes(Vec<u8>),
	Root(Hash),
}

fn inputs(loaded: &Loaded, args: &JobInputs) -> Result<Vec<Given>> {
	let mut roots = BTreeMap::new();
	for (name, root) in &args.roots {
		let known = loaded.program.inputs.iter().any(|i| i.name == *name);
		if !known || args.inputs.iter().any(|i| i.input == *name) {
			return Err(Error::new(
				if known { "duplicate-input" } else { "unknown-input" },
				format!("--root {name}: the program has no such input, or it is given twice"),
			)
			.fix("`assay program inspect` lists the inputs; give each once"));
		}
		roots.insert(name.as_str(), *root);
	}
	let (by_root, wanted): (Vec<_>, Vec<_>) =
		loaded.inputs().into_iter().partition(|w| roots.contains_key(w.name.as_str()));
	let mut bytes = tensors::collect(&wanted, &args.inputs, &args.weights)?.into_iter();
	let mut roots = by_root.iter().filter_map(|w| roots.get(w.name.as_str())).copied();
	Ok(loaded
		.inputs()
		.iter()
		.filter_map(|w| match by_root.iter().any(|b| b.name == w.name) {
			true => roots.next().map(Given::Root),
			false => bytes.next().map(Given::Bytes),
		})
		.collect())
}

async fn upload(
	node: &Node,
	context: &Context,
	loaded: &Loaded,
	inputs: Vec<Given>,
) -> Result<Vec<Hash>> {
	let mut roots = Vec::new();
	for (wanted, given) in loaded.inputs().iter().zip(inputs) {
		let root = match given {
			Given::Bytes(bytes) => node.blob_put(&bytes, &context.ui, &wanted.name).await?.0,
			Given::Root(root) => {
				let status = node.blob_status(&root).await?;
				if !status.present {
					return Err(Error::new(
						"unknown-blob",
						format!("the node has no blob {} for input `{}`", hex(root), wanted.name),
					)
					.fix("upload it with `assay blob put`, or pass the file with --input"));
				}
				let expected = wanted.ty.canonical_len();
				if status.len != expected {
					return Err(Error::new(
						"wrong-shape",
						format!(
							"blob {} has {} bytes, input `{}` ({}) has {expected}",
							hex(root),
							status.len,
							wanted.name,
							tensors::describe(&wanted.ty)
						),
					)
					.fix("pass the root of this input's canonical bytes"));
				}
				root
			}
		};
		roots.push(root);
	}
	Ok(roots)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn steps_should_be_refused_when_no_worker_runs_so_many() {
		assert!(ensure_steps(MAX_STEPS).is_ok());
		let error = ensure_steps(MAX_STEPS + 1).unwrap_err();
		assert_eq!(error.code, "too-many-steps");
		assert!(error.fix.is_some_and(|fix| fix.contains("several jobs")));
	}

	#[test]
	fn segments_should_be_refused_with_the_lengths_that_fit() {
		assert!(ensure_cut(100, 16).is_ok());
		let error = ensure_cut(1000, 2).unwrap_err();
		assert_eq!(error.code, "bad-segments");
		assert!(error.to_string().contains("1000 steps"), "{error}");
		assert_eq!(error.fix.as_deref(), Some("give a power of two from 4 to 512 for 1000 steps"));
		assert!(ensure_cut(100, 12).is_err() && ensure_cut(2, 2).is_err());
	}

	#[test]
	fn percentage_should_be_refused_when_out_of_range() {
		for text in ["0", "101", "x", "-1", ""] {
			assert_eq!(parse_percent(text).unwrap_err().code, "bad-percent", "{text}");
		}
		assert_eq!(parse_percent("100%").unwrap(), 1_000_000);
	}
}
