//! Running a plan: buffers, kernels and bind groups are made once and replayed.

use std::collections::HashMap;
use std::sync::Arc;

use super::device::Gpu;
use super::kernel::Kernel;
use super::op::{BufferId, BufferSpec, Contents, Op, Part, STEP_STRIDE, Step};
use super::reflect::Binding;
use crate::error::Result;

/// Buffers on a device, by [`BufferId`].
pub struct Buffers(Vec<wgpu::Buffer>);

impl Buffers {
    /// Allocates `specs` and uploads their initial contents.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the device is out of memory.
    pub async fn new(gpu: &Gpu, specs: &[BufferSpec]) -> Result<Self> {
        gpu.scoped("allocating buffers", || {
            Self(specs.iter().map(|spec| buffer(gpu, spec)).collect())
        })
        .await
    }

    pub(super) fn get(&self, id: BufferId) -> &wgpu::Buffer {
        &self.0[id.0]
    }

    /// Replaces the first bytes of a buffer.
    pub fn write(&self, gpu: &Gpu, id: BufferId, bytes: &[u8]) {
        gpu.queue.write_buffer(self.get(id), 0, bytes);
    }

    /// Replaces the uniforms of the steps from `slot` on.
    pub(super) fn write_steps(
        &self,
        gpu: &Gpu,
        id: BufferId,
        slot: usize,
        steps: impl Iterator<Item = Step>,
    ) {
        let offset = (slot * STEP_STRIDE) as u64;
        let bytes = Step::uniforms(steps);
        gpu.queue.write_buffer(self.get(id), offset, &bytes);
    }

    /// Replaces the numbers of a buffer from number `first` on.
    pub(super) fn write_from(&self, gpu: &Gpu, id: BufferId, first: usize, numbers: &[f32]) {
        let bytes = bytemuck::cast_slice(numbers);
        gpu.queue
            .write_buffer(self.get(id), 4 * first as u64, bytes);
    }

    /// Makes `slots` the steps of the next dispatch of small networks.
    pub(super) fn write_span(&self, gpu: &Gpu, id: BufferId, slots: &std::ops::Range<usize>) {
        let span = Step::new(slots.start as u32, slots.len() as u32, 0);
        self.write(gpu, id, bytemuck::bytes_of(&span));
    }

    /// The contents of the buffers `ids` after everything submitted has run.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], or [`Error::Gpu`] with the driver's message.
    pub async fn read(&self, gpu: &mut Gpu, ids: &[BufferId]) -> Result<Vec<Vec<u8>>> {
        gpu.read(&ids.iter().map(|&id| self.get(id)).collect::<Vec<_>>())
            .await
    }
}

fn buffer(gpu: &Gpu, spec: &BufferSpec) -> wgpu::Buffer {
    let kind = match spec.contents {
        Contents::Steps(_) | Contents::Uniform(_) => wgpu::BufferUsages::UNIFORM,
        _ => wgpu::BufferUsages::STORAGE,
    };
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(&spec.name),
        size: spec.bytes,
        usage: kind | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    match &spec.contents {
        Contents::Zeros => {}
        Contents::Bytes(bytes) | Contents::Steps(bytes) | Contents::Uniform(bytes) => {
            gpu.queue.write_buffer(&buffer, 0, bytes);
        }
    }
    buffer
}

struct Dispatch {
    kernel: Arc<Kernel>,
    bind_group: wgpu::BindGroup,
    step_group: Option<wgpu::BindGroup>,
    workgroups: [u32; 3],
    /// The bytes of the kernel's `Params`.
    params: Vec<u8>,
}

/// What a dispatch of a [`Program`] runs.
#[derive(Clone, Debug)]
pub struct DispatchSummary {
    /// The label of its shader: the kernel's name and those of the files linked to it, with `+` between
    /// them.
    pub label: String,
    /// The number of its workgroups.
    pub workgroups: usize,
    /// The fields of the kernel's `Params` that are `u32`, by their names.
    pub params: HashMap<String, u32>,
}

/// Dispatches, ready to be replayed.
pub struct Program(Vec<Dispatch>);

