//! Elements of tensors that are in files beside the model.

use crate::{
	error::{io, short, Error, Result},
	files, onnx,
};
use std::{
	collections::HashMap,
	fs::File,
	os::unix::fs::FileExt,
	path::{Path, PathBuf},
};

/// The folder of a model with the files that were opened in it. Of each file only what is asked for
/// is read.
pub struct Folder<'a> {
	path: Option<&'a Path>,
	files: HashMap<PathBuf, (File, u64)>,
}

impl<'a> Folder<'a> {
	/// `None` where a model has no folder, as one that is in memory.
	pub fn new(path: Option<&'a Path>) -> Self {
		Self { path, files: HashMap::new() }
	}

	/// The bytes of `tensor`, of which there must be `length`. Errors: `bad-model`, `file`.
	pub fn read(&mut self, tensor: &onnx::Tensor, length: u64) -> Result<Vec<u8>> {
		let name = short(&tensor.name);
		let bad = |text: String| {
			let fix = "save the model as one file: onnx.save(model, path), or keep the data file beside it";
			Error::new("bad-model", format!("tensor `{name}`: {text}")).fix(fix)
		};
		let (mut location, mut offset, mut stated) = (None, 0, None);
		for entry in &tensor.external_data {
			let number = || {
				entry.value.parse::<u64>().map_err(|_| {
					let (key, value) = (short(&entry.key), short(&entry.value));
					bad(format!("{key} `{value}` of its data file is no number from 0 on"))
				})
			};
			match entry.key.as_str() {
				"location" => location = Some(Path::new(&entry.value)),
				"offset" => offset = number()?,
				"length" => stated = Some(number()?),
				_ => {}
			}
		}
		let location = location.ok_or_else(|| bad("it has no data file".into()))?;
		let shown = short(&location.display().to_string());
		let folder = self.path.ok_or_else(|| bad(format!("it is in the file `{shown}`")))?;
		let path = files::beside(folder, location)
			.map_err(|why| bad(format!("it is in the file `{shown}`: {why}")))?;
		if let Some(stated) = stated.filter(|stated| *stated != length) {
			let text = format!("{stated} bytes of its data file, its shape and type need {length}");
			return Err(bad(text));
		}
		if !self.files.contains_key(&path) {
			let opened = files::open(&path)?;
			self.files.insert(path.clone(), opened);
		}
		let Some((file, whole)) = self.files.get(&path) else {
			return Err(bad(format!("the file `{shown}` is not open")));
		};
		let end = offset.checked_add(length).filter(|end| end <= whole);
		if end.is_none() {
			return Err(Error::new(
				"file",
				format!(
					"{} has {whole} bytes and ends before tensor `{name}` ({length} from {offset} on)",
					path.display()
				),
			)
			.fix("copy it again"));
		}
		let mut bytes = vec![0; length as usize];
		file.read_exact_at(&mut bytes, offset).map_err(io(&path))?;
		Ok(bytes)
	}
}
