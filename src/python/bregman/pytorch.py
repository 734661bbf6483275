"""A trained network as a PyTorch module, which loads the files that `save` and `bregman train --save` write.

    pip install torch safetensors numpy
    python -m bregman.pytorch CHECKPOINT.safetensors FOLDER_OF_IDX_FILES
    python -m bregman.pytorch CHECKPOINT.safetensors TABLE.csv

Run as a program, it counts the test images of the folder that the network classifies correctly, or prints
what a network that was trained on a table predicts for each row of another.

Shapes: z and its dual variable a = ρ⁻¹(z) are (batch, width); W and M are (out, in). The file's metadata
say which layers, activation and input range the network has.
"""
import csv, gzip, json, math, struct, sys
from pathlib import Path

import torch
from torch import nn

# name: (rho, its inverse); rho maps the dual variable a to the primal z.
ACTIVATIONS = {
    "isru": (lambda a: a / torch.sqrt(1 + a * a), lambda z: z / torch.sqrt((1 - z) * (1 + z))),
    "sigmoid": (torch.sigmoid, torch.logit),
    "softplus": (nn.functional.softplus, lambda z: z + torch.log(-torch.expm1(-z))),
    "arctan": (torch.atan, torch.tan),
    "scaled-arctan": (lambda a: torch.atan(a) * 2 / math.pi, lambda z: torch.tan(z * math.pi / 2)),
    "tanh": (torch.tanh, torch.atanh),
    "sin": (lambda a: torch.sin(a.clamp(-math.pi / 2, math.pi / 2)), torch.asin),
    "arcsinh": (torch.asinh, torch.sinh),
    "identity": (lambda a: a, lambda z: z),
    "relu": (torch.relu, None),
}

# Inputs that are rho of something stay where the inverse is finite.
BELOW_ONE = 1 - 2.0**-24
BOUNDS = dict.fromkeys(("isru", "scaled-arctan", "tanh", "sin"), (-BELOW_ONE, BELOW_ONE)) | {
    "sigmoid": (2.0**-126, BELOW_ONE),
    "softplus": (2.0**-126, math.inf),
    "arctan": (-1.5707962512969971, 1.5707962512969971),
    "arcsinh": (-88.0, 88.0),
}


class Preparation:
    """What was made of raw samples in training, from the JSON in the file's metadata.

    A sample of a table or of an array of numbers is one number for each column, and for a column of text 1 for
    its own text and 0 for the others that training had; `names` are those of all, in their order.
    """

    def __init__(self, text):
        rule = json.loads(text)
        self.kind, self.target = next(iter(rule["target"].items()))
        self.columns = None
        if "columns" not in rule["inputs"]:
            return  # images, whose pixels stay as they are
        inputs = rule["inputs"]["columns"]
        how, scale = next(iter(inputs["scale"].items()))
        self.rho = ACTIVATIONS[scale][0] if how == "dual" else lambda x: x
        start, end = (0.0, 1.0) if how == "dual" else scale
        self.bounds = BOUNDS.get(scale, (-math.inf, math.inf)) if how == "dual" else scale
        self.columns, self.names, numbers = inputs["columns"], [], []
        self.impute = inputs["impute"]
        for column in self.columns:
            if "texts" in column:
                self.names += [f"{column['name']}={text}" for text in column["texts"]]
                numbers += [(0.0, 1.0, 0.0, end - start, start, math.nan)] * len(column["texts"])
                continue
            self.names.append(column["name"])
            m = column["number"]
            low, high = m["low"], m["high"]
            factor = 0.0 if low == high else 1 / m["deviation"] if how == "dual" else (end - start) / (high - low)
            offset = start if low < high or how == "dual" else (start + end) / 2
            shift = m["mean"] if how == "dual" else low
            numbers.append((low, high, shift, factor, offset, m["mean"] if self.impute else math.nan))
        self.numbers = torch.tensor(numbers, dtype=torch.float64).T

    def encode(self, rows):
        """Raw samples, (rows, names), of the rows of a table, each a dict of text or numbers by column."""
        def cells(row):
            for column in self.columns:
                cell = row[column["name"]]
                if "texts" in column:
                    yield from (float(text == cell.strip()) for text in column["texts"])
                else:
                    missing = isinstance(cell, str) and cell.strip() in ("", "NA", "N/A", "NaN", "nan", "null", "None", "?")
                    number = math.nan if missing else float(cell)
                    if math.isnan(number) and not self.impute:
                        raise ValueError(f"column {column['name']} has no value in a row, and training had none missing")
                    yield number
        return torch.tensor([list(cells(row)) for row in rows], dtype=torch.float64)

    def inputs(self, raw):
        """The network's inputs, (samples, in), of raw samples."""
        low, high, shift, factor, offset, fill = self.numbers.to(raw.device)
        x = torch.where(raw.isnan(), fill, raw.double()).maximum(low).minimum(high)
        return self.rho(offset + (x - shift) * factor).float().clamp(*self.bounds)

    def values(self, outputs):
        """Values in their own units."""
        means, deviations = (torch.tensor(self.target[name], device=outputs.device) for name in ("means", "deviations"))
        return means + outputs * deviations


