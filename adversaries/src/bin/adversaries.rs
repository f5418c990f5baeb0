//! `make adversaries`: every attack against the real runtime, as a table.

use assay_adversaries::{
	attack::{table, Line},
	attacks,
};
use clap::Parser;
use std::process::ExitCode;

/// Runs attacks on the market against the real runtime, and exits with 1 if one does not end as it
/// must.
#[derive(Parser)]
#[command(name = "adversaries")]
struct Options {
	/// Run the attacks whose name contains this.
	#[arg(long, value_name = "NAME")]
	only: Option<String>,
	/// Print the lines as JSON.
	#[arg(long)]
	json: bool,
	/// Print the names and what each attacker does, and run nothing.
	#[arg(long)]
	list: bool,
}

fn main() -> ExitCode {
	let options = Options::parse();
	let all = attacks::all();
	let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
	let chosen: Vec<_> = all.into_iter().filter(|attack| wanted(attack.name)).collect();
	if chosen.is_empty() {
		eprintln!("no attack has such a name; see --list");
		return ExitCode::FAILURE;
	}
	if options.list {
		for attack in chosen {
			println!("{}: {}", attack.name, attack.what);
		}
		return ExitCode::SUCCESS;
	}
	// What panics is caught and told in the table.
	std::panic::set_hook(Box::new(|_| {}));
	let lines: Vec<Line> = chosen
		.iter()
		.map(|attack| {
			let line = attack.line();
			if !options.json {
				eprintln!("{} {}", if line.passed { "✓" } else { "✗" }, attack.name);
			}
			line
		})
		.collect();
	if options.json {
		let text = serde_json::to_string_pretty(&lines).expect("lines are plain data; qed");
		println!("{text}");
	} else {
		println!("{}", table(&lines));
		let slow = ["wrong-tile-first-anchor", "wrong-tile-of-a-big-tensor", "never-answers"];
		if let [Some(inference), Some(big), Some(silent)] =
			slow.map(|name| lines.iter().find(|line| line.attack == name).and_then(|l| l.blocks))
		{
			println!(
				"from a wrong reveal to the slash: {inference} blocks for an inference, {big} where the wrong \
				 tensor has more than 256 tiles, {silent} when the provider never answers"
			);
		}
		let failed = lines.iter().filter(|line| !line.passed).count();
		println!("{} attacks, {failed} not as expected", lines.len());
	}
	if lines.iter().all(|line| line.passed) {
		ExitCode::SUCCESS
	} else {
		ExitCode::FAILURE
	}
}
