//! NumPy archives: named arrays in, named arrays out.
//!
//! An archive is a stranger's: of its arrays only those that are asked for are read, each no
//! further than its header says, and what they take is known before it is unpacked.

use crate::{
	array::{Array, Data},
	error::{io, list, short, Error, Result},
	files,
	limits::Limits,
	read::{half, single},
};
use npyz::WriterBuilder;
use std::{
	collections::BTreeMap,
	fs::File,
	io::{BufReader, Read, Seek, Write},
	path::Path,
};
use zip::{write::SimpleFileOptions, ZipArchive, ZipWriter};

/// Most arrays of an archive, and the longest header of one, as NumPy has it.
const MOST_ARRAYS: usize = 65_536;
const MOST_HEADER: usize = 10_000;

/// Named arrays.
pub type Arrays = BTreeMap<String, Array>;

/// Reads arrays of an `.npz` file: those of `names` that it has, or all. Errors: `file`, `bad-npz`,
/// `too-large`.
pub fn read(path: &Path, names: Option<&[&str]>, limits: Limits) -> Result<Arrays> {
	let (file, _) = files::open(path)?;
	read_from(BufReader::new(file), &path.display().to_string(), names, limits)
}

/// As [`read`], from bytes that `what` names.
pub fn read_from(
	source: impl Read + Seek,
	what: &str,
	names: Option<&[&str]>,
	limits: Limits,
) -> Result<Arrays> {
	let bad = |name: &str, error: &dyn std::fmt::Display| {
		let place =
			if name.is_empty() { String::new() } else { format!(" array `{}`", short(name)) };
		Error::new("bad-npz", format!("{}{place}: {}", short(what), short(&error.to_string())))
			.fix("write it with numpy.savez(FILE, input_name=array, …), of numbers or bools")
	};
	let mut archive = ZipArchive::new(source).map_err(|e| bad("", &e))?;
	if archive.len() > MOST_ARRAYS {
		let text =
			format!("{} files in the archive, at most {MOST_ARRAYS} are read", archive.len());
		return Err(bad("", &text));
	}
	let mut arrays = Arrays::new();
	let mut held = 0;
	for index in 0..archive.len() {
		let entry = archive.by_index(index).map_err(|e| bad("", &e))?;
		let entry_name = entry.name().map_err(|e| bad("", &e))?.into_owned();
		let Some(name) = npyz::npz::array_name_from_file_name(&entry_name) else { continue };
		if names.is_some_and(|names| !names.contains(&name)) {
			continue;
		}
		if arrays.contains_key(name) {
			return Err(bad(name, &"it is there twice"));
		}
		let mut entry = BufReader::new(entry);
		let header = header(&mut entry).map_err(|text| bad(name, &text))?;
		let place = format!("{} array `{}`", short(what), short(name));
		held += limits.bytes(&place, &header.dims, !header.kind.is_float())?;
		if held > limits.live {
			return Err(Error::new(
				"too-large",
				format!("{}: its arrays up to `{}` need {held} bytes", short(what), short(name)),
			)
			.fix("give fewer samples, or raise --max-memory"));
		}
		let array = elements(&mut entry, header).map_err(|text| bad(name, &text))?;
		arrays.insert(name.into(), array);
	}
	Ok(arrays)
}

/// Refuses an archive that lacks one of `names`. Error: `missing-input`.
pub fn require(arrays: &Arrays, names: &[&str], path: &Path) -> Result<()> {
	match names.iter().find(|name| !arrays.contains_key(**name)) {
		Some(missing) => Err(Error::new(
			"missing-input",
			format!("no samples for input `{}` in {}", short(missing), path.display()),
		)
		.fix(format!(
			"name an array of the file so; the model takes: {}",
			list(names.iter().copied())
		))),
		None => Ok(()),
	}
}

/// One `.npy` file of bool, integers or floats. Error: what is wrong, in words.
pub fn read_npy(bytes: &[u8]) -> Result<Array, String> {
	let mut bytes = bytes;
	let header = header(&mut bytes)?;
	let limits = Limits::default();
	limits.bytes("it", &header.dims, !header.kind.is_float()).map_err(|e| e.message)?;
	elements(&mut bytes, header)
}

/// Element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
	F16,
	F32,
	F64,
	Bool,
	I8,
	I16,
	I32,
	I64,
	U8,
	U16,
	U32,
	U64,
}

