//! Export of networks to ONNX.
//!
//! A network becomes a graph of standard operators (opset 17) for batches of any size. Its input is
//! `pixels`, float32 (batch, features) within [0, 1]; its output is `logits`, float32 (batch, outputs).
//!
//! A network for tables or arrays of numbers takes them raw, as `features`, float32 (batch, features): their
//! preprocessing is part of the graph. A column of text is one feature for each text that training had, 1 for the
//! sample's text and 0 for the others; the metadata entry `features` is a JSON list of all names in their order,
//! `column` or `column=text`. A missing number is NaN, if the network was trained with an imputed mean. A network
//! that predicts values has the output `values`, (batch, values), in their own units. The entry `targets` lists
//! the names of the classes or of the values. The message types follow `onnx.proto` and have only the fields that
//! are needed.

use std::collections::HashMap;

use prost::Message;

use crate::checkpoint::{self, Checkpoint};
use crate::data::prepare::{Affine, InputRule, Scale, TargetRule};
use crate::error::{Error, Result};
use crate::kind::LayerKind;
use crate::nn::cnn::{Block, Cnn};
use crate::nn::{Layer, LayerParameters, LayerShape, Model};

const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;
/// `TensorProto.DataType.INT64`.
const INT64: i32 = 7;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<StringStringEntryProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, optional, tag = "3")]
    i: Option<i64>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
    /// 2 is INT, 7 is INTS.
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(oneof = "Extent", tags = "1, 2")]
    extent: Option<Extent>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Extent {
    #[prost(int64, tag = "1")]
    Value(i64),
    #[prost(string, tag = "2")]
    Name(String),
}

/// A value in the graph, by name.
type Name = String;

/// The graph under construction.
#[derive(Default)]
struct Graph {
    proto: GraphProto,
    constants: HashMap<u32, Name>,
}

impl Graph {
    /// A node of operator `op`; returns its output.
    fn op(&mut self, op: &str, inputs: &[&Name]) -> Name {
        self.op_with(op, inputs, Vec::new())
    }