class Layer(nn.Linear):
    """A hidden layer; with `mix` also M, through which the skip connection changes width."""

    def __init__(self, inputs, outputs, layer, form, activation, clamp, dual_passage=False):
        super().__init__(inputs, outputs)
        self.kind, self.dual = layer, layer == "bregman" and form == "dual"
        self.activation, self.clamp, self.dual_passage = activation, clamp, dual_passage
        self.rho, self.rho_inv = ACTIVATIONS[activation]
        # The potential of sin is not Legendre, so its dual variable is clamped to ±π/2.
        self.limit = math.pi / 2 if activation == "sin" else math.inf
        if layer != "standard" and inputs != outputs:
            self.mix = nn.Parameter(torch.full((outputs, inputs), 1 / inputs))

    def lift(self, u):
        """The dual variable of u, which is clamped so that it is finite."""
        return self.rho_inv(u.clamp(*self.clamp))

    def enter(self, z, a, below):
        """z and, if there is one for this layer, its dual variable, from those of the layer below."""
        if below is None or below.activation == self.activation:
            return z, a
        if not self.dual_passage:
            return z, None
        a = (below.lift(z) if a is None else a).clamp(-self.limit, self.limit)
        return self.rho(a), a

    def forward(self, z, a):
        """z and, in dual form, a."""
        linear = super().forward(z)
        u = z @ self.mix.T if hasattr(self, "mix") else z
        if self.kind == "bregman":
            carried = self.dual and a is not None and u is z
            a = linear + (a if carried else self.lift(u))
            a = a.clamp(-self.limit, self.limit)
        else:
            a = linear + u if self.kind == "euclidean" else linear
        return self.rho(a), a if self.dual else None


class Network(nn.Module):
    """Hidden layers, then a linear head.

    `widths` are those of the input, the hidden layers and the output; `meta` is the file's metadata.
    """

    def __init__(self, widths, meta):
        super().__init__()
        *widths, outputs = widths
        self.meta = dict(meta)
        self.input_range = float(meta["input_low"]), float(meta["input_high"])
        self.cnn = json.loads(meta["cnn"]) if "cnn" in meta else None
        if self.cnn:
            channels = [self.cnn["image"][0]] + [block["filters"] for block in self.cnn["blocks"]]
            self.conv = nn.ModuleList(
                nn.Conv2d(i, o, tuple(block["kernel"]), block["stride"], block["padding"])
                for i, o, block in zip(channels, channels[1:], self.cnn["blocks"])
            )
        self.preparation = Preparation(meta["preparation"]) if "preparation" in meta else None
        each = layers_of(meta, len(widths) - 1)
        self.layers = nn.ModuleList(Layer(i, o, **layer) for i, o, layer in zip(widths, widths[1:], each))
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, samples):
        """Logits, (batch, outputs), of pixels in [0, 1], (batch, in), or of raw samples where training prepared
        them; a network that predicts values gives them in their own units."""
        prepared = self.preparation
        if prepared and prepared.columns:
            outputs = self.logits(prepared.inputs(samples).to(self.head.weight.dtype))
        else:
            low, high = self.input_range
            outputs = self.logits(low + samples * (high - low))
        return prepared.values(outputs) if prepared and prepared.kind == "values" else outputs

    def logits(self, z):
        """Logits, (batch, outputs), of preprocessed inputs, (batch, in)."""
        a, first = None, self.layers[0]
        if self.cnn:
            z = z.unflatten(1, self.cnn["image"])
            for conv, block in zip(self.conv, self.cnn["blocks"]):
                z = ACTIVATIONS[self.cnn["activation"]][0](conv(z))
                if block["pool"]:
                    z = nn.functional.max_pool2d(z, *block["pool"])
            a = z.flatten(1).clamp(-first.limit, first.limit)  # the features are the dual variable
            z = first.rho(a)
        for below, layer in zip([None, *self.layers], self.layers):
            z, a = layer(*layer.enter(z, a, below))
        return self.head(z)


