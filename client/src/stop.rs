//! Ending by SIGTERM and SIGINT, whatever the rest of the process does.

use crate::error::{Error, Result};
use std::{future::Future, time::Duration};
use tokio::{
	signal::unix::{signal, SignalKind},
	sync::oneshot,
};

/// How long a command has to end by itself after a signal.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ends with the first SIGTERM or SIGINT; both are listened to as soon as this returns.
///
/// They are listened to on a thread and a runtime of their own, so that nothing that the command
/// does or waits for can hold them up. A command that has not ended a few seconds later is ended:
/// whatever is dropped half way is like a kill, which everything that uses this survives.
pub(crate) fn stop() -> Result<impl Future<Output = ()>> {
	let failed =
		|e: std::io::Error| Error::new("local-fault", format!("cannot listen to signals: {e}"));
	let runtime =
		tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
	let (mut terminate, mut interrupt) = {
		let _here = runtime.enter();
		let listen = |kind| signal(kind).map_err(failed);
		(listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?)
	};
	let (told, stopped) = oneshot::channel();
	let listen = move || {
		runtime.block_on(async {
			tokio::select! {
				_ = terminate.recv() => {}
				_ = interrupt.recv() => {}
			}
		});
		// Nobody waits any more where the command has just ended.
		let _ = told.send(());
		std::thread::sleep(PATIENCE);
		eprintln!("it did not end within {PATIENCE:?} of being told to, and is ended now");
		end()
	};
	std::thread::Builder::new().name("signals".into()).spawn(listen).map_err(failed)?;
	Ok(async {
		// An error means that the thread is gone, which it never is before it has told.
		if stopped.await.is_err() {
			std::future::pending::<()>().await;
		}
	})
}

/// Ends the process at once: no destructor of a driver whose device hangs can keep it.
fn end() -> ! {
	// SAFETY: nothing of the process runs afterwards; what it had to say went out unbuffered.
	unsafe { nix::libc::_exit(0) }
}