    fn op_with(&mut self, op: &str, inputs: &[&Name], attribute: Vec<AttributeProto>) -> Name {
        let name = format!("{}_{}", op.to_lowercase(), self.proto.node.len());
        self.proto.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.clone()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.to_owned(),
            attribute,
        });
        name
    }

    fn tensor(&mut self, name: &str, dims: &[usize], values: &[f32]) -> Name {
        self.proto.initializer.push(TensorProto {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: FLOAT,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        });
        name.to_owned()
    }

    /// A constant list of integers.
    fn integers(&mut self, name: &str, values: &[i64]) -> Name {
        self.proto.initializer.push(TensorProto {
            dims: vec![values.len() as i64],
            data_type: INT64,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        });
        name.to_owned()
    }

    fn constant(&mut self, value: f32) -> Name {
        if let Some(name) = self.constants.get(&value.to_bits()) {
            return name.clone();
        }
        let name = self.tensor(&format!("constant_{}", self.constants.len()), &[], &[value]);
        self.constants.insert(value.to_bits(), name.clone());
        name
    }

    fn clip(&mut self, x: &Name, low: f32, high: f32) -> Name {
        let [low, high] = [low, high].map(|bound| self.constant(bound));
        self.op("Clip", &[x, &low, &high])
    }

    /// x · factor.
    fn scaled(&mut self, x: &Name, factor: f32) -> Name {
        let factor = self.constant(factor);
        self.op("Mul", &[x, &factor])
    }

    /// number − x.
    fn sub_from(&mut self, number: f32, x: &Name) -> Name {
        let number = self.constant(number);
        self.op("Sub", &[&number, x])
    }

    /// √(1 − z²), as √((1 − z)(1 + z)).
    fn sqrt_one_minus_square(&mut self, z: &Name) -> Name {
        let one = self.constant(1.0);
        let [below, above] = [self.sub_from(1.0, z), self.op("Add", &[z, &one])];
        let product = self.op("Mul", &[&below, &above]);
        self.op("Sqrt", &[&product])
    }

    /// ρ(a).
    fn rho(&mut self, activation: &str, a: &Name) -> Result<Name> {
        Ok(match activation {
            "isru" => {
                let square = self.op("Mul", &[a, a]);
                let one = self.constant(1.0);
                let sum = self.op("Add", &[&square, &one]);
                let root = self.op("Sqrt", &[&sum]);
                self.op("Div", &[a, &root])
            }
            "sigmoid" => self.op("Sigmoid", &[a]),
            "softplus" => self.op("Softplus", &[a]),
            "arctan" => self.op("Atan", &[a]),
            "scaled-arctan" => {
                let atan = self.op("Atan", &[a]);
                self.scaled(&atan, std::f32::consts::FRAC_2_PI)
            }
            "tanh" => self.op("Tanh", &[a]),
            "sin" => {
                let half_pi = std::f32::consts::FRAC_PI_2;
                let a = self.clip(a, -half_pi, half_pi);
                self.op("Sin", &[&a])
            }
            "arcsinh" => self.op("Asinh", &[a]),
            "identity" => a.clone(),
            "relu" => self.op("Relu", &[a]),
            other => return Err(unknown(other)),
        })
    }

    /// ρ⁻¹(z).
    fn rho_inv(&mut self, activation: &str, z: &Name) -> Result<Name> {
        Ok(match activation {
            "isru" => {
                let root = self.sqrt_one_minus_square(z);
                self.op("Div", &[z, &root])
            }
            "sigmoid" => {
                let below = self.sub_from(1.0, z);
                let ratio = self.op("Div", &[z, &below]);
                self.op("Log", &[&ratio])
            }
            "softplus" => {
                // log(1 − e⁻ᶻ), where 1 − e⁻ᶻ = 2t / (1 + t) with t = tanh(z/2) does not cancel.
                let half = self.scaled(z, 0.5);
                let t = self.op("Tanh", &[&half]);
                let one = self.constant(1.0);
                let [twice, sum] = [self.scaled(&t, 2.0), self.op("Add", &[&t, &one])];
                let difference = self.op("Div", &[&twice, &sum]);
                let log = self.op("Log", &[&difference]);
                self.op("Add", &[z, &log])
            }
            "arctan" => self.op("Tan", &[z]),
            "scaled-arctan" => {
                let angle = self.scaled(z, std::f32::consts::FRAC_PI_2);
                self.op("Tan", &[&angle])
            }
            "tanh" => self.op("Atanh", &[z]),
            "sin" => self.op("Asin", &[z]),
            "arcsinh" => self.op("Sinh", &[z]),
            "identity" => z.clone(),
            other => return Err(unknown(other)),
        })
    }

    /// zWᵀ + b.
    fn affine(
        &mut self,
        prefix: &str,
        layer: &LayerShape,
        p: &LayerParameters<f32>,
        z: &Name,
    ) -> Name {
        let dims = [layer.outputs, layer.inputs];
        let weight = self.tensor(&format!("{prefix}.weight"), &dims, &p.weight);
        let bias = self.tensor(&format!("{prefix}.bias"), &dims[..1], &p.bias);
        self.op_with("Gemm", &[z, &weight, &bias], vec![transposed()])
    }

    /// A constant of numbers, as float32.
    fn vector(&mut self, name: &str, numbers: &[f64]) -> Name {
        let numbers: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
        self.tensor(name, &[numbers.len()], &numbers)
    }

    /// The inputs of the network from pixels.
    fn pixels(&mut self, model: &Model) -> Name {
        let pixels = "pixels".to_owned();
        self.proto.input.push(value("pixels", model.inputs()));
        let [low, high] = model.input_range;
        let spread = self.scaled(&pixels, high - low);
        let low_name = self.constant(low);
        let shifted = self.op("Add", &[&spread, &low_name]);
        self.clip(&shifted, low, high)
    }

    /// The inputs of the network from raw numbers.
    fn prepared(&mut self, rule: &InputRule, scale: &Scale) -> Result<Name> {
        let affine = rule.affine();
        let of = |number: fn(&Affine) -> f64| affine.iter().map(number).collect::<Vec<f64>>();
        let mut x = "features".to_owned();
        self.proto.input.push(value("features", affine.len()));
        if affine.iter().any(|own| own.fill.is_some()) {
            let fill = self.vector("prepare.fill", &of(|own| own.fill.unwrap_or(0.0)));
            let missing = self.op("IsNaN", &[&x]);
            x = self.op("Where", &[&missing, &fill, &x]);
        }
        let low = self.vector("prepare.low", &of(|own| own.low));
        let high = self.vector("prepare.high", &of(|own| own.high));
        x = self.op("Max", &[&x, &low]);
        x = self.op("Min", &[&x, &high]);
        // A float64 as the sum of two float32, so that large numbers that are close to each other lose
        // nothing by the subtraction.
        let shift = self.vector("prepare.shift", &of(|own| own.shift));
        let rest = self.vector(
            "prepare.shift_rest",
            &of(|own| own.shift - f64::from(own.shift as f32)),
        );
        x = self.op("Sub", &[&x, &shift]);
        x = self.op("Sub", &[&x, &rest]);
        let factor = self.vector("prepare.factor", &of(|own| own.factor));
        x = self.op("Mul", &[&x, &factor]);
        let offset = self.vector("prepare.offset", &of(|own| own.offset));
        x = self.op("Add", &[&x, &offset]);
        if let Scale::Dual(rho) = scale {
            x = self.rho(rho.name, &x)?;
        }
        let [low, high] = scale.bounds();
        Ok(self.clip(&x, low, high))
    }

    /// The features of a convolutional front-end, from inputs x. Dropout is used in training only.
    fn features(&mut self, cnn: &Cnn, p: &[LayerParameters<f32>], x: &Name) -> Result<Name> {
        let first = &cnn.blocks[0].conv;
        let image = [first.channels, first.height, first.width].map(|n| n as i64);
        let shape = self.integers("image", &[&[-1], &image[..]].concat());
        let mut x = self.op("Reshape", &[x, &shape]);
        for (number, (Block { conv, pool }, p)) in cnn.blocks.iter().zip(p).enumerate() {
            let [height, width] = conv.kernel;
            let dims = [conv.filters, conv.channels, height, width];
            let weight = self.tensor(&format!("conv.{number}.weight"), &dims, &p.weight);
            let bias = self.tensor(&format!("conv.{number}.bias"), &dims[..1], &p.bias);
            let windows = vec![
                integers("kernel_shape", &conv.kernel),
                integers("strides", &[conv.stride; 2]),
                integers("pads", &[conv.padding; 4]),
            ];
            x = self.op_with("Conv", &[&x, &weight, &bias], windows);
            x = self.rho(cnn.activation.name, &x)?;
            if let Some(pool) = pool {
                let windows = vec![
                    integers("kernel_shape", &[pool.kernel; 2]),
                    integers("strides", &[pool.stride; 2]),
                ];
                x = self.op_with("MaxPool", &[&x], windows);
            }
        }
        Ok(self.op("Flatten", &[&x]))
    }

    /// The hidden layers, from inputs x: eq. 20, or its dual form.
    fn hidden(&mut self, checkpoint: &Checkpoint, x: Name) -> Result<Name> {
        let model = &checkpoint.model;
        let (mut z, mut dual) = match &model.cnn {
            None => (x, None),
            Some(cnn) => {
                let first = &model.layers[0];
                let mut features = self.features(cnn, &checkpoint.parameters.conv, &x)?;
                if first.is_dual() {
                    features = self.limit_dual(first, features);
                }
                (self.rho(first.activation.name, &features)?, Some(features))
            }
        };
        for (l, (layer, p)) in model
            .layers
            .iter()
            .zip(&checkpoint.parameters.layers)
            .enumerate()
        {
            let prefix = format!("layers.{l}");
            let (shape, rho) = (&layer.shape, layer.activation.name);
            if model.passes_dual(l) {
                let below = &model.layers[l - 1];
                let a = match dual.take().filter(|_| below.is_dual()) {
                    Some(carried) => carried,
                    None => self.lift(below, &z)?,
                };
                let a = self.limit_dual(layer, a);
                z = self.rho(rho, &a)?;
                dual = Some(a);
            }
            let mut a = self.affine(&prefix, shape, p, &z);
            let u = match &p.mix {
                Some(mix) => {
                    let dims = [shape.outputs, shape.inputs];
                    let mix = self.tensor(&format!("{prefix}.mix"), &dims, mix);
                    self.op_with("Gemm", &[&z, &mix], vec![transposed()])
                }
                None => z.clone(),
            };
            let skip = match layer.kind {
                LayerKind::Standard => None,
                LayerKind::Euclidean => Some(u),
                LayerKind::Bregman => match dual.take() {
                    Some(carried) if model.carries_dual(l) => Some(carried),
                    _ => Some(self.lift(layer, &u)?),
                },
            };
            if let Some(skip) = skip {
                a = self.op("Add", &[&skip, &a]);
            }
            if layer.is_dual() {
                a = self.limit_dual(layer, a);
            }
            z = self.rho(rho, &a)?;
            dual = Some(a);
        }
        Ok(z)
    }

    /// ρ⁻¹(clamp(u)) of a layer.
    fn lift(&mut self, layer: &Layer, u: &Name) -> Result<Name> {
        let [low, high] = layer.clamp;
        let clamped = self.clip(u, low, high);
        self.rho_inv(layer.activation.name, &clamped)
    }

    /// a within the bounds of a layer's activation, if it has any.
    fn limit_dual(&mut self, layer: &Layer, a: Name) -> Name {
        let most = layer.activation.dual_max;
        match layer.limits_dual() {
            true => self.clip(&a, -most, most),
            false => a,
        }
    }
}