impl Program {
    /// Compiles the kernels of `ops` and binds their buffers; `steps` has the uniforms from which the
    /// ops read their step.
    ///
    /// # Errors
    /// [`Error::Shader`] or [`Error::Gpu`] if a kernel does not compile or bind.
    pub async fn new(
        gpu: &Gpu,
        buffers: &Buffers,
        ops: &[Op],
        steps: Option<BufferId>,
    ) -> Result<Self> {
        let limits = gpu.limits();
        gpu.compile(&ops.iter().map(|op| &op.shader).collect::<Vec<_>>())
            .await?;
        let mut dispatches = Vec::with_capacity(ops.len());
        for op in ops {
            let kernel = gpu.kernel(&op.shader).await?;
            let workgroups = kernel.workgroups(op.grid, &limits)?;
            let operation = format!("binding {}", kernel.label);
            let dispatch = gpu
                .scoped(&operation, || {
                    let bind_group = bind_group(gpu, buffers, &kernel, op);
                    let step_group =
                        kernel
                            .step_layout
                            .as_ref()
                            .zip(steps)
                            .map(|(layout, steps)| {
                                let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                                    buffer: buffers.get(steps),
                                    offset: 0,
                                    size: wgpu::BufferSize::new(size_of::<Step>() as u64),
                                });
                                gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                                    label: Some("step"),
                                    layout,
                                    entries: &[wgpu::BindGroupEntry {
                                        binding: 0,
                                        resource,
                                    }],
                                })
                            });
                    Dispatch {
                        bind_group,
                        step_group,
                        workgroups,
                        params: op.params.clone(),
                        kernel: Arc::clone(&kernel),
                    }
                })
                .await?;
            dispatches.push(dispatch);
        }
        Ok(Self(dispatches))
    }

    /// Records step `slot` in a pass.
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, slot: usize) {
        record(&self.0, pass, slot);
    }

    /// Runs the program for the steps `slots`, in one pass and one submission. Returns the number of
    /// earlier submissions that finished meanwhile.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], or [`Error::Gpu`] with the driver's message.
    pub fn run(&self, gpu: &mut Gpu, slots: std::ops::Range<usize>) -> Result<usize> {
        run_in_turn(gpu, &[self], slots)
    }

    /// Records a pass of `steps` steps and drops it without submitting it, to measure the cost of a step on the
    /// host.
    pub fn encode(&self, gpu: &Gpu, steps: usize) {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        (0..steps).for_each(|_| self.record(&mut pass, 0));
        drop(pass);
        drop(encoder.finish());
    }

    /// Runs step 0 `times` times in one pass and waits. Returns the seconds from the start to the end of
    /// the pass by the device's own clock, or `None` if it has no clock that advances.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], or [`Error::Gpu`] with the driver's message.
    pub async fn device_seconds(&self, gpu: &mut Gpu, times: usize) -> Result<Option<f64>> {
        device_seconds(&self.0, gpu, times).await
    }

    /// The same for one dispatch of the step by itself, `index` from 0: seconds of `times` of them.
    ///
    /// # Errors
    /// Those of [`Self::device_seconds`].
    ///
    /// # Panics
    /// If the step has no dispatch `index`.
    pub async fn dispatch_seconds(
        &self,
        gpu: &mut Gpu,
        index: usize,
        times: usize,
    ) -> Result<Option<f64>> {
        device_seconds(std::slice::from_ref(&self.0[index]), gpu, times).await
    }

    /// What each dispatch of a step runs, in their order.
    pub fn summaries(&self) -> Vec<DispatchSummary> {
        self.0.iter().map(Dispatch::summary).collect()
    }

    /// The number of dispatches in a step.
    pub fn dispatches(&self) -> usize {
        self.0.len()
    }
}

impl Dispatch {
    fn summary(&self) -> DispatchSummary {
        let fields = self.kernel.reflection.params.iter();
        let integers = fields.filter(|field| field.scalar == "u32");
        let params = integers.map(|field| {
            let bytes = &self.params[field.offset as usize..][..4];
            (field.name.clone(), bytemuck::pod_read_unaligned(bytes))
        });
        DispatchSummary {
            label: self.kernel.label.clone(),
            workgroups: self
                .workgroups
                .iter()
                .map(|&count| count as usize)
                .product(),
            params: params.collect(),
        }
    }
}

