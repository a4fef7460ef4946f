//! ctwa: what each Click-to-WhatsApp ad was worth.
pub mod config;
pub mod conversions;
pub mod day;
pub mod engine;
pub mod error;
pub mod extract;
pub mod identity;
pub mod lake;
pub mod mapping;
pub mod schema;
pub mod sessions;
pub mod touches;
