//! Weights and activations in half precision: a plan's kernels are linked with the storage file for it,
//! and its buffers follow the types that the kernels then declare.

use std::collections::HashSet;

use half::f16;

use super::op::{BufferSpec, Contents, Op};
use super::reflect::reflect;
use crate::error::{Error, Result};
use crate::kind::Storage;

/// Changes the ops, and the buffers that they share, to half precision.
///
/// # Errors
/// [`Error::InvalidValue`] if a kernel takes a buffer in single precision only that others take in half
/// precision, as kernels of the unfused path and of convolutions do.
pub(crate) fn to_half(ops: &mut [&mut Op], buffers: &mut [BufferSpec]) -> Result<()> {
    let mut half = HashSet::new();
    for op in ops.iter_mut().filter(|op| !op.any_storage) {
        op.shader = op.shader.clone().stored(Storage::F16);
        half.extend(bound(op, true)?);
    }
    for op in ops.iter_mut().filter(|op| op.any_storage) {
        if op.buffers.iter().any(|(_, id)| half.contains(&id.0)) {
            op.shader = op.shader.clone().stored(Storage::F16);
        }
    }
    for op in ops.iter() {
        if let Some(id) = bound(op, false)?.find(|id| half.contains(id)) {
            return Err(Error::InvalidValue {
                field: "storage",
                value: Storage::F16.name().to_owned(),
                reason: format!(
                    "kernel {} takes buffer {} in f32 only: half precision needs fused kernels, layers of one \
                     activation, no convolutions, no limit of the gradient's norm, and plain SGD beside M",
                    op.shader.kernel(),
                    buffers[id].name
                ),
            });
        }
    }
    for id in half {
        let buffer = &mut buffers[id];
        if let Contents::Bytes(bytes) = &mut buffer.contents {
            *bytes = encode(&bytemuck::pod_collect_to_vec(bytes), true);
        }
        buffer.bytes = (buffer.bytes / 2).next_multiple_of(4);
        buffer.half = true;
    }
    Ok(())
}

/// The buffers that an op takes in half precision, or those that it takes otherwise.
fn bound(op: &Op, half: bool) -> Result<impl Iterator<Item = usize> + use<>> {
    let mut bindings = reflect(&op.shader)?.bindings;
    bindings.retain(|binding| binding.half == half);
    let buffers = op.buffers.clone();
    let named = move |name: &str| bindings.iter().any(|binding| binding.name == name);
    Ok(buffers
        .into_iter()
        .filter(move |(name, _)| named(name))
        .map(|(_, id)| id.0))
}

/// The bytes of a buffer for `values`, padded to whole words.
pub(crate) fn encode(values: &[f32], half: bool) -> Vec<u8> {
    if !half {
        return bytemuck::cast_slice(values).to_vec();
    }
    let halves = values.iter().map(|&value| f16::from_f32(value).to_bits());
    let mut halves: Vec<u16> = halves.collect();
    halves.resize(halves.len().next_multiple_of(2), 0);
    bytemuck::cast_slice(&halves).to_vec()
}

/// The first `len` values in the bytes of a buffer.
pub(crate) fn decode(bytes: &[u8], half: bool, len: usize) -> Vec<f32> {
    let mut values: Vec<f32> = match half {
        false => bytemuck::pod_collect_to_vec(bytes),
        true => bytemuck::pod_collect_to_vec::<u8, u16>(bytes)
            .into_iter()
            .map(|bits| f16::from_bits(bits).to_f32())
            .collect(),
    };
    values.truncate(len);
    values
}