fn record(dispatches: &[Dispatch], pass: &mut wgpu::ComputePass<'_>, slot: usize) {
    for dispatch in dispatches {
        pass.set_pipeline(&dispatch.kernel.pipeline);
        pass.set_bind_group(0, &dispatch.bind_group, &[]);
        if let Some(group) = &dispatch.step_group {
            pass.set_bind_group(1, group, &[(slot * STEP_STRIDE) as u32]);
        }
        let [x, y, z] = dispatch.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Seconds of a pass of `times` times `dispatches`: see [`Program::device_seconds`].
async fn device_seconds(
    dispatches: &[Dispatch],
    gpu: &mut Gpu,
    times: usize,
) -> Result<Option<f64>> {
    let device = gpu.device.clone();
    if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
        return Ok(None);
    }
    let query_set = device.create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("pass"),
        ty: wgpu::QueryType::Timestamp,
        count: 2,
    });
    let resolved = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("timestamps"),
        size: 16,
        usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: None,
        timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
            query_set: &query_set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }),
    });
    (0..times).for_each(|_| record(dispatches, &mut pass, 0));
    drop(pass);
    encoder.resolve_query_set(&query_set, 0..2, &resolved, 0);
    gpu.submit(encoder)?;
    let read = gpu.read(&[&resolved]).await?.remove(0);
    let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&read);
    let nanoseconds =
        ticks[1].saturating_sub(ticks[0]) as f64 * f64::from(gpu.queue.get_timestamp_period());
    Ok((nanoseconds > 0.0).then_some(nanoseconds * 1e-9))
}

/// Runs the steps `slots`, taking the programs in turn from the first on: see [`Program::run`].
///
/// # Errors
/// Those of [`Program::run`].
pub(super) fn run_in_turn(
    gpu: &mut Gpu,
    programs: &[&Program],
    slots: std::ops::Range<usize>,
) -> Result<usize> {
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    for (slot, program) in slots.zip(programs.iter().cycle()) {
        program.record(&mut pass, slot);
    }
    drop(pass);
    gpu.submit(encoder)
}

/// Copies each of `parts` into its whole, or back from it.
///
/// # Errors
/// [`Error::DeviceLost`](crate::error::Error::DeviceLost), or [`Error::Gpu`](crate::error::Error::Gpu) with the
/// driver's message.
pub(super) fn copy(gpu: &mut Gpu, buffers: &Buffers, parts: &[Part], joins: bool) -> Result<()> {
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    for part in parts {
        let [own, whole] = [part.own, part.whole].map(|id| buffers.get(id));
        match joins {
            true => encoder.copy_buffer_to_buffer(own, 0, whole, part.offset, part.bytes),
            false => encoder.copy_buffer_to_buffer(whole, part.offset, own, 0, part.bytes),
        }
    }
    gpu.submit(encoder).map(drop)
}

fn bind_group(gpu: &Gpu, buffers: &Buffers, kernel: &Kernel, op: &Op) -> wgpu::BindGroup {
    let params = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("params"),
        size: op.params.len() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue.write_buffer(&params, 0, &op.params);
    let bound: HashMap<&str, BufferId> = op.buffers.iter().copied().collect();
    let declared: Vec<_> = kernel
        .reflection
        .bindings
        .iter()
        .filter(|b| b.group == 0)
        .collect();
    assert_eq!(
        declared.len(),
        bound.len() + 1,
        "{}: one buffer for each binding",
        kernel.label
    );
    let entry = |binding: &&Binding| wgpu::BindGroupEntry {
        binding: binding.index,
        resource: match binding.name.as_str() {
            "params" => params.as_entire_binding(),
            name => {
                let id = bound.get(name);
                let id = id.unwrap_or_else(|| panic!("{}: `{name}` is not bound", kernel.label));
                buffers.get(*id).as_entire_binding()
            }
        },
    };
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(&kernel.label),
        layout: &kernel.layout,
        entries: &declared.iter().map(entry).collect::<Vec<_>>(),
    })
}
