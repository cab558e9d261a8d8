//! The tests of the build script, which stand in it.

#![allow(dead_code, reason = "a build script's main is not called here")]

#[path = "../build.rs"]
mod build;
