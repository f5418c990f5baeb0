//! Frames against garbage, truncation and excess, on both kinds of stream.

use assay_worker_protocol::*;
use codec::Encode;
use proptest::prelude::*;
use std::{
	io::{Cursor, Read, Write},
	os::unix::net::UnixStream,
	thread,
};

fn runtime() -> tokio::runtime::Runtime {
	tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Receives the same bytes in both ways and compares.
fn receive<T: codec::DecodeAll + PartialEq + std::fmt::Debug>(
	bytes: &[u8],
) -> Result<T, FrameError> {
	let blocking = blocking::receive::<T>(&mut Cursor::new(bytes));
	let other = runtime().block_on(nonblocking::receive::<T>(&mut Cursor::new(bytes)));
	assert_eq!(format!("{blocking:?}"), format!("{other:?}"));
	blocking
}

/// Greets a peer that says only `bytes`, in both ways.
fn greet(bytes: &[u8]) -> FrameError {
	let (mut ours, mut theirs) = UnixStream::pair().unwrap();
	theirs.write_all(bytes).unwrap();
	theirs.shutdown(std::net::Shutdown::Write).unwrap();
	let blocking = blocking::handshake(&mut ours).unwrap_err();
	let other = runtime().block_on(async {
		let (mut ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
		tokio::io::AsyncWriteExt::write_all(&mut theirs, bytes).await.unwrap();
		tokio::io::AsyncWriteExt::shutdown(&mut theirs).await.unwrap();
		nonblocking::handshake(&mut ours).await.unwrap_err()
	});
	assert_eq!(format!("{blocking:?}"), format!("{other:?}"));
	blocking
}

fn run() -> Request {
	Request::Run(Run {
		job: 7,
		program: (0..=255).collect(),
		inputs: vec![
			InputFile { root: [1; 32], path: "in-0".into() },
			InputFile { root: [2; 32], path: "/store/äöü".into() },
		],
		start: Some(vec![InputFile { root: [3; 32], path: "state".into() }]),
		steps: 3,
		adapter: Some("cpu".into()),
		audit_tiles: 4,
		keep: vec![Source::State(1), Source::Node(70_000)],
		record: Record { checkpoint_every: 4, anchors: true, trees: vec![3, 70_000] },
	})
}

fn file(root: u8) -> OutputFile {
	OutputFile { root: [root; 32], name: format!("out-{root}"), len: 1024 }
}

fn replies() -> Vec<Reply> {
	let local = LocalFault { kind: LocalFaultKind::Device, text: "lost".into() };
	vec![
		Reply::Progress(Progress { stage: Stage::Running, done: 3, total: 9 }),
		Reply::Done(Done {
			run_root: [3; 32],
			trace_roots: vec![[4; 32]; 5],
			last_anchors: vec![[5; 32]; 6],
			last_lazy: vec![[9; 32]; 2],
			outputs: vec![file(6)],
			kept: vec![
				KeptFile { source: Source::State(1), file: file(7) },
				KeptFile { source: Source::Node(70_000), file: file(6) },
			],
			recorded: Recorded { manifest: Some(file(8)), anchors: None, trees: Some(file(9)) },
			device: "CPU".into(),
			milliseconds: 12,
			audited_tiles: 8,
			audit_seed: 9,
		}),
		Reply::JobFault(JobFault::InputLength { index: 1, expected: 1024, found: 2048 }),
		Reply::LocalFault(local),
	]
}

#[test]
fn every_message_should_survive_the_way() {
	let request = run();
	assert_eq!(receive::<Request>(&encode(&request).unwrap()).unwrap(), request);
	for reply in replies() {
		assert_eq!(receive::<Reply>(&encode(&reply).unwrap()).unwrap(), reply);
	}
	// Several frames in a row, from one side blocking to the other side asynchronous and back.
	runtime().block_on(async {
		let (std, tokio) = UnixStream::pair().unwrap();
		tokio.set_nonblocking(true).unwrap();
		let mut tokio = tokio::net::UnixStream::from_std(tokio).unwrap();
		let worker = thread::spawn(move || {
			let mut std = std;
			blocking::handshake(&mut std).unwrap();
			assert_eq!(blocking::receive::<Request>(&mut std).unwrap(), run());
			replies().iter().for_each(|reply| blocking::send(&mut std, reply).unwrap());
		});
		assert_eq!(nonblocking::handshake(&mut tokio).await.unwrap(), Hello::ours());
		nonblocking::send(&mut tokio, &run()).await.unwrap();
		for reply in replies() {
			assert_eq!(nonblocking::receive::<Reply>(&mut tokio).await.unwrap(), reply);
		}
		let end = nonblocking::receive::<Reply>(&mut tokio).await;
		assert!(matches!(end, Err(FrameError::Closed)));
		worker.join().unwrap();
	});
}

#[test]
fn frame_should_be_truncated_when_cut_anywhere() {
	for frame in [encode(&run()).unwrap(), encode(&replies()[1]).unwrap()] {
		assert!(matches!(receive::<Reply>(&[]), Err(FrameError::Closed)));
		for cut in 1..frame.len() {
			let received = receive::<Request>(&frame[..cut]);
			assert!(matches!(received, Err(FrameError::Truncated)), "{cut}: {received:?}");
		}
	}
}

#[test]
fn message_should_be_malformed_when_its_bytes_are_cut_or_followed_by_more() {
	let message = run().encode();
	for len in (0..message.len()).chain([message.len() + 1]) {
		let mut bytes = message.clone();
		bytes.resize(len, 0);
		let mut frame = (len as u32).to_le_bytes().to_vec();
		frame.extend(&bytes);
		match (len, receive::<Request>(&frame)) {
			(0, Err(FrameError::Length { len: 0, .. })) => {}
			(1.., Err(FrameError::Malformed(_))) => {}
			(_, other) => panic!("{len}: {other:?}"),
		}
	}
}

#[test]
fn oversized_frame_should_be_refused_by_its_length_alone() {
	for len in [MAX_FRAME + 1, u32::MAX] {
		// A reader that would fail if anything behind the length were read.
		struct Fails;
		impl Read for Fails {
			fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
				panic!("read beyond the length")
			}
		}
		let head = len.to_le_bytes();
		let received = blocking::receive::<Reply>(&mut head.chain(Fails));
		assert!(matches!(received, Err(FrameError::Length { limit: MAX_FRAME, .. })));
		assert!(matches!(receive::<Reply>(&head), Err(FrameError::Length { .. })));
	}
	let fault = LocalFault { kind: LocalFaultKind::Internal, text: "x".repeat(MAX_FRAME as usize) };
	let sent = blocking::send(&mut Vec::new(), &Reply::LocalFault(fault));
	assert!(matches!(sent, Err(FrameError::Length { .. })));
}

#[test]
fn largest_result_should_fit_a_frame() {
	let Reply::Done(done) = replies().remove(1) else { panic!() };
	let done = Done {
		trace_roots: vec![[1; 32]; MAX_STEPS as usize],
		// Both together are nodes of the program.
		last_anchors: vec![[1; 32]; 2048],
		last_lazy: vec![[1; 32]; 2048],
		// As long as real names are.
		kept: (0..4096)
			.map(|node| KeptFile {
				source: Source::Node(node),
				file: OutputFile { name: "x".repeat(68), ..file(1) },
			})
			.collect(),
		..done
	};
	encode(&Reply::Done(done)).unwrap();
}

#[test]
fn claimed_counts_should_not_allocate_more_than_a_frame_can_hold() {
	// A result that announces 2^30 - 1 trace roots and brings none.
	let mut bytes = vec![1];
	bytes.extend([0; 32]);
	bytes.extend(codec::Compact((1u32 << 30) - 1).encode());
	let mut frame = (bytes.len() as u32).to_le_bytes().to_vec();
	frame.extend(bytes);
	assert!(matches!(receive::<Reply>(&frame), Err(FrameError::Malformed(_))));
}

#[test]
fn peer_should_be_refused_when_of_another_version_or_kind() {
	let hello = Hello::ours();
	let frame = |hello: &Hello| encode(hello).unwrap();
	let newer = Hello { protocol: PROTOCOL_VERSION + 1, ..hello.clone() };
	match greet(&frame(&newer)) {
		FrameError::Version { protocol, .. } => assert_eq!(protocol, PROTOCOL_VERSION + 1),
		other => panic!("{other:?}"),
	}
	let other = Hello { package: "0.0.0".into(), ..hello.clone() };
	match greet(&frame(&other)) {
		FrameError::Version { package, .. } => assert_eq!(package, "0.0.0"),
		other => panic!("{other:?}"),
	}
	let stranger = Hello { magic: *b"HTTP/1.1", ..hello.clone() };
	assert!(matches!(greet(&frame(&stranger)), FrameError::Malformed(_)));
	let long = Hello { package: "x".repeat(200), ..hello };
	assert!(matches!(greet(&frame(&long)), FrameError::Length { limit: MAX_HELLO, .. }));
	assert!(matches!(greet(b"GET / HTTP/1.1\r\n"), FrameError::Length { .. }));
	assert!(matches!(greet(&frame(&Hello::ours())[..9]), FrameError::Truncated));
	assert!(matches!(greet(&[]), FrameError::Closed));
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

	#[test]
	fn garbage_should_be_an_error_or_a_message_but_never_a_panic(
		bytes in prop::collection::vec(any::<u8>(), 0..300), framed: bool,
	) {
		let mut frame = if framed { (bytes.len() as u32).to_le_bytes().to_vec() } else { vec![] };
		frame.extend(&bytes);
		let _ = receive::<Request>(&frame);
		if let Ok(reply) = receive::<Reply>(&frame) {
			prop_assert_eq!(encode(&reply).unwrap().len(), frame.len().min(bytes.len() + 4));
		}
		let _ = check_hello(&bytes);
	}
}
