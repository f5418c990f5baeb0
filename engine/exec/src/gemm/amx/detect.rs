//! Whether AMX is there and may be used.

use super::{EDGE, ROW, TILE};
use core::arch::asm;
use std::sync::OnceLock;

/// Whether the processor has AMX for bytes and AVX-512, and the system lets this process use both.
/// Asks the system once.
pub(in super::super) fn available() -> bool {
	static AVAILABLE: OnceLock<bool> = OnceLock::new();
	*AVAILABLE.get_or_init(|| {
		let wide = is_x86_feature_detected!("avx512f")
			&& is_x86_feature_detected!("avx512bw")
			&& is_x86_feature_detected!("avx512vnni");
		wide && has_tiles() && permitted()
	})
}

/// CPUID says AMX-TILE and AMX-INT8, palette 1 is the known one, and XCR0 enables both parts of its
/// state.
fn has_tiles() -> bool {
	use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
	#[target_feature(enable = "xsave")]
	fn state() -> u64 {
		// SAFETY: the function has the feature, and register 0 is there wherever it is.
		unsafe { _xgetbv(0) }
	}
	// The names of the intrinsics are safe since Rust 1.94; CPUID itself is on every x86-64.
	if __cpuid(0).eax < 0x1d || !is_x86_feature_detected!("xsave") {
		return false;
	}
	let features = __cpuid_count(7, 0).edx;
	let palette = __cpuid_count(0x1d, 1);
	// SAFETY: XSAVE was detected, which says that the system enabled it too.
	let state = unsafe { state() };
	let (tiles, bytes) = (1 << 24, 1 << 25);
	features & tiles != 0
		&& features & bytes != 0
		&& palette.eax >> 16 == TILE as u32
		&& palette.ebx & 0xffff == ROW as u32
		&& palette.ebx >> 16 >= 8
		&& palette.ecx & 0xffff == EDGE as u32
		&& state >> 17 & 3 == 3
}

/// Linux gives tile state only to processes that ask for it, since it makes signal frames large.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
	const SYS_ARCH_PRCTL: i64 = 158;
	const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
	const XFEATURE_XTILEDATA: i64 = 18;
	let answer: i64;
	// SAFETY: a system call without pointers; the kernel changes nothing but rax, rcx and r11.
	unsafe {
		asm!(
			"syscall",
			inlateout("rax") SYS_ARCH_PRCTL => answer,
			in("rdi") ARCH_REQ_XCOMP_PERM,
			in("rsi") XFEATURE_XTILEDATA,
			lateout("rcx") _,
			lateout("r11") _,
			options(nostack),
		);
	}
	answer == 0
}

/// Elsewhere nobody knows how to ask.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
	false
}
