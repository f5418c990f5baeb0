//! A worker that attacks its machine where the real one runs the job; for the tests of the sandbox.
//!
//! Everything before that is the shipped worker's: [`assay_worker::serve`]. So an attack is made
//! from where a program would make it that has taken the process over. The job's `adapter` says
//! which one, as `name` or `name:argument`. Attacks that are refused, and those that are not, say
//! so in the answer's text.

use assay_worker::{fault::Fault, job::Limits, link::Link, memory, serve, RunArgs};
use assay_worker_protocol::{Done, LocalFaultKind, Run};
use clap::Parser;
use nix::{errno::Errno, libc};
use std::{
	fs::{self, OpenOptions},
	hint::black_box,
	io::{self, Write},
	net::{TcpStream, UdpSocket},
	os::unix::{
		fs::{symlink, OpenOptionsExt},
		net::{UnixDatagram, UnixStream},
	},
	path::Path,
	process::{Command, ExitCode},
	ptr, thread,
	time::Duration,
};

#[derive(Parser)]
struct Cli {
	#[command(flatten)]
	run: RunArgs,
}

#[global_allocator]
static ALLOCATOR: memory::Named = memory::Named;

fn main() -> ExitCode {
	match serve(&Cli::parse().run, attack) {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("hostile-worker: {error:#}");
			ExitCode::FAILURE
		}
	}
}

fn attack(run: &Run, dir: &Path, _: &Limits, _: &Link) -> Result<Done, Fault> {
	let attack = run.adapter.as_deref().unwrap_or_default();
	let (name, argument) = attack.split_once(':').unwrap_or((attack, ""));
	let text = match attempt(name, argument, dir) {
		Ok(()) => "it worked".into(),
		Err(error) => match error.raw_os_error() {
			Some(number) => format!("refused: {:?}", Errno::from_raw(number)),
			None => format!("failed: {error}"),
		},
	};
	Err(Fault::local(LocalFaultKind::Device, text))
}

fn checked(outcome: impl Into<i64>) -> io::Result<()> {
	match outcome.into() {
		-1 => Err(io::Error::last_os_error()),
		_ => Ok(()),
	}
}

fn attempt(name: &str, argument: &str, dir: &Path) -> io::Result<()> {
	// SAFETY: numbers only, in all calls of this function that have no comment of their own.
	let host = unsafe { libc::getppid() };
	match name {
		"read" => fs::read(argument).map(drop),
		"list" => fs::read_dir(argument).map(drop),
		"read-memory-of-host" => fs::read(format!("/proc/{host}/mem")).map(drop),
		"read-environment-of-host" => fs::read(format!("/proc/{host}/environ")).map(drop),
		"write" => fs::write(argument, b"overwritten"),
		"append" => OpenOptions::new().append(true).open(argument)?.write_all(b"more"),
		"remove" => fs::remove_file(argument),
		"rename-into-folder" => fs::rename(argument, dir.join("stolen")),
		"link-into-folder" => fs::hard_link(argument, dir.join("stolen")),
		"symbolic-link-in-folder" => symlink(argument, dir.join("link")),
		"truncate" => {
			let path = std::ffi::CString::new(argument).expect("a path of a test");
			// SAFETY: a string that ends in zero.
			checked(unsafe { libc::truncate(path.as_ptr(), 0) })
		}
		"truncate-by-reading" => {
			let mut options = OpenOptions::new();
			options.read(true).custom_flags(libc::O_TRUNC).open(argument).map(drop)
		}
		"change-mode" => {
			use std::os::unix::fs::PermissionsExt;
			fs::set_permissions(argument, fs::Permissions::from_mode(0o777))
		}
		"fill-disk" => {
			let mut file = fs::File::create(dir.join("large"))?;
			let block = vec![1; 1 << 20];
			(0..1 << 14).try_for_each(|_| file.write_all(&block))
		}
		"tcp" => TcpStream::connect(argument).map(drop),
		"udp" => UdpSocket::bind("0.0.0.0:0").map(drop),
		"unix" => UnixStream::connect(argument).map(drop),
		"datagram" => UnixDatagram::unbound().map(drop),
		"netlink" => checked(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0) }),
		"raw" => checked(unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW, 1) }),
		"fork-bomb" => (0..10_000).try_for_each(|_| {
			// SAFETY: the child ends at once.
			match unsafe { libc::fork() } {
				0 => assay_worker::end(0),
				child => checked(child),
			}
		}),
		"clone-with-namespace" => {
			let flags = libc::CLONE_THREAD | libc::CLONE_NEWNET;
			checked(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })
		}
		"run-program" => Command::new("/bin/true").status().map(drop),
		"become-program" => {
			use std::os::unix::process::CommandExt;
			Err(Command::new("/bin/true").exec())
		}
		"kill-host" => checked(unsafe { libc::kill(host, libc::SIGKILL) }),
		"kill-group" => checked(unsafe { libc::kill(0, libc::SIGTERM) }),
		"signal-host-by-thread" => {
			checked(unsafe { libc::syscall(libc::SYS_tgkill, host, host, libc::SIGKILL) })
		}
		"signal-host-by-file" => checked(unsafe { libc::fcntl(2, libc::F_SETOWN, host) }),
		"type-on-terminal" => {
			let key = b'x';
			// SAFETY: points to one byte.
			checked(unsafe { libc::ioctl(0, libc::TIOCSTI, &key) })
		}
		"limit-host" => {
			let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
			// SAFETY: points to one such structure, and nothing is asked for.
			checked(unsafe { libc::prlimit(host, libc::RLIMIT_NOFILE, &limit, ptr::null_mut()) })
		}
		"slow-host-down" => {
			checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, host as _, 19) })
		}
		"call" => {
			let number: libc::c_long = argument.parse().expect("a number");
			checked(unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) })
		}
		"catch-the-alarm" => {
			let ignore = nix::sys::signal::SigHandler::SigIgn;
			// SAFETY: no handler is installed.
			unsafe { nix::sys::signal::signal(nix::sys::signal::SIGSYS, ignore) }?;
			checked(unsafe { libc::ptrace(libc::PTRACE_ATTACH, host, 0, 0) })
		}
		"block-the-alarm" => {
			nix::sys::signal::SigSet::all().thread_block()?;
			checked(unsafe { libc::ptrace(libc::PTRACE_ATTACH, host, 0, 0) })
		}
		#[cfg(target_arch = "x86_64")]
		"call-as-32-bit" => {
			let mut number = 20u32;
			// SAFETY: `getpid` of 32-bit programs, without arguments.
			unsafe { std::arch::asm!("int 0x80", inout("eax") number) };
			Err(io::Error::other(format!("answered {number}")))
		}
		"thread-bomb" => {
			let mut threads = Vec::new();
			loop {
				let forever = || loop {
					thread::park()
				};
				threads.push(thread::Builder::new().stack_size(1 << 16).spawn(forever)?);
			}
		}
		"memory-heap" => {
			let mut all = Vec::new();
			loop {
				all.push(black_box(vec![1u8; 1 << 20]));
			}
		}
		"memory-at-once" => {
			black_box(vec![1u8; 1 << 40]);
			Ok(())
		}
		"memory-shared" => shared_memory(),
		"spin" => loop {
			black_box(0);
		},
		"hang" => loop {
			thread::sleep(Duration::from_secs(3600));
		},
		"hang-device" => hang_device(),
		other => panic!("there is no attack {other:?}"),
	}
}

