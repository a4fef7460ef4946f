//! Meta's daily figures: the section `[insights]`.
//!
//! In: the section. Out: where the figures lie in the lake, and how they are fetched, unless somebody else's loader lands them.

use std::path::Path;

use super::document::Section;
use super::inputs::layout;
use super::marketing_api::MarketingApi;
use crate::base::error::Result;
use crate::lake::Layout;

/// Meta's figures in the lake.
#[derive(Clone, Debug)]
pub struct Insights {
    pub path: String,
    pub layout: Layout,
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
                section.finish()?;
                Ok(Insights { path, layout, api: None })
            }
            "marketing-api" => {
                let api = MarketingApi::read(&section, base)?;
                section.finish()?;
                Ok(Insights { path, layout: Layout::default(), api: Some(api) })
            }
            other => Err(source
                .error(format!("insights source {other:?} is not known"))
                .mend("write source = \"landed\" or source = \"marketing-api\"")),
        }
    }
}
