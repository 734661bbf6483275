//! Collecting the buffers of a plan.

use std::sync::LazyLock;

use super::op::{BufferId, BufferSpec, Contents, Step};
use super::ops::layer::gather::Source;
use super::wgsl::{RUNS, constants};
use crate::data::{Dataset, Inputs, Targets};
use crate::error::{Error, Result};
use crate::optim::Recipe;

/// The most realizations that the uniform of their settings has room for, as its file states it.
static MOST_RUNS: LazyLock<usize> = LazyLock::new(|| {
    let module = naga::front::wgsl::parse_str(RUNS.text).expect("the file is checked by a test");
    constants(&module)["MOST_RUNS"] as usize
});

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

    /// The inputs of `data`; `pixel_values` has the value of each byte.
    pub fn source(&mut self, name: &str, data: &Dataset, pixel_values: BufferId) -> Source {
        match &data.inputs {
            Inputs::Bytes(bytes) => Source::Bytes {
                pixels: self.bytes(format!("{name} pixels"), bytes.clone()),
                pixel_values,
            },
            Inputs::Numbers(all) => Source::Numbers(self.values(format!("{name} inputs"), all)),
        }
    }

    /// The targets of `data`, as [`crate::gpu::ops::loss::Operands`] has them.
    pub fn targets(&mut self, name: &str, data: &Dataset) -> BufferId {
        let name = format!("{name} targets");
        match &data.targets {
            Targets::Classes(labels) => self.values(name, labels),
            Targets::Values(values) => self.values(name, values),
        }
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

    /// The uniform of the settings of `realizations` of `recipe`, as `shaders/lib/runs.wgsl` declares it.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for more realizations than it has room for.
    pub fn runs(&mut self, recipe: &Recipe, realizations: usize) -> Result<BufferId> {
        let most = *MOST_RUNS;
        if realizations > most {
            return Err(Error::InvalidValue {
                field: "realizations",
                value: realizations.to_string(),
                reason: format!("an adapter trains at most {most} side by side"),
            });
        }
        let mut runs = vec![[0.0f32; 4]; most];
        for (r, numbers) in runs.iter_mut().take(realizations).enumerate() {
            let run = recipe.run(r);
            *numbers = [run.learning_rate, run.momentum, run.weight_decay, 0.0];
        }
        let bytes = bytemuck::cast_slice(&runs).to_vec();
        Ok(self.push("runs", bytes.len(), Contents::Uniform(bytes)))
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
