//! Devices that are missing, lost or too small.

use bregman::error::Error;
use bregman::gpu::{BufferSpec, Buffers, Contents, Gpu, Selection};

use crate::{Test, gpu, own_gpu};

pub fn tests() -> Vec<Test> {
    vec![
        (
            "device::unknown_adapter_lists_what_there_is",
            unknown_adapter,
        ),
        ("device::a_lost_device_is_a_typed_error", lost_device),
    ]
}

fn unknown_adapter() {
    let name = Some("no such card".to_owned());
    let error = pollster::block_on(Gpu::request(&Selection {
        name,
        allow_software: true,
    }))
    .err();
    let adapter = gpu().summary().name.clone();
    match error {
        Some(Error::UnknownName { known, .. }) => assert!(known.contains(&adapter), "{known}"),
        other => panic!("{other:?}"),
    }
}

fn lost_device() {
    let mut gpu = own_gpu();
    let spec = BufferSpec {
        name: "b".to_owned(),
        bytes: 4,
        half: false,
        contents: Contents::Zeros,
    };
    let buffers = pollster::block_on(Buffers::new(&gpu, &[spec])).unwrap_or_else(|e| panic!("{e}"));
    gpu.destroy();
    let read = pollster::block_on(buffers.read(&mut gpu, &[bregman::gpu::BufferId(0)]));
    assert!(matches!(read, Err(Error::DeviceLost { .. })), "{read:?}");
}
