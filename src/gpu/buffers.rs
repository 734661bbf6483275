//! Collecting the buffers of a plan.

use super::op::{BufferId, BufferSpec, Contents, Step};

/// The buffers of a plan so far, by [`BufferId`].
#[derive(Clone, Debug, Default)]
pub struct BufferSpecs(pub Vec<BufferSpec>);

impl BufferSpecs {
    /// A buffer of `len` words, all 0.
    pub fn zeros(&mut self, name: impl Into<String>, len: usize) -> BufferId {
        self.push(name, 4 * len, Contents::Zeros)
    }

    /// A buffer of these bytes, padded with zeros to whole words.
    pub fn bytes(&mut self, name: impl Into<String>, mut bytes: Vec<u8>) -> BufferId {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        self.push(name, bytes.len(), Contents::Bytes(bytes))
    }

    /// A buffer of these values.
    pub fn values<T: bytemuck::Pod>(&mut self, name: impl Into<String>, values: &[T]) -> BufferId {
        self.bytes(name, bytemuck::cast_slice(values).to_vec())
    }

    /// The uniforms of `steps`.
    pub fn steps(
        &mut self,
        name: impl Into<String>,
        steps: impl IntoIterator<Item = Step>,
    ) -> BufferId {
        let bytes = Step::uniforms(steps);
        self.push(name, bytes.len(), Contents::Steps(bytes))
    }

    fn push(&mut self, name: impl Into<String>, bytes: usize, contents: Contents) -> BufferId {
        self.0.push(BufferSpec {
            name: name.into(),
            bytes: bytes as u64,
            half: false,
            contents,
        });
        BufferId(self.0.len() - 1)
    }
}
