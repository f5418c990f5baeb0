//! Loops that are compiled for several instruction sets and chosen while running.

use core::sync::atomic::AtomicBool;

/// Whether loops make do with what every processor of the architecture has.
pub(crate) static PLAIN: AtomicBool = AtomicBool::new(false);

/// Has all loops of this process make do with what every processor of the architecture has, as on
/// the slowest of them: for benchmarks, and for tests of that path.
#[doc(hidden)]
pub fn plain_loops(on: bool) {
	PLAIN.store(on, core::sync::atomic::Ordering::Relaxed);
}

/// Defines a function whose loops the compiler vectorises three times: for AVX-512, for AVX2, and
/// for what every processor of the architecture has; on 64-bit ARM only for that, which is NEON.
/// Generic parameters stand in brackets.
macro_rules! vectorised {
	(
		$(#[$meta:meta])*
		$vis:vis fn $name:ident[$($generics:tt)*]($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)?
		$body:block
	) => {
		$(#[$meta])*
		#[allow(clippy::too_many_arguments)]
		$vis fn $name<$($generics)*>($($arg: $type),*) $(-> $result)? {
			#[inline(always)]
			#[allow(clippy::too_many_arguments)]
			fn plain<$($generics)*>($($arg: $type),*) $(-> $result)? $body

			#[cfg(target_arch = "x86_64")]
			{
				#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
				#[allow(clippy::too_many_arguments)]
				fn wide<$($generics)*>($($arg: $type),*) $(-> $result)? {
					plain($($arg),*)
				}
				#[target_feature(enable = "avx2")]
				#[allow(clippy::too_many_arguments)]
				fn middle<$($generics)*>($($arg: $type),*) $(-> $result)? {
					plain($($arg),*)
				}
				if $crate::simd::PLAIN.load(core::sync::atomic::Ordering::Relaxed) {
					return plain($($arg),*);
				}
				if is_x86_feature_detected!("avx512f")
					&& is_x86_feature_detected!("avx512bw")
					&& is_x86_feature_detected!("avx512dq")
					&& is_x86_feature_detected!("avx512vl")
				{
					// SAFETY: the processor has the features that the function was compiled for.
					return unsafe { wide($($arg),*) };
				}
				if is_x86_feature_detected!("avx2") {
					// SAFETY: as above.
					return unsafe { middle($($arg),*) };
				}
			}
			plain($($arg),*)
		}
	};
}
pub(crate) use vectorised;
