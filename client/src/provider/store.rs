//! The provider's own database: one durable record per order, and which chain and account they are
//! of.

use super::record::{Record, Stage};
use crate::{
	chain::Hash,
	error::{Error, Result},
	private,
};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::Path;

/// Hash of the order → JSON of its [`Record`]. A job's number is not enough: after a reorganisation
/// it may stand for another job.
const ORDERS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("orders");
/// `version`, `genesis`, `account`.
const ABOUT: TableDefinition<&str, &[u8]> = TableDefinition::new("about");
/// Raised when a record can no longer be read by older code.
const VERSION: &[u8] = b"2";

/// The durable state of one provider.
pub struct Store {
	db: Database,
	/// As on a full disk: nothing is written any more.
	#[cfg(test)]
	pub full: std::sync::atomic::AtomicBool,
}

fn failed(e: impl std::fmt::Display) -> Error {
	Error::new("state", format!("the provider's database: {e}"))
		.fix("free disk space, or move the state folder away and start with an empty one")
}

impl Store {
	/// Opens or creates the database of one account on one chain; a second process is refused.
	pub fn open(path: &Path, genesis: &Hash, account: &Hash) -> Result<Self> {
		// What is committed and not revealed is in it.
		let file = private::file(path)?;
		let db = Database::builder().create_file(file).map_err(|e| match e {
			redb::DatabaseError::DatabaseAlreadyOpen => {
				Error::new("state-in-use", format!("another provider uses {}", path.display()))
					.fix("stop it, or pass another --state-dir together with another --key")
			}
			other => failed(other),
		})?;
		let tx = db.begin_write().map_err(failed)?;
		{
			tx.open_table(ORDERS).map_err(failed)?;
			let mut about = tx.open_table(ABOUT).map_err(failed)?;
			let expected: [(&str, &[u8]); 3] =
				[("version", VERSION), ("genesis", genesis), ("account", account)];
			for (name, value) in expected {
				let stored = about.get(name).map_err(failed)?.map(|v| v.value().to_vec());
				match stored {
					None => {
						about.insert(name, value).map_err(failed)?;
					}
					Some(stored) if stored == value => {}
					Some(_) => {
						return Err(Error::new(
							"state-mismatch",
							format!("{} belongs to another {name}", path.display()),
						)
						.fix("pass another --state-dir, or remove this one if its chain is gone"))
					}
				}
			}
		}
		tx.commit().map_err(failed)?;
		Ok(Self {
			db,
			#[cfg(test)]
			full: Default::default(),
		})
	}

	/// The record of an order.
	pub fn get(&self, order: &Hash) -> Result<Option<Record>> {
		let tx = self.db.begin_read().map_err(failed)?;
		let table = tx.open_table(ORDERS).map_err(failed)?;
		table.get(order.as_slice()).map_err(failed)?.map(|v| decode(order, v.value())).transpose()
	}

	/// Writes the record of an order; on disk when this returns.
	pub fn put(&self, record: &Record) -> Result<()> {
		#[cfg(test)]
		if self.full.load(std::sync::atomic::Ordering::Relaxed) {
			return Err(failed("no space left on device"));
		}
		let bytes = serde_json::to_vec(record).map_err(failed)?;
		let tx = self.db.begin_write().map_err(failed)?;
		{
			let mut table = tx.open_table(ORDERS).map_err(failed)?;
			table.insert(record.order.as_slice(), bytes.as_slice()).map_err(failed)?;
		}
		tx.commit().map_err(failed)
	}

	/// All records, by the number of their jobs.
	pub fn all(&self) -> Result<Vec<Record>> {
		let tx = self.db.begin_read().map_err(failed)?;
		let table = tx.open_table(ORDERS).map_err(failed)?;
		let rows = table.iter().map_err(failed)?;
		let records = rows.map(|row| {
			let (order, record) = row.map_err(failed)?;
			decode(order.value(), record.value())
		});
		let mut records = records.collect::<Result<Vec<_>>>()?;
		records.sort_by_key(|record: &Record| (record.job, record.order));
		Ok(records)
	}

