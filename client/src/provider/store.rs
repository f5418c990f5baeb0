//! The provider's own database: one durable record per job, and which chain and account they are of.

use super::machine::Stage;
use crate::{
	chain::Hash,
	error::{Error, Result},
	private,
};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::Path;

/// Job id → JSON of its [`Stage`].
const JOBS: TableDefinition<u64, &[u8]> = TableDefinition::new("jobs");
/// `version`, `genesis`, `account`.
const ABOUT: TableDefinition<&str, &[u8]> = TableDefinition::new("about");
/// Raised when a record can no longer be read by older code.
const VERSION: &[u8] = b"1";

/// The durable state of one provider.
pub struct Store {
	db: Database,
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
			tx.open_table(JOBS).map_err(failed)?;
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
		Ok(Self { db })
	}

	/// The record of a job.
	pub fn get(&self, job: u64) -> Result<Option<Stage>> {
		let tx = self.db.begin_read().map_err(failed)?;
		let table = tx.open_table(JOBS).map_err(failed)?;
		table.get(job).map_err(failed)?.map(|v| decode(job, v.value())).transpose()
	}

	/// Writes the record of a job; on disk when this returns.
	pub fn put(&self, job: u64, stage: &Stage) -> Result<()> {
		let bytes = serde_json::to_vec(stage).map_err(failed)?;
		let tx = self.db.begin_write().map_err(failed)?;
		tx.open_table(JOBS).map_err(failed)?.insert(job, bytes.as_slice()).map_err(failed)?;
		tx.commit().map_err(failed)
	}

	/// All records, by job id.
	pub fn all(&self) -> Result<Vec<(u64, Stage)>> {
		let tx = self.db.begin_read().map_err(failed)?;
		let table = tx.open_table(JOBS).map_err(failed)?;
		let rows = table.iter().map_err(failed)?;
		rows.map(|row| {
			let (job, stage) = row.map_err(failed)?;
			Ok((job.value(), decode(job.value(), stage.value())?))
		})
		.collect()
	}

	/// Jobs that still need something.
	pub fn active(&self) -> Result<Vec<(u64, Stage)>> {
		let mut all = self.all()?;
		all.retain(|(_, stage)| !matches!(stage, Stage::Done { .. }));
		Ok(all)
	}
}

fn decode(job: u64, bytes: &[u8]) -> Result<Stage> {
	serde_json::from_slice(bytes).map_err(|e| {
		Error::new("state", format!("the record of job {job} is damaged: {e}"))
			.fix("move the state folder away; the job is found again on the chain")
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn store_should_refuse_when_opened_for_another_chain_or_twice() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("provider.redb");
		let store = Store::open(&path, &[1; 32], &[2; 32]).unwrap();
		store.put(7, &Stage::Claimed).unwrap();
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
		assert_eq!(store.get(7).unwrap(), Some(Stage::Claimed));
		assert_eq!(store.get(8).unwrap(), None);
	}

	#[test]
	fn store_should_be_closed_to_others_when_it_is_made_or_was_open() {
		use std::{fs, os::unix::fs::PermissionsExt};
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("provider.redb");
		let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
		Store::open(&path, &[1; 32], &[2; 32]).unwrap().put(7, &Stage::Claimed).unwrap();
		assert_eq!(mode(), 0o600);
		fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
		let store = Store::open(&path, &[1; 32], &[2; 32]).unwrap();
		assert_eq!((mode(), store.get(7).unwrap()), (0o600, Some(Stage::Claimed)));
	}

	#[test]
	fn store_should_name_the_job_when_its_record_is_damaged() {
		let dir = tempfile::tempdir().unwrap();
		let store = Store::open(&dir.path().join("p.redb"), &[1; 32], &[2; 32]).unwrap();
		let tx = store.db.begin_write().unwrap();
		tx.open_table(JOBS).unwrap().insert(3, b"{\"stage\":\"nonsense\"}".as_slice()).unwrap();
		tx.commit().unwrap();
		let error = store.get(3).unwrap_err();
		assert_eq!(error.code, "state");
		assert!(error.message.contains("job 3"));
		let not_a_database = dir.path().join("other");
		std::fs::write(&not_a_database, [0x5a; 5000]).unwrap();
		assert_eq!(Store::open(&not_a_database, &[1; 32], &[2; 32]).err().unwrap().code, "state");
	}
}
