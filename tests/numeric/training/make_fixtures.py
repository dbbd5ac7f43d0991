#!/usr/bin/env python3
"""Records what PyTorch does in training: losses, optimizers, and 20 steps of small networks.

usage: make_fixtures.py [OUT]      (needs requirements.txt; default: the folder fixtures/ beside this file)

For every network there is NAME.onnx, as PyTorch exports it, and NAME.safetensors: the batches ("input.0", "target.0",
...), the losses of 20 steps that go through the batches in turn, the gradients of the first step ("gradient.*") and the
parameters and running statistics after the last one ("final.*"). losses.safetensors and optimizers.safetensors hold
single losses with their gradients and single parameters on their way.
"""
import sys
import warnings
from pathlib import Path

import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

import networks

STEPS = 20
BATCHES = 4


def images(generator, channels, size, classes, batch=8):
    return [(torch.randn(batch, channels, size, size, generator=generator),
             torch.randint(classes, (batch,), generator=generator)) for _ in range(BATCHES)]


def vectors(generator):
    x = [torch.randn(16, 6, generator=generator) for _ in range(BATCHES)]
    return [(a, torch.stack([a[:, 0] * a[:, 1], a[:, 2:].sum(1)], 1)) for a in x]


def sentences(generator):
    batches = []
    for _ in range(BATCHES):
        ids = torch.randint(11, (4, 6), generator=generator)
        target = torch.roll(ids, -1, 1)
        target[:, -1] = -100
        batches.append((ids, target))
    return batches


def series(generator):
    return [(torch.randn(6, 9, 5, generator=generator), torch.randint(3, (6,), generator=generator))
            for _ in range(BATCHES)]


def token_loss(y, target):
    return F.cross_entropy(y.flatten(0, 1), target.flatten(), label_smoothing=0.1)


def groups(model, decay):
    """Weight decay for matrices and kernels only."""
    wide = [p for p in model.parameters() if p.ndim >= 2]
    thin = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": wide, "weight_decay": decay}, {"params": thin, "weight_decay": 0.0}]


class RunningStatistics:
    """Running statistics as ONNX defines them: PyTorch's variance is that of a sample, ONNX's that of a population."""

    def __init__(self, model):
        self.values = {}
        for name, module in model.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                self.values[name] = [module.running_mean.clone(), module.running_var.clone()]
                module.register_forward_hook(lambda m, x, y, name=name: self.observe(name, m, x[0]))

    def observe(self, name, module, x):
        if not module.training:
            return
        now = [x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)]
        for i in range(2):
            self.values[name][i] = (1 - module.momentum) * self.values[name][i] + module.momentum * now[i].detach()

    def tensors(self):
        return {f"{name}.{key}": self.values[name][i]
                for name in self.values for i, key in enumerate(("running_mean", "running_var"))}