/// An attribute of integers.
fn integers(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: None,
        ints: values.iter().map(|&x| x as i64).collect(),
        kind: 7,
    }
}

/// The attribute of a `Gemm` that transposes its second operand, (out, in).
fn transposed() -> AttributeProto {
    AttributeProto {
        name: "transB".to_owned(),
        i: Some(1),
        ints: Vec::new(),
        kind: 2,
    }
}

fn unknown(activation: &str) -> Error {
    Error::UnknownName {
        kind: "activation for ONNX",
        name: activation.to_owned(),
        known: crate::activation::Activation::ALL
            .each_ref()
            .map(|a| a.name)
            .join(", "),
    }
}

/// The bytes of an ONNX file of a trained network.
///
/// # Errors
/// [`Error::UnknownName`] for an activation that is not one of the crate's.
pub fn export(checkpoint: &Checkpoint) -> Result<Vec<u8>> {
    let model = &checkpoint.model;
    let mut graph = Graph::default();
    let x = match model.preparation.as_ref().map(|own| &own.inputs) {
        Some(rule @ InputRule::Columns { scale, .. }) => graph.prepared(rule, scale)?,
        _ => graph.pixels(model),
    };
    let z = graph.hidden(checkpoint, x)?;
    let mut out = graph.affine("head", &model.head, &checkpoint.parameters.head, &z);
    let mut name = "logits";
    if let Some(TargetRule::Values {
        means, deviations, ..
    }) = model.target()
    {
        let deviations = graph.vector("target.deviations", deviations);
        let means = graph.vector("target.means", means);
        out = graph.op("Mul", &[&out, &deviations]);
        out = graph.op("Add", &[&out, &means]);
        name = "values";
    }
    if let Some(node) = graph.proto.node.last_mut() {
        debug_assert_eq!(node.output, [out]);
        node.output = vec![name.to_owned()];
    }
    graph.proto.output.push(value(name, model.head.outputs));
    graph.proto.name = "bregman".to_owned();
    let proto = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "bregman".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph.proto),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: description(model, &checkpoint.dataset),
    };
    Ok(proto.encode_to_vec())
}