impl Kind {
	/// From NumPy's word for it, such as `<f4`.
	fn named(text: &str) -> Option<Self> {
		let (order, name) = text.split_at_checked(1)?;
		let (kind, single) = match name {
			"f2" => (Self::F16, false),
			"f4" => (Self::F32, false),
			"f8" => (Self::F64, false),
			"b1" => (Self::Bool, true),
			"i1" => (Self::I8, true),
			"i2" => (Self::I16, false),
			"i4" => (Self::I32, false),
			"i8" => (Self::I64, false),
			"u1" => (Self::U8, true),
			"u2" => (Self::U16, false),
			"u4" => (Self::U32, false),
			"u8" => (Self::U64, false),
			_ => return None,
		};
		(order == "<" || (single && order == "|")).then_some(kind)
	}

	fn is_float(self) -> bool {
		matches!(self, Self::F16 | Self::F32 | Self::F64)
	}
}

/// What comes before the elements.
struct Header {
	kind: Kind,
	/// Whether the first dimension is the fastest.
	fortran: bool,
	dims: Vec<usize>,
}

fn header(source: &mut impl Read) -> Result<Header, String> {
	let mut start = [0; 8];
	source.read_exact(&mut start).map_err(|_| "it is no .npy file")?;
	if &start[..6] != b"\x93NUMPY" {
		return Err("it is no .npy file".into());
	}
	let mut length = [0; 4];
	let wide = match start[6] {
		1 => 2,
		2 | 3 => 4,
		version => return Err(format!("version {version} of .npy is not known")),
	};
	source.read_exact(&mut length[..wide]).map_err(|_| "its header is cut off")?;
	let length = u32::from_le_bytes(length) as usize;
	if length > MOST_HEADER {
		return Err(format!("a header of {length} bytes, at most {MOST_HEADER} are read"));
	}
	let mut text = vec![0; length];
	source.read_exact(&mut text).map_err(|_| "its header is cut off")?;
	let text = std::str::from_utf8(&text).map_err(|_| "its header is no text")?;
	parse(text).ok_or_else(|| {
		// NumPy's own headers begin with the type, which is what is most often not read.
		let shown: String = text.chars().take(60).collect();
		format!("elements of this kind are not read; use float32 or int64 (its header begins {shown:?})")
	})
}

/// A header as NumPy writes it: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse(text: &str) -> Option<Header> {
	let mut rest = text.trim().strip_prefix('{')?.trim_start();
	let (mut kind, mut fortran, mut dims) = (None, None, None);
	while !rest.starts_with('}') {
		let key;
		(key, rest) = quoted(rest)?;
		rest = rest.trim_start().strip_prefix(':')?.trim_start();
		match key {
			"descr" => {
				let word;
				(word, rest) = quoted(rest)?;
				kind = Some(Kind::named(word)?);
			}
			"fortran_order" => {
				let value = ["True", "False"].iter().find(|word| rest.starts_with(**word))?;
				rest = &rest[value.len()..];
				fortran = Some(*value == "True");
			}
			"shape" => {
				let inside;
				(inside, rest) = rest.strip_prefix('(')?.split_once(')')?;
				dims = Some(numbers(inside)?);
			}
			_ => return None,
		}
		rest = rest.trim_start();
		rest = match rest.strip_prefix(',') {
			Some(rest) => rest.trim_start(),
			None if rest.starts_with('}') => rest,
			None => return None,
		};
	}
	Some(Header { kind: kind?, fortran: fortran?, dims: dims? })
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
	let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
	text[1..].split_once(quote)
}

/// Numbers with commas between, and perhaps after them.
fn numbers(text: &str) -> Option<Vec<usize>> {
	let text = text.trim();
	let text = text.strip_suffix(',').unwrap_or(text).trim();
	if text.is_empty() {
		return Some(Vec::new());
	}
	text.split(',').map(|number| number.trim().parse().ok()).collect()
}

