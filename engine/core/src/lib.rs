//! What the engines share: directives, settings, variables, templates, zones.
#![forbid(unsafe_code)]
