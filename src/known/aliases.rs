//! The alias table, read: as it landed, and as the published days know it.

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::mapping::TableMapping;
use crate::base::object::Object;
use crate::base::schema::IDENTITIES;
use crate::config::{AliasInput, Forms, Settings};
use crate::extract::aliases::AliasRows;
use crate::extract::identity::Identities;
use crate::known::receipts::{IdentitiesReceipt, KNOWN_IDENTITIES};
use crate::lake::{Files, Lake};

impl Identities {
    /// Reads the table: every Parquet object in its folder.
    pub fn read(lake: &Lake, input: &AliasInput, settings: &Settings) -> Result<Identities> {
        let (objects, _) = Identities::settled(lake, input, Identities::files(lake, input)?, &[])?;
        Identities::surveyed(lake, &objects, settings)
    }

    /// Reads the table as it was surveyed; no alias where the pipeline names none.
    pub fn surveyed(lake: &Lake, objects: &[Object], settings: &Settings) -> Result<Identities> {
        let own = TableMapping::identity(&IDENTITIES);
        let columns = settings.identities.as_ref().map_or(&own, |input| &input.columns);
        Identities::of_objects(lake, objects, (settings, columns), &settings.forms)?.check_share(settings.max_rejected_share)
    }

    fn of_objects(
        lake: &Lake,
        objects: &[Object],
        (settings, columns): (&Settings, &TableMapping),
        forms: &Forms,
    ) -> Result<Identities> {
        let bots = settings.bot_by_id();
        let mut rows = AliasRows::new(settings.bots.len(), forms.clone());
        for object in objects {
            rows.read(lake, columns, object, &bots).map_err(|error| error.with("table", "identities"))?;
        }
        Ok(rows.followed())
    }

    /// Reads the table that the published days know; none where it is lost or cannot be read.
    pub(crate) fn read_known(output: &Lake, receipt: &IdentitiesReceipt, settings: &Settings) -> Result<Option<Identities>> {
        let path = receipt.table();
        let found: Vec<Object> = output.list(KNOWN_IDENTITIES)?.into_iter().filter(|object| object.path == path).collect();
        if found.is_empty() {
            return Ok(None);
        }
        // Its ids are in forms already.
        let columns = TableMapping::identity(&IDENTITIES);
        match Identities::of_objects(output, &found, (settings, &columns), &Forms::default()) {
            Err(error) if error.kind() == ErrorKind::Data => Ok(None),
            known => known.map(|known| Some(known.in_forms(settings.forms.clone()))),
        }
    }

    /// The files of the table's folder.
    pub(crate) fn files(lake: &Lake, input: &AliasInput) -> Result<Files> {
        lake.listed_files(&input.path, &input.ignore).map_err(|error| error.with("table", "identities"))
    }

    /// The objects of the table among these files, which must exist: without it contacts would silently fall apart. `known` were read
    /// before. With what is said of files that are not read.
    pub(crate) fn settled(
        lake: &Lake,
        input: &AliasInput,
        files: Files,
        known: &[Object],
    ) -> Result<(Vec<Object>, Option<String>)> {
        let settled = files.settled(lake, &|object| known.contains(object));
        let (objects, left_out) = settled.map_err(|error| error.with("table", "identities"))?;
        if objects.is_empty() {
            return Err(Error::not_ready("the identities table has no Parquet file")
                .with("table", "identities")
                .with("folder", &input.path)
                .mend("land it, or remove [inputs.identities] from the pipeline file"));
        }
        Ok((objects, left_out))
    }
}
