use assay_exec::ExecError;
use assay_program::{CheckError, ProgramError};

/// Why a network cannot be trained; each names the offending input and the way out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
	/// The description is not JSON of the expected form.
	#[error("the description is not valid: {0}; see docs/training.md for its fields")]
	Json(#[from] serde_json::Error),
	/// A field of the description has a value that does not work.
	#[error("`{field}`: {reason}")]
	Field {
		/// Path of the field, such as `layers[2].heads`.
		field: String,
		/// What is wrong, and what would do.
		reason: String,
	},
	/// Training data or weights that do not fit the description.
	#[error("array `{name}`: {reason}")]
	Array {
		/// Name of the array.
		name: String,
		/// What is wrong, and what would do.
		reason: String,
	},
	/// Training data that are no numbers, or that say nothing.
	#[error("input `{name}`: {reason}")]
	Samples {
		/// Name of the array.
		name: String,
		/// What is wrong, and what would do.
		reason: String,
	},
	/// A checkpoint that does not belong to this training.
	#[error("checkpoint {path}: {reason}")]
	Checkpoint {
		/// File or folder.
		path: String,
		/// What is wrong, and what would do.
		reason: String,
	},
	/// The program is not well-formed: a fault of this crate.
	#[error("the training program is not well-formed: {0}")]
	Program(#[from] ProgramError),
	/// The program cannot be admitted.
	#[error("the training program is refused: {0}; a smaller batch or narrower layers may help")]
	Check(#[from] CheckError),
	/// A shape or view that does not fit: a fault of this crate or a size out of range.
	#[error("a tensor of the training program does not fit: {0}")]
	Tensor(#[from] assay_ops::OpError),
	/// The run failed.
	#[error(transparent)]
	Run(#[from] ExecError),
}

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Error {
	Error::Field { field: field.into(), reason: reason.into() }
}

pub(crate) fn array(name: impl Into<String>, reason: impl Into<String>) -> Error {
	Error::Array { name: name.into(), reason: reason.into() }
}

pub(crate) fn samples(name: impl Into<String>, reason: impl Into<String>) -> Error {
	Error::Samples { name: name.into(), reason: reason.into() }
}
