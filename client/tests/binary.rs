//! The built binary without a node: help, usage errors, JSON errors, exit codes.

use serde_json::Value;
use std::process::{Command, Output};

fn assay(args: &[&str]) -> Output {
	let dir = std::env::temp_dir();
	Command::new(env!("CARGO_BIN_EXE_assay"))
		.args(args)
		.env_clear()
		.env("HOME", dir)
		.output()
		.expect("the binary is built before its tests")
}

fn text(bytes: &[u8]) -> String {
	String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

/// A port on which nobody listens.
fn closed() -> String {
	let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
	format!("ws://{}", socket.local_addr().expect("it is bound"))
}

fn error(args: &[&str]) -> (Value, Option<i32>) {
	let output = assay(args);
	let stdout = text(&output.stdout);
	let document: Value = serde_json::from_str(&stdout)
		.unwrap_or_else(|e| panic!("{args:?}: {e}: {stdout:?} {}", text(&output.stderr)));
	(document["error"].clone(), output.status.code())
}

#[test]
fn help_should_list_every_command_with_examples_when_asked() {
	let output = assay(&["--help"]);
	assert_eq!(output.status.code(), Some(0));
	let help = text(&output.stdout);
	for word in [
		"program",
		"model",
		"blob",
		"job",
		"provider",
		"verify",
		"challenge",
		"watch",
		"identity",
		"stake",
		"devices",
		"Examples:",
	] {
		assert!(help.contains(word), "{word} is not in:\n{help}");
	}
	for (command, word) in [
		(vec!["job", "--help"], "watch"),
		(vec!["job", "--help"], "disputes"),
		(vec!["job", "post", "--help"], "--weights"),
		(vec!["challenge", "--help"], "Exit codes: 0"),
		(vec!["watch", "--help"], "--max-work"),
		(vec!["watch", "--help"], "Exit codes: 0"),
		(vec!["provider", "run", "--help"], "--min-price"),
		(vec!["identity", "--help"], "rotate"),
		(vec!["stake", "--help"], "unbond"),
	] {
		let output = assay(&command);
		assert_eq!(output.status.code(), Some(0), "{command:?}");
		assert!(text(&output.stdout).contains(word), "{command:?}");
	}
}

#[test]
fn usage_should_be_exit_code_2_when_a_command_is_wrong() {
	let output = assay(&["job", "wach", "1"]);
	assert_eq!(output.status.code(), Some(2));
	assert!(text(&output.stderr).contains("watch"), "the right spelling is suggested");
	let (error, code) = error(&["job", "watch", "one", "--json"]);
	assert_eq!((error["code"].as_str(), code), (Some("usage"), Some(2)));
	assert!(error["message"].as_str().is_some_and(|m| m.contains("one")));
}

#[test]
fn unreachable_node_should_be_named_with_the_fix_when_nobody_listens() {
	let url = closed();
	let (error, code) = error(&["job", "list", "--json", "--url", &url]);
	assert_eq!((error["code"].as_str(), code), (Some("node-unreachable"), Some(1)));
	assert!(error["message"].as_str().is_some_and(|m| m.contains(&url)));
	assert!(error["fix"].as_str().is_some_and(|m| m.contains("--url")));
	let output = assay(&["job", "list", "--url", &url]);
	assert_eq!(output.status.code(), Some(1));
	assert!(output.stdout.is_empty());
	assert!(text(&output.stderr).contains("fix:"));
}

#[test]
fn signing_should_name_the_missing_key_when_none_is_given() {
	let (error, _) = error(&["identity", "deregister", "--json", "--url", &closed()]);
	assert_eq!(error["code"], "no-key");
	let (error, _) = error_of_url("http://127.0.0.1");
	assert_eq!(error["code"], "bad-url");
}

fn error_of_url(url: &str) -> (Value, Option<i32>) {
	error(&["job", "list", "--json", "--url", url])
}

#[test]
fn exposed_key_file_should_be_refused_with_chmod_when_others_can_read_it() {
	use std::os::unix::fs::PermissionsExt;
	let dir = tempfile::tempdir().expect("a folder");
	let path = dir.path().join("key");
	std::fs::write(&path, "//Alice").expect("written");
	std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
	let key = path.to_str().expect("UTF-8");
	let (error, _) = error(&["identity", "deregister", "--json", "--key", key]);
	assert_eq!(error["code"], "key-file-exposed");
	assert_eq!(error["fix"], format!("chmod 600 {key}"));
}

#[test]
fn program_should_be_refused_by_name_when_its_bytes_are_wrong() {
	let dir = tempfile::tempdir().expect("a folder");
	let path = dir.path().join("bad.program");
	let place = path.to_str().expect("UTF-8");
	let (error_, _) = error(&["program", "inspect", place, "--json"]);
	assert_eq!(error_["code"], "file");
	for bytes in [&b""[..], b"ASSAYP", b"not a program at all"] {
		std::fs::write(&path, bytes).expect("written");
		let (error, code) = error(&["program", "inspect", place, "--json"]);
		assert_eq!((error["code"].as_str(), code), (Some("bad-program"), Some(1)));
		assert!(error["message"].as_str().is_some_and(|m| m.contains(place)));
	}
}

#[test]
fn devices_should_list_the_cpu_when_there_is_no_adapter() {
	let output = assay(&["devices", "--adapter", "cpu", "--json"]);
	assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
	let document: Value = serde_json::from_str(&text(&output.stdout)).expect("JSON");
	let devices = document["devices"].as_array().expect("a list");
	assert_eq!(devices.len(), 1);
	assert_eq!(devices[0]["kind"], "cpu");
	assert!(devices[0]["workUnitsPerSecond"].as_f64().is_some_and(|rate| rate > 0.0));
}

/// A listener that takes connections and never says a word.
struct Silent(std::net::TcpListener);

impl Silent {
	fn new() -> Self {
		Self(std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free"))
	}

	fn url(&self) -> String {
		format!("ws://{}", self.0.local_addr().expect("it is bound"))
	}
}

#[test]
fn provider_and_watcher_should_stop_at_once_when_told_to_while_they_wait_for_a_node() {
	let dir = tempfile::tempdir().expect("a folder");
	let provider = &["provider", "run"][..];
	for (command, signal) in [(provider, "-TERM"), (provider, "-INT"), (&["watch"], "-TERM")] {
		let silent = Silent::new();
		let mut child = Command::new(env!("CARGO_BIN_EXE_assay"))
			.args(command)
			.args(["--json", "--key", "//Charlie", "--url", &silent.url()])
			.args(["--adapter", "cpu", "--state-dir"])
			.arg(dir.path())
			.env_clear()
			.stdout(std::process::Stdio::piped())
			.spawn()
			.expect("the binary is built before its tests");
		// It listens to signals before it connects, and waits for the node's first word from then
		// on.
		let connection = silent.0.accept().expect("the provider connects");
		let start = std::time::Instant::now();
		let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
		assert!(kill.expect("there is a kill command").success());
		let limit = std::time::Duration::from_secs(3);
		let status = loop {
			match child.try_wait().expect("the child is ours") {
				Some(status) => break status,
				None if start.elapsed() > limit => {
					child.kill().expect("the child is ours");
					panic!("{signal}: it still runs after {limit:?}");
				}
				None => std::thread::sleep(std::time::Duration::from_millis(10)),
			}
		};
		drop(connection);
		assert_eq!(status.code(), Some(0), "{signal}");
		let output = child.wait_with_output().expect("its output is piped");
		let document: Value = serde_json::from_str(&text(&output.stdout)).expect("one line");
		assert_eq!(document["event"], "stopped", "{signal}");
	}
}

#[test]
fn challenge_should_ask_for_a_key_before_it_connects_unless_it_only_compares() {
	let (refused, code) = error(&["challenge", "7", "--json", "--url", &closed()]);
	assert_eq!((refused["code"].as_str(), code), (Some("no-key"), Some(1)));
	let (refused, code) = error(&["challenge", "7", "--dry-run", "--json", "--url", &closed()]);
	assert_eq!((refused["code"].as_str(), code), (Some("node-unreachable"), Some(1)));
}
