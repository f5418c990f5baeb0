//! `assay`: one command-line program for requesters, providers and auditors.

fn main() -> std::process::ExitCode {
	assay_client::main(std::env::args_os())
}
