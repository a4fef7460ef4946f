//! The one test binary: every check of the project that is not beside the code it checks.

mod cases;
mod lake;
mod oracle;
mod rows;
mod sample;
mod world;
