//! The pipeline file, resolved: zones loaded, locations made absolute, every setting checked before any work is done.
//!
//! In: one TOML file. Out: [`Settings`], which the rest of the program never questions again. Every mistake is a usage error
//! that names the place in the file and the mend. Key names are the contract's.
//!
//! ```text
//! bots.rs            a bot, its members, zone, accounts, and the history of its conversion events
//! document.rs        read key by key, with places
//! edit.rs            a setting written into it
//! engine.rs          which engine finds sessions
//! forms.rs           what of a contact's id is not the contact
//! inputs.rs          where the raw tables lie, and how their columns are mapped
//! insights.rs        where Meta's figures lie, and who lands them
//! marketing_api.rs   how insights are fetched
//! secret.rs          a token that cannot be printed
//! settings.rs        all of it together; the 90-day horizon
//! written.rs         values as text
//! ```

mod bots;
mod document;
mod edit;
mod engine;
mod forms;
mod inputs;
mod insights;
mod marketing_api;
pub mod secret;
mod settings;
pub(crate) mod written;

pub use bots::{Bot, BotCodes, ConversionSetting};
pub use edit::with_setting;
pub use engine::EngineKind;
pub use forms::Forms;
pub use inputs::{AliasInput, PartitionedInput};
pub use insights::Insights;
pub use marketing_api::{ClientSettings, MarketingApi, TokenPlace, base_url, is_loopback};
pub use settings::{Horizon, Settings, known_bot};
