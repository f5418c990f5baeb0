//! System calls: seccomp.
//!
//! What is in no list below does not exist for the process (`ENOSYS`), so that calls of kernels to
//! come are closed too, and libraries take their older way; `clone3`, whose flags a filter cannot
//! see, is one of them. [`ALLOWED`] is what computing, threads, files and device drivers take: of
//! what containers allow by default, in which drivers of every maker are known to work, the part
//! that concerns only this process and its files.
//!
//! What is forbidden is answered in two ways. [`refused`] calls fail with `EPERM`: honest libraries
//! try them, such as drivers that look for a display or a helper program, and go on without.
//! [`FORBIDDEN`] calls end the process with a fault that names them, because nothing in a job's way
//! makes them, so that someone else does. Calls by way of another processor architecture (32-bit
//! ones on x86) end it without a word.

use nix::libc::*;
use seccompiler::{
	apply_filter_all_threads, BackendError, BpfProgram, SeccompAction,
	SeccompCmpArgLen::Dword,
	SeccompCmpOp::{self, Eq, MaskedEq, Ne},
	SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::{collections::BTreeMap, mem, process, ptr};

/// Calls that the process keeps, some of them only with arguments that [`refused`] does not name.
#[rustfmt::skip]
const ALLOWED: &[c_long] = &[
	// Memory.
	SYS_brk, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_msync, SYS_mincore,
	SYS_mlock, SYS_mlock2, SYS_mlockall, SYS_munlock, SYS_munlockall, SYS_memfd_create,
	SYS_pkey_alloc, SYS_pkey_free, SYS_pkey_mprotect, SYS_get_mempolicy, SYS_set_mempolicy,
	SYS_mbind, SYS_membarrier, SYS_mseal,
	// Threads.
	SYS_clone, SYS_exit, SYS_exit_group, SYS_set_tid_address, SYS_set_robust_list,
	SYS_get_robust_list, SYS_rseq, SYS_futex, SYS_futex_waitv, SYS_sched_yield, SYS_getcpu,
	SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_sched_getparam, SYS_sched_getscheduler,
	SYS_sched_getattr, SYS_sched_get_priority_max, SYS_sched_get_priority_min,
	SYS_sched_rr_get_interval, SYS_restart_syscall, SYS_wait4, SYS_waitid,
	// Time.
	SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday,
	SYS_times, SYS_getitimer, SYS_setitimer, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime,
	SYS_timer_getoverrun, SYS_timer_delete, SYS_timerfd_create, SYS_timerfd_settime,
	SYS_timerfd_gettime,
	// Signals to itself.
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigsuspend,
	SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_signalfd4, SYS_kill, SYS_tgkill,
	// Files and devices. Which ones is Landlock's part.
	SYS_openat, SYS_close, SYS_close_range, SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64,
	SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_lseek, SYS_fstat,
	SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_faccessat, SYS_faccessat2,
	SYS_readlinkat, SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_mkdirat, SYS_unlinkat,
	SYS_renameat2, SYS_ftruncate, SYS_fallocate, SYS_fadvise64, SYS_readahead, SYS_fsync,
	SYS_fdatasync, SYS_flock, SYS_fcntl, SYS_dup, SYS_dup3, SYS_ioctl, SYS_sendfile,
	SYS_copy_file_range, SYS_umask,
	// Waiting.
	SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2,
	SYS_eventfd2, SYS_pipe2,
	// The connection that is there.
	SYS_recvfrom, SYS_sendto, SYS_shutdown, SYS_getsockopt, SYS_getsockname, SYS_getpeername,
	// What it is and where it runs.
	SYS_getpid, SYS_gettid, SYS_getppid, SYS_getpgid, SYS_getsid, SYS_getuid, SYS_geteuid,
	SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups, SYS_getpriority,
	SYS_getrusage, SYS_prlimit64, SYS_capget, SYS_prctl, SYS_uname, SYS_sysinfo, SYS_getrandom,
];

/// Older ways to say the same, which younger architectures do not have.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const ALLOWED_HERE: &[c_long] = &[
	SYS_arch_prctl, SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_readlink,
	SYS_getdents, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_renameat, SYS_dup2, SYS_pipe,
	SYS_poll, SYS_select, SYS_epoll_create, SYS_epoll_wait, SYS_eventfd, SYS_getpgrp, SYS_getrlimit,
	SYS_setrlimit, SYS_alarm, SYS_pause, SYS_time, SYS_sync_file_range,
];
/// `renameat`, which the C library uses and the crate `libc` does not name.
#[cfg(target_arch = "aarch64")]
const ALLOWED_HERE: &[c_long] = &[38];