def scatter(model):
    """Moves what starts as ones and zeros: the exporter shares equal tensors."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.ndim == 1 and tensor.is_floating_point():
                tensor.mul_(1 + 0.2 * torch.rand(tensor.shape)).add_(0.1 * torch.rand(tensor.shape))
    return model


def record(out, name, model, batches, loss_of, optimizer, clip=0.0, frozen=False, fold=False):
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (batches[0][0],), str(out / f"{name}.onnx"), dynamo=False, opset_version=17,
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=fold,
                          input_names=["input"], output_names=["output"])
    tensors = {}
    for i, (x, target) in enumerate(batches):
        tensors[f"input.{i}"] = x
        tensors[f"target.{i}"] = target
    model.train()
    for module in model.modules():
        if frozen and isinstance(module, nn.BatchNorm2d):
            module.eval()
    statistics = RunningStatistics(model)
    losses = []
    for step in range(STEPS):
        x, target = batches[step % BATCHES]
        optimizer.zero_grad()
        loss = loss_of(model(x), target)
        loss.backward()
        if step == 0:
            tensors |= {f"gradient.{key}": p.grad.clone() for key, p in model.named_parameters()}
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    tensors["losses"] = torch.tensor(losses)
    tensors |= {f"final.{key}": p.detach() for key, p in model.named_parameters()}
    tensors |= {f"final.{key}": value for key, value in statistics.tensors().items()}
    save_file({key: value.contiguous().numpy() for key, value in tensors.items()}, out / f"{name}.safetensors")


def record_first(out):
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(2)
    model = scatter(networks.LeNet())
    record(out, "lenet", model, images(generator, 1, 14, 5), F.cross_entropy,
           torch.optim.SGD(groups(model, 1e-2), lr=0.05, momentum=0.9))
    model = scatter(networks.Mlp())
    record(out, "mlp", model, vectors(generator), F.mse_loss, torch.optim.Adam(model.parameters(), lr=1e-2))
    model = scatter(networks.Transformer())
    record(out, "transformer", model, sentences(generator), token_loss,
           torch.optim.AdamW(groups(model, 0.1), lr=2e-2), clip=0.5)
    model = scatter(networks.MobileNet())
    record(out, "mobilenet", model, images(generator, 3, 12, 4), F.cross_entropy,
           torch.optim.SGD(groups(model, 1e-3), lr=0.1, momentum=0.9, nesterov=True))
    model = scatter(networks.Lstm())
    record(out, "lstm", model, series(generator), F.cross_entropy, torch.optim.Adagrad(model.parameters(), lr=0.1))


def drawn(make, batches=BATCHES):
    """Batches of what `make` draws."""
    return [make() for _ in range(batches)]


class Draws:
    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape):
        return torch.randn(*shape, generator=self.generator)

    def classes(self, count, *shape):
        return torch.randint(count, shape, generator=self.generator)


def sentences_of(draw, length):
    return [(ids, torch.roll(ids, -1, 1)) for ids in drawn(lambda: draw.classes(11, 4, length))]


def record_pictures(out):
    draw = Draws(11)
    torch.manual_seed(12)
    model = scatter(networks.ResNet())
    record(out, "resnet", model, images(draw.generator, 3, 10, 4), F.cross_entropy,
           torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9), frozen=True)
    model = networks.UNet()
    record(out, "unet", model, drawn(lambda: (draw.normal(3, 2, 8, 8), draw.classes(3, 3, 8, 8))), F.cross_entropy,
           torch.optim.Adam(model.parameters(), lr=5e-3))
    model = scatter(networks.Norms())
    record(out, "norms", model, drawn(lambda: (draw.normal(6, 2, 9, 9), draw.classes(2, 6, 3).float())),
           F.binary_cross_entropy_with_logits, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))
    model = networks.Video()
    record(out, "video", model, drawn(lambda: (draw.normal(3, 1, 4, 8, 8), draw.classes(3, 3))), F.cross_entropy,
           torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.8, nesterov=True))
    model = networks.Autoencoder()
    record(out, "autoencoder", model, [(x, x) for x in drawn(lambda: draw.normal(4, 1, 8, 8))],
           F.mse_loss, torch.optim.Adam(model.parameters(), lr=1e-2))
    model = scatter(networks.Excite())
    record(out, "excite", model, images(draw.generator, 3, 9, 4), F.cross_entropy,
           torch.optim.AdamW(groups(model, 0.05), lr=1e-2), frozen=True)
    model = scatter(networks.Vit())
    record(out, "vit", model, images(draw.generator, 3, 12, 4, batch=4), F.cross_entropy,
           torch.optim.AdamW(groups(model, 0.1), lr=3e-3))
    model = networks.Shuffle()
    record(out, "shuffle", model, images(draw.generator, 4, 8, 3, batch=6), F.cross_entropy,
           torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))
    model = networks.SuperResolution()
    record(out, "superresolution", model, drawn(lambda: (draw.normal(3, 1, 6, 6), draw.normal(3, 1, 12, 12))),
           F.l1_loss, torch.optim.SGD(model.parameters(), lr=0.01), fold=True)


def record_rows(out):
    """Vectors, series and texts."""
    draw = Draws(13)
    torch.manual_seed(14)
    model = networks.Gru()
    record(out, "gru", model, drawn(lambda: (draw.normal(4, 7, 5), 2 * draw.normal(4, 7, 2))),
           lambda y, t: F.huber_loss(y, t, delta=0.8), torch.optim.Adam(model.parameters(), lr=1e-2))
    model = networks.Rnn()
    record(out, "rnn", model, drawn(lambda: (draw.normal(6, 7, 5), draw.classes(3, 6))), F.nll_loss,
           torch.optim.SGD(model.parameters(), lr=0.1))
    model = scatter(networks.Llama())
    record(out, "llama", model, sentences_of(draw, 6), lambda y, t: F.cross_entropy(y.flatten(0, 1), t.flatten()),
           torch.optim.AdamW(groups(model, 0.1), lr=3e-3), clip=1.0)
    model = networks.TextCnn()
    record(out, "textcnn", model, drawn(lambda: (draw.classes(13, 6, 8), draw.classes(3, 6))), F.cross_entropy,
           torch.optim.Adagrad(model.parameters(), lr=0.05))
    model = networks.Activations()
    record(out, "activations", model, vectors(draw.generator), F.l1_loss, torch.optim.SGD(model.parameters(), lr=0.01))
    model = networks.Siamese()
    record(out, "siamese", model, drawn(lambda: (draw.normal(8, 2, 6), draw.classes(2, 8, 1).float())),
           F.binary_cross_entropy_with_logits, torch.optim.Adam(model.parameters(), lr=1e-2))
    model = networks.Student()
    record(out, "student", model, drawn(lambda: (draw.classes(13, 6, 5), draw.normal(6, 4).softmax(1))),
           lambda y, t: F.kl_div(y, t, reduction="batchmean"), torch.optim.Adam(model.parameters(), lr=1e-2))
    model = networks.Temporal()
    record(out, "temporal", model, drawn(lambda: (draw.normal(4, 4, 10), draw.normal(4, 1, 10))), F.mse_loss,
           Lion(model.parameters(), 1e-3, (0.9, 0.99), 0.0))
    model = networks.Experts()
    record(out, "experts", model, vectors(draw.generator), F.mse_loss, torch.optim.Adam(model.parameters(), lr=1e-2))


def losses(out):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(5, 4, generator=generator) * 2
    maps = torch.randn(3, 4, 2, 2, generator=generator) * 2
    classes = torch.tensor([0, 3, 1, 3, 2])
    some = torch.tensor([0, 3, -100, 3, 2])
    places = torch.randint(4, (3, 2, 2), generator=generator)
    weights = torch.tensor([0.5, 1.0, 2.0, 0.25])
    values = torch.randn(5, 4, generator=generator)
    shares = torch.rand(5, 4, generator=generator)
    shares[1, 2] = 0
    distribution = shares / shares.sum(1, keepdim=True)
    rows = {
        "cross_entropy": (logits, classes, lambda y, t: F.cross_entropy(y, t)),
        "cross_entropy_ignore": (logits, some, lambda y, t: F.cross_entropy(y, t)),
        "cross_entropy_smooth": (logits, some, lambda y, t: F.cross_entropy(y, t, label_smoothing=0.2)),
        "cross_entropy_weights": (logits, some, lambda y, t: F.cross_entropy(y, t, weight=weights)),
        "cross_entropy_both": (logits, some, lambda y, t: F.cross_entropy(y, t, weight=weights, label_smoothing=0.2)),
        "cross_entropy_places": (maps, places, lambda y, t: F.cross_entropy(y, t)),
        "nll": (logits.log_softmax(1), some, lambda y, t: F.nll_loss(y, t, weight=weights)),
        "binary": (logits, shares, F.binary_cross_entropy_with_logits),
        "mse": (logits, values, F.mse_loss),
        "l1": (logits, values, F.l1_loss),
        "huber": (logits, values, lambda y, t: F.huber_loss(y, t, delta=0.7)),
        "kl": (logits.log_softmax(1), distribution, lambda y, t: F.kl_div(y, t, reduction="batchmean")),
    }
    tensors = {}
    for name, (y, target, loss_of) in rows.items():
        y = y.clone().requires_grad_()
        loss = loss_of(y, target)
        loss.backward()
        tensors |= {f"{name}.output": y.detach(), f"{name}.target": target, f"{name}.loss": loss.detach(),
                    f"{name}.gradient": y.grad}
    save_file({key: value.contiguous().numpy() for key, value in tensors.items()}, out / "losses.safetensors")


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = (b1 * m + (1 - b1) * p.grad).sign() + group["weight_decay"] * p
                p.sub_(group["lr"] * update)
                m.mul_(b2).add_((1 - b2) * p.grad)


def optimizers(out):
    generator = torch.Generator().manual_seed(4)
    start = torch.randn(3, 4, generator=generator)
    gradients = torch.randn(6, 3, 4, generator=generator)
    rows = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.1),
        "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
        "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
        "adam": lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.2),
        "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, eps=1e-3, weight_decay=0.1),
        "lion": lambda p: Lion(p, 0.1, (0.9, 0.99), 0.2),
    }
    tensors = {"start": start, "gradients": gradients}
    for name, make in rows.items():
        p = start.clone().requires_grad_()
        optimizer = make([p])
        path = []
        for gradient in gradients:
            p.grad = gradient.clone()
            optimizer.step()
            path.append(p.detach().clone())
        tensors[name] = torch.stack(path)
    save_file({key: value.contiguous().numpy() for key, value in tensors.items()},
              out / "optimizers.safetensors")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "fixtures"
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    losses(folder)
    optimizers(folder)
    record_first(folder)
    record_pictures(folder)
    record_rows(folder)
