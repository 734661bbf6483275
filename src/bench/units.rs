//! The rate of an adapter's matrix units, by products of small matrices that stay in registers.

use half::f16;
use serde::{Deserialize, Serialize};

use super::{Limits, Row, row, time};
use crate::error::Result;
use crate::gpu::ops::bench::coop_peak::{Fragment, LEFT, RIGHT, coop_peak};
use crate::gpu::{
    BufferId, BufferSpec, Buffers, Contents, Gpu, MatrixShape, MatrixUnits, Program, Selection,
};

/// What was found of an adapter's matrix units.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Units {
    /// The products that the adapter lists, (m, k) · (k, n) as "m × n × k", with the number types of the
    /// operands and of the sums.
    pub shapes: Vec<String>,
    /// The number of invocations in a subgroup, if all subgroups have the same.
    pub subgroup: Option<usize>,
    /// The rates of the products of halves with sums in single precision.
    pub rows: Vec<Row>,
    /// The reason why there are no rates, or what is wrong with them.
    pub note: Option<String>,
}

/// The adapter's matrix units and their rates, as shares of the FMA peak of `limits`. `partial` is called with
/// what the adapter lists before a kernel runs.
///
/// # Errors
/// Those of the adapter and of [`Program`].
pub(super) fn measure(
    selection: &Selection,
    limits: &Limits,
    rounds: usize,
    partial: &mut dyn FnMut(&Units),
) -> Result<Units> {
    let MatrixUnits { shapes, subgroup } = pollster::block_on(Gpu::matrix_units(selection))?;
    let mut found = Units {
        shapes: shapes.iter().map(MatrixShape::to_string).collect(),
        subgroup,
        ..Units::default()
    };
    partial(&found);
    let listed = |fragment: &Fragment| {
        let side = fragment.sizes().side as u32;
        let wanted = MatrixShape {
            m: side,
            n: side,
            k: side,
            operands: "f16",
            sums: "f32",
        };
        shapes.contains(&wanted)
    };
    let fragments: Vec<Fragment> = Fragment::ALL.into_iter().filter(listed).collect();
    let subgroup = match (&fragments[..], subgroup) {
        // An adapter without any product needs no further word.
        ([], _) if shapes.is_empty() => return Ok(found),
        ([], _) => {
            let note =
                "The adapter lists no square product of halves with sums in single precision.";
            found.note = Some(note.to_owned());
            return Ok(found);
        }
        (_, None) => {
            let note = "The adapter's subgroups differ in size, and the kernel needs one size.";
            found.note = Some(note.to_owned());
            return Ok(found);
        }
        (_, Some(subgroup)) => subgroup,
    };
    let mut gpu = pollster::block_on(Gpu::request_with_matrix_units(selection))?;
    for fragment in fragments {
        if !pollster::block_on(is_right(&mut gpu, fragment, subgroup))? {
            let side = fragment.sizes().side;
            found.note = Some(format!("The sums of {side} × {side} fragments are WRONG."));
        }
        found
            .rows
            .push(rate(&mut gpu, fragment, subgroup, limits, rounds)?);
        partial(&found);
    }
    Ok(found)
}

/// The rate of the products of `fragment`.
fn rate(
    gpu: &mut Gpu,
    fragment: Fragment,
    subgroup: usize,
    limits: &Limits,
    rounds: usize,
) -> Result<Row> {
    let workgroups = if gpu.summary().software { 2 } else { 4096 };
    let (_, program) = pollster::block_on(program(gpu, fragment, workgroups, subgroup))?;
    let sizes = fragment.sizes();
    let flops = workgroups * (sizes.threads / subgroup) * sizes.flops();
    let name = format!("products of {0} × {0} fragments, f16 → f32", sizes.side);
    let times = time(gpu, &program, rounds)?;
    Ok(row(name, times, flops as f64, program.dispatches(), limits))
}

/// Whether a workgroup's sums are those of the host, to the last bit.
async fn is_right(gpu: &mut Gpu, fragment: Fragment, subgroup: usize) -> Result<bool> {
    let (buffers, program) = program(gpu, fragment, 1, subgroup).await?;
    program.run(gpu, 0..1)?;
    let bytes = buffers.read(gpu, &[BufferId(1)]).await?.remove(0);
    let sums: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
    let expected = sums_of_a_subgroup(fragment);
    Ok(sums.chunks(expected.len()).all(|sums| sums == expected))
}

/// The program of `workgroups` workgroups, and its buffers: operands and output.
async fn program(
    gpu: &Gpu,
    fragment: Fragment,
    workgroups: usize,
    subgroup: usize,
) -> Result<(Buffers, Program)> {
    let sizes = fragment.sizes();
    let operands: Vec<f16> = operands(fragment).into_iter().map(f16::from_f32).collect();
    let subgroups = workgroups * (sizes.threads / subgroup);
    let specs = [
        BufferSpec {
            name: "operands".to_owned(),
            bytes: 2 * operands.len() as u64,
            half: true,
            contents: Contents::Bytes(bytemuck::cast_slice(&operands).to_vec()),
        },
        BufferSpec {
            name: "output".to_owned(),
            bytes: (4 * subgroups * sizes.outputs()) as u64,
            half: false,
            contents: Contents::Zeros,
        },
    ];
    let buffers = Buffers::new(gpu, &specs).await?;
    let op = coop_peak(fragment, workgroups, subgroup, BufferId(0), BufferId(1));
    let program = Program::new(gpu, &buffers, &[op], None).await?;
    Ok((buffers, program))
}

/// The numbers of the operands, one matrix after the other: multiples of 1/8 from −1 to 1.
fn operands(fragment: Fragment) -> Vec<f32> {
    let len = (LEFT + RIGHT) * fragment.sizes().side.pow(2);
    let number = |i: u32| (i.wrapping_mul(2_654_435_761) >> 13) % 17;
    (0..len as u32)
        .map(|i| number(i) as f32 / 8.0 - 1.0)
        .collect()
}

/// The eight sums of each subgroup: the products of each left operand with each right one, times the rounds.
fn sums_of_a_subgroup(fragment: Fragment) -> Vec<f32> {
    let sizes = fragment.sizes();
    let (side, operands) = (sizes.side, operands(fragment));
    let matrices: Vec<&[f32]> = operands.chunks(side * side).collect();
    let (left, right) = matrices.split_at(LEFT);
    let mut sums = Vec::new();
    for a in left {
        for b in right {
            for (row, column) in (0..side).flat_map(|r| (0..side).map(move |c| (r, c))) {
                let terms = (0..side).map(|k| a[row * side + k] * b[k * side + column]);
                sums.push(sizes.rounds as f32 * terms.sum::<f32>());
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sums_are_exact_and_as_many_as_the_kernel_stores() {
        for fragment in Fragment::ALL {
            let sizes = fragment.sizes();
            assert_eq!(sizes.sums, LEFT * RIGHT);
            let sums = sums_of_a_subgroup(fragment);
            assert_eq!(sums.len(), sizes.outputs());
            // Multiples of 1/64 below 2¹⁸ have 24 bits, however they are added.
            let most = (sizes.rounds * sizes.side) as f32;
            assert!(most < 262_144.0 && sums.iter().all(|sum| sum.abs() <= most));
            let mut distinct = sums.clone();
            distinct.sort_by(f32::total_cmp);
            distinct.dedup();
            assert!(distinct.len() > 100, "{}", distinct.len());
        }
    }
}