/// Memory that is no private data, 16 MiB at a time, every page written to.
fn shared_memory() -> io::Result<()> {
	let len = 16 << 20;
	loop {
		let protection = libc::PROT_READ | libc::PROT_WRITE;
		let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
		// SAFETY: new memory, wherever there is room.
		let new = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
		if new == libc::MAP_FAILED {
			return Err(io::Error::last_os_error());
		}
		for page in (0..len).step_by(4096) {
			// SAFETY: within what was mapped above, and known to nobody else.
			unsafe { new.cast::<u8>().add(page).write_volatile(1) };
		}
	}
}

/// A software device ends a loop after some ten thousand rounds, so that it takes many of them
/// besides.
const ENDLESS: &str = "
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
	var x = data[id.x & 4095u];
	for (var round = 0u; round < 4000000000u; round++) {
		x = x * 1664525u + data[x & 4095u] + round;
	}
	data[id.x & 4095u] = x;
}";

/// Has the first device compute for years, and waits for it.
fn hang_device() -> io::Result<()> {
	let failed = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
	let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
	descriptor.backends = wgpu::Backends::VULKAN;
	let instance = wgpu::Instance::new(descriptor);
	let options = wgpu::RequestAdapterOptions::default();
	let adapter =
		pollster::block_on(instance.request_adapter(&options)).map_err(|error| failed(&error))?;
	let (device, queue) = pollster::block_on(adapter.request_device(&Default::default()))
		.map_err(|error| failed(&error))?;
	let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
		label: None,
		source: wgpu::ShaderSource::Wgsl(ENDLESS.into()),
	});
	let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
		label: None,
		layout: None,
		module: &module,
		entry_point: None,
		compilation_options: Default::default(),
		cache: None,
	});
	let data = device.create_buffer(&wgpu::BufferDescriptor {
		label: None,
		size: 4096 * 4,
		usage: wgpu::BufferUsages::STORAGE,
		mapped_at_creation: false,
	});
	let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
		label: None,
		layout: &pipeline.get_bind_group_layout(0),
		entries: &[wgpu::BindGroupEntry { binding: 0, resource: data.as_entire_binding() }],
	});
	let mut encoder = device.create_command_encoder(&Default::default());
	let mut pass = encoder.begin_compute_pass(&Default::default());
	pass.set_pipeline(&pipeline);
	pass.set_bind_group(0, &bindings, &[]);
	pass.dispatch_workgroups(65535, 65535, 65535);
	drop(pass);
	queue.submit([encoder.finish()]);
	eprintln!("hostile-worker: {} is at work", adapter.get_info().name);
	device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| failed(&error))?;
	Ok(())
}
