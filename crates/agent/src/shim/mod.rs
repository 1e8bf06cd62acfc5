//! Secrets from files, for programs that want them as variables.
//!
//! Two dialects are in use and neither is a standard: `X_FILE=/run/secrets/x`, which the official
//! images read, and linuxserver's `FILE__X=/run/secrets/x`. A [`Plan`] is made of an environment
//! and of what [`table`] knows about the image: where the image reads the file itself, the path is
//! handed on in the image's own dialect; everywhere else the file's content becomes the variable.
//! Nothing is started here, and no variable of this process is changed: the result is what the
//! next program's environment has to be.
//!
//! It promises: a file that is missing, empty or not fit for a variable is an error and never an
//! empty value; a variable that is set twice is an error; what a value holds (`$`, quotes,
//! newlines) is never looked at, but for one newline at its end; an error names variables and
//! paths, never content.

mod fill;
mod plan;
pub mod table;
mod value;

pub use fill::{FillError, fill};
pub use plan::{Options, Plan, Setting, ShimError, is_path_name};
pub use value::{ValueError, read as read_value};
