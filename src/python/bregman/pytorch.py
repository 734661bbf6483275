"""A trained network as a PyTorch module, which loads the files that `save` and `bregman train --save` write.

    pip install torch safetensors numpy
    python -m bregman.pytorch CHECKPOINT.safetensors FOLDER_OF_IDX_FILES

Run as a program, it counts the test images of the folder that the network classifies correctly.

Shapes: z and its dual variable a = ρ⁻¹(z) are (batch, width); W and M are (out, in). The file's metadata
say which layers, activation and input range the network has.
"""
import gzip, json, math, struct, sys
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
        each = layers_of(meta, len(widths) - 1)
        self.layers = nn.ModuleList(Layer(i, o, **layer) for i, o, layer in zip(widths, widths[1:], each))
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, pixels):
        """Logits, (batch, outputs), of pixels in [0, 1], (batch, in)."""
        low, high = self.input_range
        return self.logits(low + pixels * (high - low))

    def logits(self, z):
        """Logits, (batch, outputs), of inputs that are taken as they are, (batch, in)."""
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


if __name__ == "__main__":
    network, meta = load(sys.argv[1])
    images, labels = (read_idx(Path(sys.argv[2]), f"t10k-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    with torch.no_grad():
        logits = network(images.flatten(1).float() / 255)
    classes = logits.argmax(1) if logits.shape[1] > 1 else logits[:, 0] > 0.5
    correct = int((classes == labels).sum())
    print(f"{meta['dataset']}: {correct} of {len(labels)} correct, accuracy {correct / len(labels):.4f}")
