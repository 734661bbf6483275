//! Tests that need an adapter; a software one is enough. Where there is none they are ignored and
//! counted, unless `BREGMAN_REQUIRE_GPU=1` makes that a failure. `WGPU_ADAPTER_NAME` picks one.

#![expect(
    clippy::print_stderr,
    reason = "which adapter was tested belongs to the result"
)]

#[path = "../common/mod.rs"]
mod common;
mod device;
mod dispatch;
mod equilibrium;
mod mutations;
mod networks;
mod selftest;
mod small;
mod theory;

use bregman::error::Error;
use bregman::gpu::{Gpu, Selection};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let required = std::env::var_os("BREGMAN_REQUIRE_GPU").is_some_and(|v| v == "1");
    let adapter = pollster::block_on(Gpu::request(&selection()));
    let ignored = match &adapter {
        Ok(gpu) => {
            eprintln!("adapter: {}", gpu.summary());
            false
        }
        Err(e) => {
            eprintln!("{e}");
            // Anything else than no adapter is a failure of its own.
            matches!(e, Error::NoAdapter { .. }) && !required
        }
    };
    // What an adapter does not have cannot be tested on it: ignored and counted, too.
    let lacks_f16 = adapter.as_ref().is_ok_and(|gpu| !gpu.has_f16());
    let tests = [
        device::tests(),
        dispatch::tests(),
        networks::tests(),
        small::tests(),
        mutations::tests(),
        theory::tests(),
        equilibrium::tests(),
    ]
    .concat();
    let tests = tests
        .into_iter()
        .map(|(name, test)| (name.to_owned(), Box::new(test) as Body));
    let trials = tests
        .chain(selftest::tests())
        .map(|(name, test)| {
            let lacking = lacks_f16 && name.ends_with(", f16");
            Trial::test(name, move || {
                test();
                Ok(())
            })
            .with_ignored_flag(ignored || lacking)
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// The adapter that the environment asks for, hardware before software.
pub fn selection() -> Selection {
    Selection {
        name: std::env::var("WGPU_ADAPTER_NAME").ok(),
        allow_software: true,
    }
}

/// A device of that adapter, the same for all tests of a thread: a software driver takes most of their time
/// to compile kernels, which a device keeps.
pub fn gpu() -> Gpu {
    thread_local! {
        static SHARED: Gpu = own_gpu();
    }
    SHARED.with(Gpu::clone)
}

/// A device for one test alone, which loses it or gives its kernels other contents.
pub fn own_gpu() -> Gpu {
    pollster::block_on(Gpu::request(&selection())).unwrap_or_else(|e| panic!("{e}"))
}

/// A named test.
pub type Test = (&'static str, fn());

/// What a test does.
pub type Body = Box<dyn FnOnce() + Send>;