def layers_of(meta, count):
    """The settings of each hidden layer. Version 2 of the files has them for each, version 1 once for all."""
    version = meta.get("bregman_network", "1")
    if version == "1":
        clamp = float(meta["clamp_low"]), float(meta["clamp_high"])
        alike = {name: meta[name] for name in ("layer", "form", "activation")}
        return [alike | {"clamp": clamp}] * count
    if version == "2":
        return json.loads(meta["layers"])
    raise ValueError(f"a network of version {version}; this program reads versions 1 and 2")


def build(meta, state):
    """The network that a file's metadata and its tensors, by name, describe, ready to evaluate."""
    hidden = [state[f"layers.{l}.weight"] for l in range(sum(n.startswith("layers.") and n.endswith(".weight") for n in state))]
    network = Network([hidden[0].shape[1], *(w.shape[0] for w in hidden), state["head.weight"].shape[0]], meta)
    network.load_state_dict(state, strict=True)
    return network.eval()


def load(path):
    """The network in a safetensors file, ready to evaluate, and the file's metadata."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        meta, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    return build(meta, state), meta


def parse(data):
    """The metadata, and the tensors by name, in the bytes of a safetensors file of float32."""
    start = 8 + int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8:start]), bytearray(data[start:])
    meta = header.pop("__metadata__")
    state = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        tensor = torch.frombuffer(numbers, dtype=torch.float32, count=(last - first) // 4, offset=first)
        state[name] = tensor.reshape(entry["shape"])
    return meta, state


def pack(meta, arrays):
    """The bytes of a safetensors file with this metadata and these float32 arrays of NumPy, by name."""
    header, numbers = {"__metadata__": meta}, b""
    for name in sorted(arrays):
        bytes_of = arrays[name].astype("<f4").tobytes()
        offsets = [len(numbers), len(numbers) + len(bytes_of)]
        header[name] = {"dtype": "F32", "shape": list(arrays[name].shape), "data_offsets": offsets}
        numbers += bytes_of
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + numbers


def read_idx(folder, name):
    """The bytes of an IDX file, plain or gzipped, as a tensor of its shape."""
    path = next(p for p in (folder / name, folder / f"{name}.gz") if p.exists())
    data = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    return torch.frombuffer(bytearray(data[4 + 4 * data[3] :]), dtype=torch.uint8).reshape(shape)


def predict_table(network, path):
    """Prints what the network predicts for each row of a table, as CSV."""
    prepared = network.preparation
    with open(path, newline="", encoding="utf-8-sig") as file:
        samples = prepared.encode(csv.DictReader(file))
    with torch.no_grad():
        outputs = network(samples)
    if prepared.kind == "values":
        print(",".join(prepared.target["columns"]))
        for row in outputs.tolist():
            print(",".join(f"{value:.9g}" for value in row))
    else:
        print("class")
        for best in (outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).long()).tolist():
            print(prepared.target["names"][best])


if __name__ == "__main__":
    network, meta = load(sys.argv[1])
    if sys.argv[2].endswith(".csv"):
        sys.exit(predict_table(network, sys.argv[2]))
    images, labels = (read_idx(Path(sys.argv[2]), f"t10k-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    with torch.no_grad():
        logits = network(images.flatten(1).float() / 255)
    classes = logits.argmax(1) if logits.shape[1] > 1 else logits[:, 0] > 0.5
    correct = int((classes == labels).sum())
    print(f"{meta['dataset']}: {correct} of {len(labels)} correct, accuracy {correct / len(labels):.4f}")
