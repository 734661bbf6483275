//! Reading a linked module back through naga: its bindings, its workgroup size and the layout of its
//! `Params`, which are stated in WGSL alone.

use std::collections::HashMap;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ScalarKind, StorageAccess, TypeInner};

use super::shader::Shader;
use super::wgsl::constants;
use crate::error::{Error, Result};

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A uniform buffer.
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is written.
    Write,
}

/// A resource that a kernel declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its `@group`.
    pub group: u32,
    /// Its `@binding`.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// How it is used.
    pub access: Access,
    /// Whether it is an array in half precision.
    pub half: bool,
}

/// A field of a kernel's `Params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type, "u32" or "f32".
    pub scalar: &'static str,
    /// Its offset in bytes.
    pub offset: u32,
}

/// The bindings and entry points that reflection finds in a linked module.
#[derive(Clone, Debug)]
pub struct Reflection {
    /// The number of invocations in a workgroup, along x, y and z.
    pub workgroup_size: [u32; 3],
    /// Resources, by group and index.
    pub bindings: Vec<Binding>,
    /// The fields of `Params`.
    pub params: Vec<Field>,
    /// The module's u32 constants.
    pub constants: HashMap<String, u32>,
}

/// Parses and validates a linked module.
///
/// # Errors
/// [`Error::Shader`] with naga's diagnostic.
pub fn parse(shader: &Shader) -> Result<(naga::Module, ModuleInfo)> {
    let text = shader.link();
    let failed = |message: String| Error::Shader {
        label: shader.label(),
        message,
    };
    let module =
        naga::front::wgsl::parse_str(&text).map_err(|e| failed(e.emit_to_string(&text)))?;
    let capabilities = Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|e| failed(e.emit_to_string(&text)))?;
    Ok((module, info))
}

/// Parses, validates and reads a linked module.
///
/// # Errors
/// Those of [`parse`] and [`Reflection::new`].
pub fn reflect(shader: &Shader) -> Result<Reflection> {
    let (module, _) = parse(shader)?;
    Reflection::new(shader, &module)
}

impl Reflection {
    /// Reads the module of `shader`.
    ///
    /// # Errors
    /// [`Error::Shader`] if the kernel's entry point is missing, or if `Params` has a field that is not a
    /// scalar.
    pub fn new(shader: &Shader, module: &naga::Module) -> Result<Self> {
        let failed = |message: &str| Error::Shader {
            label: shader.label(),
            message: message.to_owned(),
        };
        let entry = module
            .entry_points
            .iter()
            .find(|e| e.name == shader.kernel())
            .ok_or_else(|| failed("no entry point has the name of the kernel's file"))?;
        let mut bindings = Vec::new();
        let mut params = Vec::new();
        for (_, variable) in module.global_variables.iter() {
            let (Some(binding), Some(name)) = (&variable.binding, &variable.name) else {
                continue;
            };
            let access = match variable.space {
                AddressSpace::Uniform => Access::Uniform,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                    Access::Write
                }
                _ => Access::Read,
            };
            if name == "params" {
                params = fields(module, &module.types[variable.ty].inner)
                    .ok_or_else(|| failed("`Params` has a field that is neither u32 nor f32"))?;
            }
            bindings.push(Binding {
                group: binding.group,
                index: binding.binding,
                name: name.clone(),
                access,
                half: is_half(module, variable.ty),
            });
        }
        bindings.sort_by_key(|b| (b.group, b.index));
        Ok(Self {
            workgroup_size: entry.workgroup_size,
            bindings,
            params,
            constants: constants(module),
        })
    }
}

fn is_half(module: &naga::Module, ty: naga::Handle<naga::Type>) -> bool {
    match module.types[ty].inner {
        TypeInner::Array { base, .. } => is_half(module, base),
        TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } => scalar == naga::Scalar::F16,
        _ => false,
    }
}

fn fields(module: &naga::Module, inner: &TypeInner) -> Option<Vec<Field>> {
    let TypeInner::Struct { members, .. } = inner else {
        return None;
    };
    let field = |member: &naga::StructMember| match module.types[member.ty].inner {
        TypeInner::Scalar(naga::Scalar { kind, width: 4 }) => Some(Field {
            name: member.name.clone()?,
            scalar: match kind {
                ScalarKind::Uint => "u32",
                ScalarKind::Float => "f32",
                _ => return None,
            },
            offset: member.offset,
        }),
        _ => None,
    };
    members.iter().map(field).collect()
}
