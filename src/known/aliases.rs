//! The alias table, read: as it landed, and as the published days know it.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::object::Object;
use crate::config::Settings;
use crate::extract::identity::Identities;
use crate::known::receipts::{IdentitiesReceipt, KNOWN_IDENTITIES};
use crate::lake::Lake;

impl Identities {
    /// Reads the table: every Parquet object under `path`.
    pub fn read(lake: &Lake, path: &str, settings: &Settings) -> Result<Identities> {
        Identities::surveyed(lake, &Identities::objects(lake, path)?, settings)
    }

    /// Reads the table as it was surveyed; no alias where the pipeline names none.
    pub fn surveyed(lake: &Lake, objects: &[Object], settings: &Settings) -> Result<Identities> {
        let bots = settings.bot_by_id();
        let mut identities = Identities::of_bots(settings.bots.len());
        for object in objects {
            lake.read_rows(object, &["bot_id", "alias", "contact_id"], &[], |batch| identities.add(&batch, &bots))
                .map_err(|error| error.with("table", "identities"))?;
        }
        identities.check_loops(settings)?;
        Ok(identities)
    }

    /// Reads the table that the published days know; none where it is lost or cannot be read.
    pub(crate) fn read_known(output: &Lake, receipt: &IdentitiesReceipt, settings: &Settings) -> Result<Option<Identities>> {
        let path = receipt.table();
        let found: Vec<Object> = output.list(KNOWN_IDENTITIES)?.into_iter().filter(|object| object.path == path).collect();
        if found.is_empty() {
            return Ok(None);
        }
        match Identities::surveyed(output, &found, settings) {
            Err(error) if error.kind() == ErrorKind::Data => Ok(None),
            known => known.map(Some),
        }
    }

    /// The objects of the table, which must exist: without it contacts would silently fall apart.
    pub fn objects(lake: &Lake, path: &str) -> Result<Vec<Object>> {
        let is_table = |object: &Object| {
            let name = object.path.rsplit('/').next().unwrap_or_default();
            name.ends_with(".parquet") && !name.starts_with(['_', '.'])
        };
        let objects: Vec<Object> = lake.list(path)?.into_iter().filter(is_table).collect();
        if objects.is_empty() {
            return Err(Error::not_ready("the identities table has no Parquet file")
                .with("table", "identities")
                .with("folder", path)
                .mend("land it, or remove [inputs.identities] from the pipeline file"));
        }
        Ok(objects)
    }
}
