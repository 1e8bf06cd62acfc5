//! Environment variables by which AI agents mark the commands they run.
//!
//! Where one is set, verbs that print values refuse: what a command prints goes to a model's
//! provider. `-allow-agent` is the way out, and it is the user who grants it.

use cofferdam_api::places::Environment;

/// Each marker with the tool that sets it for its commands.
pub(crate) const MARKERS: &[(&str, &str)] = &[
    ("AI_AGENT", "any agent that follows the convention"),
    ("CLAUDECODE", "Claude Code"),
    ("CODEX_SANDBOX", "Codex"),
    ("CODEX_SANDBOX_NETWORK_DISABLED", "Codex"),
    ("CURSOR_AGENT", "Cursor"),
    ("GEMINI_CLI", "Gemini CLI"),
    ("OPENCODE", "opencode"),
    ("AGENT", "Goose and Amp"),
];

/// The first marker that is set.
pub(crate) fn found(environment: Environment<'_>) -> Option<&'static str> {
    let names = MARKERS.iter().map(|(name, _)| *name);
    names.into_iter().find(|name| environment(name).is_some())
}
