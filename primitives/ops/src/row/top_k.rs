use alloc::vec::Vec;

pub(super) fn finish(
	row: &[i32],
	columns: impl Iterator<Item = u32>,
	(k, as_values): (u32, bool),
	results: &mut Vec<i32>,
) {
	// Largest value first, then the lowest position: one number decides both.
	let key =
		|(position, value): (u32, &i32)| !((*value as i64) << 32 | (u32::MAX - position) as i64);
	let mut keys: Vec<i64> = (0..).zip(row).map(key).collect();
	let k = (k as usize).min(keys.len());
	if k < keys.len() {
		keys.select_nth_unstable(k);
		keys.truncate(k);
	}
	keys.sort_unstable();
	results.extend(columns.map(|column| {
		let key = !keys.get(column as usize).copied().unwrap_or(0);
		if as_values {
			(key >> 32) as i32
		} else {
			(u32::MAX - key as u32) as i32
		}
	}));
}
