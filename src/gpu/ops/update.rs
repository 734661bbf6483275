//! The update of a parameter by a kernel that computes its gradient: the update files that are linked to the
//! kernel.

use crate::gpu::op::{BufferId, Op};
use crate::gpu::wgsl::{File, RUNS, STEP, wgsl};
use crate::optim::{Recipe, Rule};

/// The use of a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// It is stored, for [`optimizer_step`](super::elementwise::optimizer_step).
    Store,
    /// Stochastic gradient descent.
    Sgd,
    /// The same with momentum.
    Momentum,
    /// The same with Nesterov's momentum.
    Nesterov,
    /// Adam.
    Adam,
    /// AdamW.
    AdamW,
}

impl Update {
    /// Every kind of update.
    pub const ALL: [Self; 6] = [
        Self::Store,
        Self::Sgd,
        Self::Momentum,
        Self::Nesterov,
        Self::Adam,
        Self::AdamW,
    ];

    /// The update of `recipe`.
    pub fn of(recipe: &Recipe) -> Self {
        match (recipe.rule, recipe.moments()) {
            (Rule::Sgd { .. }, 0) => Self::Sgd,
            (Rule::Sgd { nesterov: false }, _) => Self::Momentum,
            (Rule::Sgd { nesterov: true }, _) => Self::Nesterov,
            (Rule::Adam { decoupled, .. }, _) if decoupled => Self::AdamW,
            (Rule::Adam { .. }, _) => Self::Adam,
        }
    }

    /// Its files.
    pub(super) fn files(self) -> Vec<File> {
        let step = match self {
            Self::Store => return vec![wgsl!("elementwise/update/store_gradient")],
            Self::Sgd => wgsl!("elementwise/update/sgd_step"),
            Self::Momentum => wgsl!("elementwise/update/momentum_step"),
            Self::Nesterov => wgsl!("elementwise/update/nesterov_step"),
            Self::Adam => wgsl!("elementwise/update/adam_step"),
            Self::AdamW => wgsl!("elementwise/update/adamw_step"),
        };
        let mut files = vec![step, STEP, RUNS];
        if let Self::Adam | Self::AdamW = self {
            files.push(wgsl!("elementwise/update/adam"));
        }
        files
    }
}

/// An update with its buffers.
#[derive(Clone, Copy, Debug)]
pub struct Updating {
    /// The update.
    pub update: Update,
    /// The uniform with the settings of each realization; the stored gradient needs none.
    pub runs: BufferId,
    /// The moments of each parameter, one word or two, if the update has any.
    pub state: Option<BufferId>,
}

impl Updating {
    /// `op` with the buffers of the update.
    pub(super) fn bind(self, op: Op) -> Op {
        match (self.update, self.state) {
            (Update::Store, _) => op,
            (_, None) => op.bind("runs", self.runs),
            (_, Some(state)) => op.bind("runs", self.runs).bind("state", state),
        }
    }
}
