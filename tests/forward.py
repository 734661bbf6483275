"""A network trained by train_mnist, run by NumPy alone: its test accuracy from a checkpoint.

    pip install numpy safetensors
    python tests/forward.py CHECKPOINT.safetensors FOLDER_WITH_IDX_FILES

Shapes: z and a are (batch, width); W and M are (out, in). All else is in the file's metadata.
"""
import gzip, json, struct, sys
from pathlib import Path

import numpy as np
from safetensors import safe_open

# name: (rho, its inverse); rho maps the dual variable a to the primal z.
HALF_PI = np.pi / 2
ACTIVATIONS = {
    "isru": (lambda a: a / np.hypot(1, a), lambda z: z / np.sqrt((1 - z) * (1 + z))),
    "sigmoid": (lambda a: np.exp(-np.logaddexp(0, -a)), lambda z: np.log(z) - np.log1p(-z)),
    "softplus": (lambda a: np.logaddexp(0, a), lambda z: z + np.log(-np.expm1(-z))),
    "arctan": (np.arctan, np.tan),
    "scaled-arctan": (lambda a: np.arctan(a) / HALF_PI, lambda z: np.tan(HALF_PI * z)),
    "tanh": (np.tanh, np.arctanh),
    "sin": (lambda a: np.sin(np.clip(a, -HALF_PI, HALF_PI)), np.arcsin),
    "arcsinh": (np.arcsinh, np.sinh),
    "identity": (lambda a: a, lambda z: z),
}


def read_idx(folder, name):
    """An IDX file of bytes, plain or gzipped, as an array of its own shape."""
    path = next(p for p in (folder / name, folder / f"{name}.gz") if p.exists())
    data = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def convolutions(x, tensors, cnn):
    """The features of images x (batch, channels, height, width)."""
    rho = {"relu": lambda a: np.maximum(a, 0)} | {name: pair[0] for name, pair in ACTIVATIONS.items()}
    windows = np.lib.stride_tricks.sliding_window_view
    for k, block in enumerate(cnn["blocks"]):
        pad, step = block["padding"], block["stride"]
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        x = windows(x, block["kernel"], axis=(2, 3))[:, :, ::step, ::step]
        x = np.einsum("bcyxhw,fchw->bfyx", x, tensors[f"conv.{k}.weight"], optimize=True)
        x = rho[cnn["activation"]](x + tensors[f"conv.{k}.bias"][:, None, None])
        if block["pool"]:
            size, step = block["pool"]
            x = windows(x, (size, size), axis=(2, 3))[:, :, ::step, ::step].max(axis=(4, 5))
    return x.reshape(len(x), -1)


def layers_of(meta, count):
    """The settings of each hidden layer. Version 2 of the files has them for each, version 1 once for all."""
    version = meta.get("bregman_network", "1")
    if version == "1":
        clamp = float(meta["clamp_low"]), float(meta["clamp_high"])
        return [{name: meta[name] for name in ("layer", "form", "activation")} | {"clamp": clamp}] * count
    if version == "2":
        return json.loads(meta["layers"])
    raise ValueError(f"a network of version {version}; this program reads versions 1 and 2")


def limit(a, activation):
    """a within ±π/2 for sin, whose potential is not Legendre."""
    return np.clip(a, -HALF_PI, HALF_PI) if activation == "sin" else a


def logits(x, tensors, meta):
    """The network's outputs for inputs x."""
    z, a, below = x, None, None
    count = sum(name.startswith("layers.") and name.endswith(".weight") for name in tensors)
    for l, layer in enumerate(layers_of(meta, count)):
        activation = layer["activation"]
        rho, rho_inv = ACTIVATIONS[activation]
        if l == 0 and "cnn" in meta:
            cnn = json.loads(meta["cnn"])
            features = convolutions(x.reshape(len(x), *cnn["image"]), tensors, cnn)
            a = limit(features, activation)  # the features are the dual variable
            z = rho(a)
        elif l > 0 and below["activation"] != activation:
            if not layer["dual_passage"]:
                a = None
            else:
                if a is None:
                    a = ACTIVATIONS[below["activation"]][1](np.clip(z, *below["clamp"]))
                a = limit(a, activation)
                z = rho(a)
        linear = z @ tensors[f"layers.{l}.weight"].T + tensors[f"layers.{l}.bias"]
        mix = tensors.get(f"layers.{l}.mix")  # where the skip changes width
        u = z if mix is None else z @ mix.T
        dual = layer["layer"] == "bregman" and layer["form"] == "dual"
        if layer["layer"] == "standard":
            a = linear
        elif layer["layer"] == "euclidean":
            a = u + linear
        else:
            # The dual form carries a from layer to layer, the primal form inverts rho anew.
            carried = dual and mix is None and a is not None
            a = limit((a if carried else rho_inv(np.clip(u, *layer["clamp"]))) + linear, activation)
        z, a, below = rho(a), a if dual else None, layer
    return z @ tensors["head.weight"].T + tensors["head.bias"]


if __name__ == "__main__":
    with safe_open(sys.argv[1], framework="numpy") as file:
        meta = file.metadata()
        tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}
    folder = Path(sys.argv[2])
    images, labels = (read_idx(folder, f"t10k-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    low, high = float(meta["input_low"]), float(meta["input_high"])
    x = low + images.reshape(len(images), -1) / 255 * (high - low)
    # In parts: the windows of all images at once take much memory.
    outputs = np.concatenate([logits(part, tensors, meta) for part in np.array_split(x, 20)])
    classes = outputs.argmax(1) if outputs.shape[1] > 1 else outputs[:, 0] > 0.5
    correct = int((classes == labels).sum())
    print(f"{meta['dataset']}: {correct} of {len(labels)} correct, accuracy {correct / len(labels):.4f}")
