//! Declarations of the C functions that `iothub` calls: Nordic's, and the `iothub_platform_*`
//! functions of its own (`src/include/iothub_platform.h`). Read from both sides of the seam: `ncs`
//! calls them, `iothub-host` defines them on Linux.
//!
//! # Where the headers come from
//! - **In a west build** (feature `generate`) bindgen reads the SDK's own headers with the include
//!   folders, the defines and the `.config` of that build. Kconfig changes the layouts, so those
//!   bindings are good for that one build and are never committed.
//! - **On Linux** they come from `host-include/`, our own declarations of what we use, and are
//!   committed as `src/host.rs`, so that a build needs no libclang. After a change there, write
//!   them anew with `rust/ncs-sys/regenerate`; CI runs `rust/ncs-sys/regenerate --check`.
//!
//! # To add a function
//! Declare it in `host-include/`, name it in the list in `build.rs`, run `rust/ncs-sys/regenerate`,
//! define it in `iothub-host`, wrap it in `ncs`.
//!
//! # Generations
//! The SDK's interface changed over the years. The build script looks at what the headers declare
//! and tells `ncs` by `links` metadata (`DEP_NCS_ON_ALL_EVENTS` …), as autoconf would.
#![no_std]
#![allow(
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case
)]
#![allow(clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks)]
#![allow(clippy::multiple_unsafe_ops_per_block, clippy::missing_safety_doc)]
#![allow(unsafe_op_in_unsafe_fn, unnecessary_transmutes)]

#[cfg(generated)]
include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

#[cfg(not(generated))]
include!("host.rs");
