//! The one test binary: every check of the project that is not beside the code it checks.

mod cases;
mod lake;
mod oracle;
mod properties;
mod rows;
mod sample;
mod world;
mod worlds;
