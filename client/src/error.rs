//! The one error of the command line.

pub use assay_error::{Error, Result};

/// Names the file in an input or output error.
pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
	move |e| {
		let error = Error::new("file", format!("{}: {e}", path.display()));
		match e.kind() {
			std::io::ErrorKind::NotFound => error.fix("check the path"),
			std::io::ErrorKind::PermissionDenied => {
				error.fix("check the owner and mode of the file and its folder")
			}
			std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
				Error { code: "disk-fault".into(), ..error }.fix("free disk space there")
			}
			_ => error,
		}
	}
}
