use std::collections::BTreeMap;

/// Numbers with dimensions, as they come from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
	/// Dimensions, slowest first.
	pub dims: Vec<usize>,
	/// Elements, row-major.
	pub values: Vec<f64>,
}

/// Arrays by name.
pub type Arrays = BTreeMap<String, Array>;

impl Array {
	/// Elements of the given dimensions, of which there must be as many as these say.
	pub fn new(dims: &[usize], values: Vec<f64>) -> Option<Self> {
		let elements = dims.iter().try_fold(1usize, |all, &dim| all.checked_mul(dim))?;
		(elements == values.len()).then(|| Self { dims: dims.to_vec(), values })
	}
}
