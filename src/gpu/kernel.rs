//! Compiled kernels.

use super::op::Grid;
use super::reflect::{Access, Binding, Reflection, reflect};
use super::shader::Shader;
use crate::error::{Error, Result};

/// A compiled kernel.
pub(super) struct Kernel {
    pub label: String,
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    /// The layout of group 1, if the kernel reads the step.
    pub step_layout: Option<wgpu::BindGroupLayout>,
    pub reflection: Reflection,
}

impl Kernel {
    /// Compiles `shader`. The caller watches `device` for errors.
    ///
    /// # Errors
    /// [`Error::Shader`] if naga refuses the module.
    pub(super) fn build(device: &wgpu::Device, shader: &Shader) -> Result<Self> {
        let reflection = reflect(shader)?;
        let label = shader.label();
        let layout = bind_group_layout(device, &reflection, 0);
        let reads_step = reflection.bindings.iter().any(|b| b.group == 1);
        let step_layout = reads_step.then(|| bind_group_layout(device, &reflection, 1));
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(shader.link().into()),
        };
        let mut checks = wgpu::ShaderRuntimeChecks::checked();
        checks.force_loop_bounding = false;
        // SAFETY: every loop in `shaders/` counts to a bound taken from `Params` or a constant,
        // so none runs without end, which is the only thing the omitted check prevents;
        // bounds checks stay on.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &match &step_layout {
                None => vec![Some(&layout)],
                Some(step) => vec![Some(&layout), Some(step)],
            },
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(shader.kernel()),
            compilation_options: wgpu::PipelineCompilationOptions {
                // No result depends on memory that a workgroup has not written.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        Ok(Self {
            label,
            pipeline,
            layout,
            step_layout,
            reflection,
        })
    }

    /// The number of workgroups along x, y and z.
    pub(super) fn workgroups(&self, grid: Grid, limits: &wgpu::Limits) -> Result<[u32; 3]> {
        let count = match grid {
            Grid::Elements(len) => len.div_ceil(self.reflection.workgroup_size[0] as usize),
            Grid::Workgroups(count) => count,
        };
        let most = limits.max_compute_workgroups_per_dimension;
        fold(count, most).ok_or_else(|| Error::Gpu {
            operation: self.label.clone(),
            message: format!("{count} workgroups, but the adapter allows {most} a dimension"),
        })
    }
}

/// At least `count` workgroups, and fewer than a row more, with at most `most` along each of x and y;
/// `None` if that is impossible.
fn fold(count: usize, most: u32) -> Option<[u32; 3]> {
    let y = count.div_ceil(most as usize);
    let x = count.div_ceil(y.max(1));
    (y <= most as usize).then_some([x as u32, y as u32, 1])
}

fn bind_group_layout(
    device: &wgpu::Device,
    reflection: &Reflection,
    group: u32,
) -> wgpu::BindGroupLayout {
    let entry = |binding: &Binding| wgpu::BindGroupLayoutEntry {
        binding: binding.index,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: match binding.access {
                Access::Uniform => wgpu::BufferBindingType::Uniform,
                Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                Access::Write => wgpu::BufferBindingType::Storage { read_only: false },
            },
            has_dynamic_offset: group == 1,
            min_binding_size: None,
        },
        count: None,
    };
    let of_group = reflection.bindings.iter().filter(|b| b.group == group);
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &of_group.map(entry).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn workgroups_are_folded_beyond_a_dimension() {
        assert_eq!(fold(0, 65_535), Some([0, 0, 1]));
        assert_eq!(fold(65_535, 65_535), Some([65_535, 1, 1]));
        assert_eq!(fold(65_536, 65_535), Some([32_768, 2, 1]));
        assert_eq!(fold(65_537, 65_535), Some([32_769, 2, 1]));
        assert_eq!(fold(49, 7), Some([7, 7, 1]));
        assert_eq!(fold(50, 7), None);
        for count in 1..=49 {
            let [x, y, z] = fold(count, 7).expect("at most 49 workgroups");
            assert!(x <= 7 && y <= 7 && z == 1, "{count}: {x} {y} {z}");
            // No workgroup is left out, and fewer than a row are superfluous.
            let all = (x * y) as usize;
            assert!((count..count + y as usize).contains(&all), "{count}: {all}");
        }
    }
}