fn description(model: &Model, dataset: &str) -> Vec<StringStringEntryProto> {
    let entries = [
        ("layer", model.kind_name()),
        ("form", model.form_name()),
        ("activation", model.activation_name()),
        ("loss", model.loss.name()),
        ("dataset", dataset),
    ];
    let entry = |(key, value): (&str, &str)| StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let mut entries = entries.map(entry).to_vec();
    if model.uniform().is_none() {
        let described = checkpoint::description(model);
        let layers = described.iter().find(|(key, _)| *key == "layers");
        entries.extend(layers.map(|(key, json)| entry((key, json))));
    }
    if let Some(preparation) = &model.preparation {
        let list = |names: &[String]| serde_json::to_string(names).expect("strings serialize");
        if !preparation.inputs.is_pixels() {
            entries.push(entry(("features", &list(&preparation.inputs.names()))));
        }
        entries.push(entry(("targets", &list(preparation.target.names()))));
        entries.push(entry(("preparation", &preparation.to_json())));
    }
    entries
}

/// An input or output of float32, (batch, width).
fn value(name: &str, width: usize) -> ValueInfoProto {
    let extents = [
        Extent::Name("batch".to_owned()),
        Extent::Value(width as i64),
    ];
    let dim = extents.map(|extent| Dimension {
        extent: Some(extent),
    });
    ValueInfoProto {
        name: name.to_owned(),
        kind: Some(TypeProto {
            tensor_type: Some(TensorType {
                elem_type: FLOAT,
                shape: Some(TensorShapeProto { dim: dim.to_vec() }),
            }),
        }),
    }
}
