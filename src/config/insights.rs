//! Meta's daily figures: the section `[insights]`.
//!
//! In: the section. Out: where the figures lie in the lake, and how they are fetched, unless somebody else's loader lands them.

use std::path::Path;

use super::document::Section;
use super::inputs::{columns, layout, null_words};
use super::marketing_api::MarketingApi;
use crate::base::error::Result;
use crate::base::mapping::TableMapping;
use crate::base::schema::INSIGHTS;
use crate::lake::Layout;

/// Meta's figures in the lake.
#[derive(Clone, Debug)]
pub struct Insights {
    pub path: String,
    pub layout: Layout,
    /// Where the columns of a landed table are found.
    pub columns: TableMapping,
    /// Whether an account without a row on a landed day spent nothing.
    pub absent_means_zero: bool,
    /// How they are fetched; none where somebody's loader lands them.
    pub api: Option<MarketingApi>,
}

impl Insights {
    /// A relative `token_file` is resolved against `base`.
    pub(super) fn read(section: Section<'_>, base: &Path) -> Result<Insights> {
        let source = section.required_text("source")?;
        let path = section.text("path")?.map_or("insights".to_string(), |path| path.value.trim_matches('/').to_string());
        match source.value.as_str() {
            "landed" => {
                let layout = layout(&section, None)?;
                let columns = columns(&section, &INSIGHTS)?;
                let absent_means_zero = section.flag("absent_means_zero")?.is_some_and(|flag| flag.value);
                let null_words = null_words(&section)?;
                section.finish()?;
                let columns = TableMapping { null_words, ..columns };
                Ok(Insights { path, layout, columns, absent_means_zero, api: None })
            }
            "marketing-api" => {
                for key in ["columns", "null_words", "absent_means_zero"] {
                    if let Some(place) = section.place_of(key) {
                        return Err(place.error(format!("`{key}` is for insights that others land")).mend("remove it"));
                    }
                }
                let api = MarketingApi::read(&section, base)?;
                section.finish()?;
                let columns = TableMapping::identity(&INSIGHTS);
                Ok(Insights { path, layout: Layout::default(), columns, absent_means_zero: false, api: Some(api) })
            }
            other => Err(source
                .error(format!("insights source {other:?} is not known"))
                .mend("write source = \"landed\" or source = \"marketing-api\"")),
        }
    }
}