/// The elements that a header announces, whose number and size are within bounds.
fn elements(source: &mut impl Read, header: Header) -> Result<Array, String> {
	let Header { kind, fortran, dims } = header;
	let len: usize = dims.iter().product();
	fn each<const N: usize, T>(
		source: &mut impl Read,
		len: usize,
		element: impl Fn([u8; N]) -> T,
	) -> Result<Vec<T>, String> {
		const AT_ONCE: usize = 1 << 16;
		// As many as come, lest a header alone takes memory.
		let mut out: Vec<T> = Vec::with_capacity(len.min(AT_ONCE));
		let mut buffer = vec![0; AT_ONCE * N];
		while out.len() < len {
			let count = (len - out.len()).min(AT_ONCE);
			let bytes = &mut buffer[..count * N];
			source.read_exact(bytes).map_err(|e| format!("it ends before its elements: {e}"))?;
			out.extend(bytes.chunks_exact(N).filter_map(|b| b.try_into().ok()).map(&element));
		}
		Ok(out)
	}
	let data = match kind {
		Kind::F16 => Data::Float(each(source, len, |b| half(u16::from_le_bytes(b)))?),
		Kind::F32 => Data::Float(each(source, len, f32::from_le_bytes)?),
		Kind::F64 => Data::Float(each(source, len, |b| single(f64::from_le_bytes(b)))?),
		Kind::Bool => Data::Int(each(source, len, |[b]: [u8; 1]| i64::from(b != 0))?),
		Kind::U8 => Data::Int(each(source, len, |[b]: [u8; 1]| b.into())?),
		Kind::I8 => Data::Int(each(source, len, |[b]: [u8; 1]| (b as i8).into())?),
		Kind::I16 => Data::Int(each(source, len, |b| i16::from_le_bytes(b).into())?),
		Kind::U16 => Data::Int(each(source, len, |b| u16::from_le_bytes(b).into())?),
		Kind::I32 => Data::Int(each(source, len, |b| i32::from_le_bytes(b).into())?),
		Kind::U32 => Data::Int(each(source, len, |b| u32::from_le_bytes(b).into())?),
		Kind::I64 => Data::Int(each(source, len, i64::from_le_bytes)?),
		Kind::U64 => {
			let wide = each(source, len, |b| i64::try_from(u64::from_le_bytes(b)))?;
			let fits: Result<Vec<i64>, _> = wide.into_iter().collect();
			Data::Int(fits.map_err(|_| "an element beyond 2^63")?)
		}
	};
	// What follows belongs to nobody; at its end an archive checks what it gave.
	let mut more = [0];
	match source.read(&mut more) {
		Ok(0) => {}
		Ok(_) => return Err("it goes on after its elements".into()),
		Err(error) => return Err(error.to_string()),
	}
	let array = Array { dims, data };
	if fortran {
		let reversed: Vec<usize> = array.dims.iter().rev().copied().collect();
		let strides: Vec<usize> = crate::array::strides(&reversed).into_iter().rev().collect();
		let at = crate::array::walk(&array.dims, &strides, 0);
		return Ok(array.pick(array.dims.clone(), at));
	}
	Ok(array)
}

/// Writes an `.npz` file that `numpy.load` reads: floats as float32, integers as int64.
pub fn write(path: &Path, arrays: &Arrays) -> Result<()> {
	let part = path.with_extension("part");
	let file = File::create(&part).map_err(io(&part))?;
	write_to(file, arrays).map_err(io(&part))?;
	std::fs::rename(&part, path).map_err(io(path))
}