/// Calls that fail whatever their arguments are.
#[rustfmt::skip]
const REFUSED: &[c_long] = &[
	// Connections, and files that come by one.
	SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4,
	SYS_setsockopt, SYS_sendmsg, SYS_sendmmsg, SYS_recvmsg, SYS_recvmmsg,
	// Programs.
	SYS_execve, SYS_execveat,
	// What Landlock does not watch: attributes, and files by a length alone. And links, which
	// mislead the host.
	SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_utimensat, SYS_setxattr, SYS_lsetxattr,
	SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr, SYS_truncate, SYS_linkat,
	SYS_symlinkat, SYS_mknodat, SYS_inotify_init1, SYS_inotify_add_watch, SYS_fanotify_init,
	SYS_name_to_handle_at, SYS_sync, SYS_syncfs,
	// Other processes: their files, memory, signals, order. The node is of the same user.
	SYS_kcmp, SYS_pidfd_open, SYS_pidfd_getfd, SYS_pidfd_send_signal, SYS_process_vm_readv,
	SYS_process_madvise, SYS_process_mrelease, SYS_tkill, SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo, SYS_setpriority, SYS_ioprio_set, SYS_sched_setparam,
	SYS_sched_setscheduler, SYS_sched_setattr, SYS_migrate_pages, SYS_move_pages, SYS_setpgid,
	SYS_setsid, SYS_shmget, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_semget, SYS_semop, SYS_semctl,
	SYS_semtimedop, SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink,
	// Who it is.
	SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setgroups,
	SYS_setfsuid, SYS_setfsgid, SYS_capset, SYS_personality,
	// Large parts of the kernel that have been broken into before and that no engine needs.
	SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_userfaultfd,
	SYS_perf_event_open, SYS_syslog,
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const REFUSED_HERE: &[c_long] = &[
	SYS_fork, SYS_vfork, SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
	SYS_link, SYS_symlink, SYS_mknod, SYS_inotify_init, SYS_fchmodat2,
];
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[c_long] = &[];

macro_rules! named {
	($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}

/// Names (with the prefix `SYS_`) and numbers of the calls that end the process.
#[rustfmt::skip]
pub const FORBIDDEN: &[(&str, c_long)] = named![
	// Into other processes, and out of the namespaces.
	SYS_ptrace, SYS_process_vm_writev, SYS_setns, SYS_unshare, SYS_chroot, SYS_pivot_root,
	SYS_open_by_handle_at,
	// The tree of files.
	SYS_mount, SYS_umount2, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount,
	SYS_fspick, SYS_mount_setattr, SYS_quotactl, SYS_quotactl_fd, SYS_swapon, SYS_swapoff, SYS_acct,
	// Code in the kernel, and its keys.
	SYS_bpf, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load,
	SYS_kexec_file_load, SYS_add_key, SYS_request_key, SYS_keyctl,
	// The machine.
	SYS_reboot, SYS_settimeofday, SYS_clock_settime, SYS_sethostname, SYS_setdomainname,
	SYS_vhangup,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// One argument: 32 bits, as the kernel takes all that are looked at here.
fn argument(
	index: u8,
	operator: SeccompCmpOp,
	value: u64,
) -> Result<SeccompCondition, BackendError> {
	SeccompCondition::new(index, Dword, operator, value)
}

/// What fails with `EPERM`.
fn refused() -> Result<Rules, BackendError> {
	let own = u64::from(process::id());
	let rule = |conditions| SeccompRule::new(conditions);
	let is = |index, value| rule(vec![argument(index, Eq, value)?]);
	// Truncating without writing: Landlock sees it from its third version on.
	let truncating = |index| {
		let bits = (O_ACCMODE | O_TRUNC) as u64;
		rule(vec![argument(index, MaskedEq(bits), O_TRUNC as u64)?])
	};
	let namespaces = CLONE_NEWNS
		| CLONE_NEWCGROUP
		| CLONE_NEWUTS
		| CLONE_NEWIPC
		| CLONE_NEWUSER
		| CLONE_NEWPID
		| CLONE_NEWNET;
	let mut clone = vec![rule(vec![argument(0, MaskedEq(CLONE_THREAD as u64), 0)?])?];
	for bit in (0..32).map(|bit| 1u64 << bit).filter(|bit| u64::from(namespaces as u32) & bit != 0)
	{
		clone.push(rule(vec![argument(0, MaskedEq(bit), bit)?])?);
	}
	let mut rules: Rules =
		REFUSED.iter().chain(REFUSED_HERE).map(|call| (*call, Vec::new())).collect();
	rules.extend([
		// Processes are refused, threads are not.
		(SYS_clone, clone),
		(SYS_openat, vec![truncating(2)?]),
		(SYS_kill, vec![rule(vec![argument(0, Ne, own)?])?]),
		(SYS_tgkill, vec![rule(vec![argument(0, Ne, own)?])?]),
		(SYS_prlimit64, vec![rule(vec![argument(0, Ne, 0)?, argument(0, Ne, own)?])?]),
		(SYS_sched_setaffinity, vec![rule(vec![argument(0, Ne, 0)?, argument(0, Ne, own)?])?]),
		// Who changes what follows a forbidden call could go on after it.
		(SYS_rt_sigaction, vec![is(0, SIGSYS as u64)?]),
		// Ways to have the kernel send any signal to any process of the user.
		(SYS_fcntl, vec![is(1, F_SETOWN as u64)?, is(1, F_SETOWN_EX)?, is(1, F_SETSIG)?]),
		(
			SYS_ioctl,
			vec![
				is(1, FIOSETOWN)?,
				is(1, SIOCSPGRP)?,
				// Keys pressed on the node's terminal.
				is(1, TIOCSTI)?,
				is(1, TIOCLINUX)?,
				is(1, TIOCSCTTY)?,
			],
		),
	]);
	#[cfg(target_arch = "x86_64")]
	rules.insert(SYS_open, vec![truncating(1)?]);
	Ok(rules)
}

/// From `asm-generic/fcntl.h` and `asm-generic/sockios.h`; the crate `libc` does not have them.
const F_SETSIG: u64 = 10;
const F_SETOWN_EX: u64 = 15;
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;

/// The three filters; the kernel takes the strictest answer of all.
fn filters() -> Result<[BpfProgram; 3], BackendError> {
	let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
	let filter = |rules, otherwise, action| {
		SeccompFilter::new(rules, otherwise, action, architecture)?.try_into()
	};
	let refused = refused()?;
	let forbidden: Rules = FORBIDDEN.iter().map(|(_, call)| (*call, Vec::new())).collect();
	let known = ALLOWED.iter().chain(ALLOWED_HERE).copied();
	let known = known.chain(refused.keys().copied()).chain(forbidden.keys().copied());
	let known: Rules = known.map(|call| (call, Vec::new())).collect();
	Ok([
		filter(forbidden, SeccompAction::Allow, SeccompAction::Trap)?,
		filter(refused, SeccompAction::Allow, SeccompAction::Errno(EPERM as u32))?,
		// Last, for the call that installs filters is not among those that stay.
		filter(known, SeccompAction::Errno(ENOSYS as u32), SeccompAction::Allow)?,
	])
}

/// From here on there are only the system calls that are listed above, in all threads.
///
/// # Errors
/// The kernel has no seccomp filters, or refuses one; the text is for people.
pub fn close() -> Result<(), String> {
	let filters = filters().map_err(|error| error.to_string())?;
	// SAFETY: all zero is a valid value of this structure of numbers and a signal set.
	let mut action: sigaction = unsafe { mem::zeroed() };
	action.sa_sigaction = crate::last_words::forbidden as *const () as usize;
	action.sa_flags = SA_SIGINFO;
	// SAFETY: the handler has the signature that `SA_SIGINFO` asks for, and only writes bytes that
	// are there and ends the process.
	if unsafe { sigaction(SIGSYS, &action, ptr::null_mut()) } != 0 {
		return Err(std::io::Error::last_os_error().to_string());
	}
	filters
		.iter()
		.try_for_each(|filter| apply_filter_all_threads(filter))
		.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::collections::BTreeSet;

	#[test]
	fn lists_should_name_every_call_once_and_make_filters() {
		let lists = [ALLOWED, ALLOWED_HERE, REFUSED, REFUSED_HERE].concat();
		let all = lists.iter().chain(FORBIDDEN.iter().map(|(_, call)| call));
		let different: BTreeSet<_> = all.clone().collect();
		assert_eq!(different.len(), all.count());
		// The kernel takes at most 4096 instructions each.
		let lengths = filters().unwrap().map(|filter| filter.len());
		println!("{lengths:?} instructions");
		assert!(lengths.iter().all(|length| (10..4096).contains(length)));
	}
}
