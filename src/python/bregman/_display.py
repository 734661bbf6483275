"""What notebooks show: tables of networks and results, and the progress of training."""

import sys
from html import escape


def table(rows, columns, caption=""):
    """Dicts as an HTML table with these columns."""

    def text(value):
        if value is None:
            return ""
        return escape(f"{value:.4g}" if isinstance(value, float) else str(value))

    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{text(row.get(c))}</td>" for c in columns) + "</tr>" for row in rows)
    caption = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def model(model):
    """A network as a table of its layers."""
    return table(model.layers, ["kind", "width", "activation", "form"], repr(model))


def trained(trained):
    """Trained networks: the results of each, and the curve of the training loss."""
    rows = trained.results()
    shown, rest = rows[:10], len(rows) - 10
    columns = [c for c in rows[0] if any(row[c] is not None for row in rows)] if rows else ["run"]
    more = f"<p>and {rest} more</p>" if rest > 0 else ""
    return table(shown, columns, repr(trained)) + more + curve([e["train_loss"] for e in trained.history])


def curve(losses, width=320, height=80):
    """Losses by epoch as a line, in SVG; nothing for fewer than two finite ones."""
    finite = [loss for loss in losses if loss == loss and abs(loss) != float("inf")]
    if len(finite) < 2:
        return ""
    low, high = min(finite), max(finite)
    scale = (high - low) or 1.0
    points = " ".join(
        f"{width * i / (len(finite) - 1):.1f},{height * (high - loss) / scale:.1f}" for i, loss in enumerate(finite)
    )
    return (
        f'<svg width="{width}" height="{height}" viewBox="-2 -2 {width + 4} {height + 4}">'
        f'<title>training loss, {high:.4g} to {low:.4g}</title>'
        f'<polyline fill="none" stroke="currentColor" points="{points}"/></svg>'
    )


class Progress:
    """A callback that shows how far training is."""

    def __init__(self, epochs):
        self.epochs, self.bar = epochs, None
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        self.bar = tqdm(total=epochs, unit="epoch")

    def __call__(self, metrics):
        epoch = metrics["epoch"]
        shown = {name: metrics[name] for name in ("train_loss", "test_accuracy", "test_loss") if name in metrics}
        shown = {name: f"{value:.4f}" for name, value in shown.items() if value == value}
        if self.bar is not None:
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update(1)
            if epoch == self.epochs:
                self.bar.close()
            return
        text = ", ".join(f"{name} {value}" for name, value in shown.items())
        end = "\n" if epoch == self.epochs else ""
        sys.stderr.write(f"\repoch {epoch} of {self.epochs}: {text}{end}")
        sys.stderr.flush()