	/// Those that still need something.
	pub fn active(&self) -> Result<Vec<Record>> {
		let mut all = self.all()?;
		all.retain(|record| !matches!(record.stage, Stage::Done { .. }));
		Ok(all)
	}
}

fn decode(order: &[u8], bytes: &[u8]) -> Result<Record> {
	let damaged = |why: String| {
		let order = hex::encode(order);
		Error::new("state", format!("the record of order 0x{order} is damaged: {why}"))
			.fix("move the state folder away; the job is found again on the chain")
	};
	let record: Record = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
	match record.order.as_slice() == order {
		true => Ok(record),
		false => Err(damaged("it is of another order".into())),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::chain::calls::JobId;

	fn record(job: u64, order: u8) -> Record {
		Record::new(JobId { number: job, order: [order; 32] }, 1, vec![[1; 32]])
	}

	#[test]
	fn store_should_refuse_when_opened_for_another_chain_or_twice() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("provider.redb");
		let store = Store::open(&path, &[1; 32], &[2; 32]).unwrap();
		store.put(&record(7, 1)).unwrap();
		store.put(&record(7, 2)).unwrap();
		assert_eq!(
			Store::open(&path, &[1; 32], &[2; 32]).err().map(|e| e.code.to_string()),
			Some("state-in-use".into())
		);
		drop(store);
		for (genesis, account) in [([9; 32], [2; 32]), ([1; 32], [9; 32])] {
			let error = Store::open(&path, &genesis, &account).err().unwrap();
			assert_eq!(error.code, "state-mismatch");
		}
		let store = Store::open(&path, &[1; 32], &[2; 32]).unwrap();
		// Two orders of one number are two jobs.
		assert_eq!(store.get(&[1; 32]).unwrap(), Some(record(7, 1)));
		assert_eq!(store.all().unwrap(), [record(7, 1), record(7, 2)]);
		assert_eq!(store.get(&[8; 32]).unwrap(), None);
	}

	#[test]
	fn store_should_be_closed_to_others_when_it_is_made_or_was_open() {
		use std::{fs, os::unix::fs::PermissionsExt};
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("provider.redb");
		let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
		Store::open(&path, &[1; 32], &[2; 32]).unwrap().put(&record(7, 1)).unwrap();
		assert_eq!(mode(), 0o600);
		fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
		let store = Store::open(&path, &[1; 32], &[2; 32]).unwrap();
		assert_eq!((mode(), store.get(&[1; 32]).unwrap()), (0o600, Some(record(7, 1))));
	}

	#[test]
	fn store_should_name_the_order_when_its_record_is_damaged() {
		let dir = tempfile::tempdir().unwrap();
		let store = Store::open(&dir.path().join("p.redb"), &[1; 32], &[2; 32]).unwrap();
		let tx = store.db.begin_write().unwrap();
		let nonsense = b"{\"stage\":\"nonsense\"}";
		tx.open_table(ORDERS).unwrap().insert([3; 32].as_slice(), nonsense.as_slice()).unwrap();
		// A record under another's name is not believed.
		let other = serde_json::to_vec(&record(1, 4)).unwrap();
		tx.open_table(ORDERS).unwrap().insert([5; 32].as_slice(), other.as_slice()).unwrap();
		tx.commit().unwrap();
		for order in [3, 5] {
			let error = store.get(&[order; 32]).unwrap_err();
			assert_eq!(error.code, "state");
			assert!(error.message.contains(&hex::encode([order; 32])));
		}
		let not_a_database = dir.path().join("other");
		std::fs::write(&not_a_database, [0x5a; 5000]).unwrap();
		assert_eq!(Store::open(&not_a_database, &[1; 32], &[2; 32]).err().unwrap().code, "state");
	}
}
