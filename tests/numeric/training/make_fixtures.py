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

STEPS = 20
BATCHES = 4


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 5, padding=2)
        self.conv2 = nn.Conv2d(4, 8, 3, stride=2)
        self.fc1 = nn.Linear(8 * 2 * 2, 16)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = F.avg_pool2d(torch.relu(self.conv2(x)), 2, ceil_mode=True)
        return self.fc2(torch.tanh(self.fc1(x.flatten(1))))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 12), nn.SiLU(), nn.Linear(12, 2))

    def forward(self, x):
        return self.layers(x)


class Transformer(nn.Module):
    """One block over token numbers, with its own attention: the exported file has MatMul, Softmax, MatMul."""

    def __init__(self, words=11, width=8, heads=2, length=6):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(torch.randn(length, width) * 0.3)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        # A bias of keys has no influence, so that its gradient would be noise.
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.head = nn.Linear(width, words)
        self.heads = heads
        self.register_buffer("mask", torch.full((length, length), float("-inf")).triu(1), persistent=False)

    def attention(self, x):
        batch, length, width = x.shape
        parts = self.qkv(x).reshape(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = parts[0], parts[1], parts[2]
        scores = q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5 + self.mask
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width))

    def forward(self, ids):
        x = self.words(ids) + self.places
        x = x + self.attention(self.norm1(x))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x))


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()

        def unit(inputs, outputs, kernel, stride=1, groups=1):
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
                nn.BatchNorm2d(outputs))

        self.stem = unit(3, 6, 3, 2)
        self.expand = unit(6, 18, 1)
        self.depthwise = unit(18, 18, 3, groups=18)
        self.project = unit(18, 6, 1)
        self.down = unit(6, 10, 3, 2, groups=2)
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        x = F.relu6(self.stem(x))
        x = x + self.project(F.relu6(self.depthwise(F.relu6(self.expand(x)))))
        x = F.hardswish(self.down(x))
        return self.head(x.mean((2, 3)))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 7, batch_first=True, bidirectional=True)
        self.head = nn.Linear(14, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0].mean(1))


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


def record(out, name, model, batches, loss_of, optimizer, clip=0.0):
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (batches[0][0],), str(out / f"{name}.onnx"), dynamo=False, opset_version=17,
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
                          input_names=["input"], output_names=["output"])
    tensors = {}
    for i, (x, target) in enumerate(batches):
        tensors[f"input.{i}"] = x
        tensors[f"target.{i}"] = target
    model.train()
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


def networks(out):
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(2)
    model = scatter(LeNet())
    record(out, "lenet", model, images(generator, 1, 14, 5), F.cross_entropy,
           torch.optim.SGD(groups(model, 1e-2), lr=0.05, momentum=0.9))
    model = scatter(Mlp())
    record(out, "mlp", model, vectors(generator), F.mse_loss, torch.optim.Adam(model.parameters(), lr=1e-2))
    model = scatter(Transformer())
    record(out, "transformer", model, sentences(generator), token_loss,
           torch.optim.AdamW(groups(model, 0.1), lr=2e-2), clip=0.5)
    model = scatter(MobileNet())
    record(out, "mobilenet", model, images(generator, 3, 12, 4), F.cross_entropy,
           torch.optim.SGD(groups(model, 1e-3), lr=0.1, momentum=0.9, nesterov=True))
    model = scatter(Lstm())
    record(out, "lstm", model, series(generator), F.cross_entropy, torch.optim.Adagrad(model.parameters(), lr=0.1))


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
    networks(folder)