/// As [`write`], to anything.
pub fn write_to(target: impl Write + Seek, arrays: &Arrays) -> std::io::Result<()> {
	let mut archive = ZipWriter::new(target);
	for (name, array) in arrays {
		let options =
			SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
		let entry = npyz::npz::file_name_from_array_name(name);
		archive.start_file(entry, options)?;
		let shape: Vec<u64> = array.dims.iter().map(|&dim| dim as u64).collect();
		let mut bytes = Vec::new();
		let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
		let written = match &array.data {
			Data::Float(data) => options.writer(&mut bytes).begin_nd().and_then(|mut writer| {
				writer.extend(data)?;
				writer.finish()
			}),
			Data::Int(data) => npyz::WriteOptions::new()
				.default_dtype()
				.shape(&shape)
				.writer(&mut bytes)
				.begin_nd()
				.and_then(|mut writer| {
					writer.extend(data)?;
					writer.finish()
				}),
		};
		written.and_then(|()| archive.write_all(&bytes))?;
	}
	archive.finish()?;
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn arrays_should_be_read_back_when_written() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("a.npz");
		let arrays = Arrays::from([
			("x".into(), Array::float([2, 3], vec![1.0, -2.5, 3.0, 0.0, 5.0, 6.0])),
			("ids".into(), Array::int([3], vec![-1, 0, 1 << 40])),
			("scalar".into(), Array::float([], vec![7.0])),
		]);
		write(&path, &arrays).unwrap();
		assert_eq!(read(&path, None, Limits::default()).unwrap(), arrays);
		let some = read(&path, Some(&["ids", "none"]), Limits::default()).unwrap();
		assert_eq!(some.keys().collect::<Vec<_>>(), ["ids"]);
	}

	#[test]
	fn archives_should_be_refused_when_truncated_at_any_length() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("a.npz");
		write(&path, &Arrays::from([("x".into(), Array::float([4], vec![1.0; 4]))])).unwrap();
		let whole = std::fs::read(&path).unwrap();
		for len in 0..whole.len() {
			std::fs::write(&path, &whole[..len]).unwrap();
			let error = read(&path, None, Limits::default()).unwrap_err();
			assert_eq!(error.code, "bad-npz", "length {len}");
		}
	}

	/// A `.npy` file with this header.
	fn npy(header: &str, elements: &[u8]) -> Vec<u8> {
		let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
		bytes.extend((header.len() as u16).to_le_bytes());
		bytes.extend(header.as_bytes());
		bytes.extend(elements);
		bytes
	}

	#[test]
	fn arrays_should_be_read_when_numpy_writes_them_in_other_ways() {
		let half =
			npy("{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }", &[0, 0x3c, 0, 0xc0]);
		assert_eq!(read_npy(&half).unwrap(), Array::float([2], vec![1.0, -2.0]));
		let columns = npy(
			"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }          \n",
			&[1, 4, 2, 5, 3, 6],
		);
		assert_eq!(read_npy(&columns).unwrap(), Array::int([2, 3], vec![1, 2, 3, 4, 5, 6]));
		let scalar = npy("{'shape': (), 'fortran_order': False, 'descr': '<i2'}", &[0xff, 0xff]);
		assert_eq!(read_npy(&scalar).unwrap(), Array::int([], vec![-1]));
	}

	#[test]
	fn arrays_should_be_refused_shortly_when_headers_are_hostile() {
		let deep = format!("{{'descr': {}", "(".repeat(9_000));
		for header in [
			"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }",
			"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 8), }",
			"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
			"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
			"{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
			"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
			"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
			"{'descr': '<f4', 'shape': (1,), }",
			"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
			"{",
			"",
			&deep,
		] {
			let error = read_npy(&npy(header, &[0; 4])).unwrap_err();
			assert!(error.len() < 400, "{} bytes for {header:.40}", error.len());
		}
		let fits = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }";
		assert!(read_npy(&npy(fits, &[0; 4])).is_ok());
		for elements in [&[0; 3][..], &[0; 5]] {
			assert!(read_npy(&npy(fits, elements)).is_err());
		}
		let mut long = b"\x93NUMPY\x02\x00".to_vec();
		long.extend(u32::MAX.to_le_bytes());
		assert!(read_npy(&long).is_err());
	}

	/// An archive of one compressed array of zeros, and as many that nobody asks for.
	fn bomb(elements: usize, others: usize) -> Vec<u8> {
		let header =
			format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({elements},), }}");
		let bytes = npy(&header, &vec![0; 4 * elements]);
		let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
		let options =
			SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
		for name in std::iter::once("x".to_string()).chain((0..others).map(|i| format!("o{i}"))) {
			archive.start_file(format!("{name}.npy"), options).unwrap();
			archive.write_all(&bytes).unwrap();
		}
		archive.finish().unwrap().into_inner()
	}

	#[test]
	fn archives_should_be_refused_before_they_are_unpacked_when_they_are_bombs() {
		let limits = Limits { value: 400_000, live: 1_000_000, ..Limits::default() };
		let read = |bytes: Vec<u8>, names: Option<&[&str]>| {
			read_from(std::io::Cursor::new(bytes), "a.npz", names, limits)
		};
		let error = read(bomb(200_000, 0), None).unwrap_err();
		assert_eq!(error.code, "too-large");
		assert!(error.message.contains("`x`"), "{error}");
		// Each fits, all do not; what nobody asks for is not read.
		assert_eq!(read(bomb(90_000, 4), None).unwrap_err().code, "too-large");
		assert_eq!(read(bomb(90_000, 4), Some(&["x"])).unwrap()["x"].len(), 90_000);
	}
}
