"""The small networks that make_fixtures.py records."""
import torch
from torch import nn
from torch.nn import functional as F


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


class ResNet(nn.Module):
    """Residual blocks, one of them with a projection; BatchNorm keeps its statistics."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm0 = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv1, self.norm1 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.norm2 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv3, self.norm3 = nn.Conv2d(6, 8, 3, 2, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv4, self.norm4 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.down, self.norm5 = nn.Conv2d(6, 8, 1, 2, bias=False), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = torch.relu(self.norm0(self.stem(x)))
        x = torch.relu(x + self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x))))))
        y = self.norm4(self.conv4(torch.relu(self.norm3(self.conv3(x)))))
        x = torch.relu(y + self.norm5(self.down(x)))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class UNet(nn.Module):
    """A class for every pixel: down, up by a transposed convolution, and a connection across."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2d(2, 5, 3, padding=1)
        self.down = nn.Conv2d(5, 8, 3, 2, padding=1)
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 5, 2, 2)
        self.merge = nn.Conv2d(10, 6, 3, padding=1)
        self.head = nn.Conv2d(6, 3, 1)

    def forward(self, x):
        across = F.leaky_relu(self.enter(x), 0.1)
        x = F.leaky_relu(self.middle(F.leaky_relu(self.down(across), 0.1)), 0.1)
        x = torch.cat([self.up(x), across], 1)
        return self.head(F.leaky_relu(self.merge(x), 0.1))


class Gru(nn.Module):
    """A value at every place of a series, by two layers."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(5, 6, num_layers=2, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.gru(x)[0])


class Rnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(5, 8, nonlinearity="tanh")
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.rnn(x.transpose(0, 1))[1][0]).log_softmax(1)


class RmsNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Llama(nn.Module):
    """One block with rotated positions, fewer heads of keys than of queries, a gated layer, and one table for words
    that go in and come out."""

    def __init__(self, words=11, width=16, heads=4, groups=2, length=6):
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.words = nn.Embedding(words, width)
        nn.init.normal_(self.words.weight, std=0.3)
        self.norm1, self.norm2, self.norm3 = RmsNorm(width), RmsNorm(width), RmsNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, groups * self.size, bias=False)
        self.v = nn.Linear(width, groups * self.size, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 24, bias=False)
        self.up = nn.Linear(width, 24, bias=False)
        self.down = nn.Linear(24, width, bias=False)
        angles = torch.arange(length)[:, None] * 10.0 ** -(torch.arange(0, self.size, 2) / self.size)
        angles = torch.cat([angles, angles], 1)
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)
        self.register_buffer("mask", torch.full((length, length), float("-inf")).triu(1), persistent=False)

    def rotate(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cosine + torch.cat([-b, a], -1) * self.sine

    def split(self, x, heads):
        return x.reshape(x.shape[0], x.shape[1], heads, self.size).transpose(1, 2)

    def attention(self, x):
        q = self.rotate(self.split(self.q(x), self.heads))
        k = self.rotate(self.split(self.k(x), self.groups)).repeat_interleave(self.heads // self.groups, 1)
        v = self.split(self.v(x), self.groups).repeat_interleave(self.heads // self.groups, 1)
        shares = (q @ k.transpose(-2, -1) / self.size ** 0.5 + self.mask).softmax(-1)
        return self.out((shares @ v).transpose(1, 2).reshape(x.shape))

    def forward(self, ids):
        x = self.words(ids)
        x = x + self.attention(self.norm1(x))
        y = self.norm2(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.norm3(x) @ self.words.weight.T


class Norms(nn.Module):
    """GroupNorm and InstanceNorm; several answers at once."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.GroupNorm(4, 8)
        self.conv2, self.norm2 = nn.Conv2d(8, 6, 3, 2, bias=False), nn.InstanceNorm2d(6, affine=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = F.silu(self.norm1(self.conv1(x)))
        return self.head(F.elu(self.norm2(self.conv2(x))).amax((2, 3)))


class TextCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(13, 6)
        self.convs = nn.ModuleList([nn.Conv1d(6, 5, size) for size in (2, 3)])
        self.head = nn.Linear(10, 3)

    def forward(self, ids):
        x = self.words(ids).transpose(1, 2)
        return self.head(torch.cat([torch.relu(conv(x)).amax(2) for conv in self.convs], 1))


class Video(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv3d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv3d(4, 6, (1, 3, 3), stride=(1, 2, 2))
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = F.max_pool3d(torch.relu(self.conv1(x)), 2)
        return self.head(torch.tanh(self.conv2(x)).mean((2, 3, 4)))


class Activations(nn.Module):
    def __init__(self):
        super().__init__()
        functions = [nn.ELU(0.7), nn.SELU(), nn.PReLU(), nn.Softplus(), nn.Mish(), nn.Softsign(), nn.Hardsigmoid(),
                     nn.CELU(1.3)]
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(6, 6), function) for function in functions])
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x)
        return self.head(x)


class Siamese(nn.Module):
    """Whether two vectors are alike: both go through the same layers."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 5, bias=False))
        self.head = nn.Linear(1, 1)

    def forward(self, x):
        difference = self.layers(x[:, 0]) - self.layers(x[:, 1])
        return self.head(-difference.square().sum(1, keepdim=True).add(1e-3).sqrt())


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 2, padding=1)
        self.conv2 = nn.Conv2d(4, 6, 3, 2, padding=1)
        self.code = nn.Linear(24, 5)
        self.spread = nn.Linear(5, 24)
        self.conv3 = nn.ConvTranspose2d(6, 4, 4, 2, padding=1)
        self.conv4 = nn.ConvTranspose2d(4, 1, 3, 2, padding=1, output_padding=1)

    def forward(self, x):
        x = F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(x))))
        x = self.spread(self.code(x.flatten(1))).reshape(-1, 6, 2, 2)
        return self.conv4(torch.relu(self.conv3(x)))


class Student(nn.Module):
    """Sums of embeddings learn the distribution of a teacher."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(13, 8)
        self.hidden = nn.Linear(8, 12)
        self.head = nn.Linear(12, 4)

    def forward(self, ids):
        return self.head(F.gelu(self.hidden(self.words(ids).sum(1)), approximate="tanh")).log_softmax(1)


class Excite(nn.Module):
    """A depthwise unit with squeeze and excitation, as in EfficientNet; BatchNorm keeps its statistics."""

    def __init__(self):
        super().__init__()
        self.expand, self.norm1 = nn.Conv2d(3, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 5, 2, padding=2, groups=8, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Conv2d(8, 3, 1), nn.Conv2d(3, 8, 1)
        self.project, self.norm3 = nn.Conv2d(8, 6, 1, bias=False), nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = F.silu(self.norm1(self.expand(x)))
        x = F.silu(self.norm2(self.depthwise(x)))
        x = x * torch.sigmoid(self.excite(F.silu(self.squeeze(x.sum((2, 3), keepdim=True)))))
        return self.head(self.norm3(self.project(x)).amax((2, 3)))


class Temporal(nn.Module):
    """Dilated convolutions that see the past alone."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv1d(4, 4, 2, dilation=2 ** i) for i in range(3)])
        self.head = nn.Conv1d(4, 1, 1)

    def forward(self, x):
        for i, conv in enumerate(self.convs):
            x = x + torch.tanh(conv(F.pad(x, (2 ** i, 0))))
        return self.head(x)


class Vit(nn.Module):
    """Patches, a token for the class, and attention of PyTorch's own."""

    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.3)
        self.places = nn.Parameter(torch.randn(1, 10, width) * 0.3)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.v = nn.Linear(width, width), nn.Linear(width, width)
        self.k = nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 16), nn.Linear(16, width)
        self.head = nn.Linear(width, 4)

    def attention(self, x):
        q, k, v = (layer(x).reshape(x.shape[0], x.shape[1], 2, 4).transpose(1, 2) for layer in (self.q, self.k, self.v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        x = x + self.attention(self.norm1(x))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(x[:, 0])


class Shuffle(nn.Module):
    """Dense connections, grouped convolutions whose channels are shuffled, average pooling."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.conv2 = nn.Conv2d(8, 8, 1, groups=2)
        self.conv3 = nn.Conv2d(16, 6, 3)
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        x = torch.cat([x, F.hardswish(self.conv1(x))], 1)
        y = self.conv2(x)
        y = y.reshape(y.shape[0], 2, 4, y.shape[2], y.shape[3]).transpose(1, 2).reshape(y.shape)
        x = F.avg_pool2d(torch.cat([x, F.hardtanh(y)], 1), 2)
        return self.head(torch.relu(self.conv3(x)).flatten(1))


class SuperResolution(nn.Module):
    """Finer pictures: channels become pixels, beside an interpolation."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 4, 3, padding=1)

    def forward(self, x):
        coarse = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return coarse + F.pixel_shuffle(self.conv2(torch.relu(self.conv1(x))), 2)


class Experts(nn.Module):
    """A mixture of small layers."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(6, 3)
        self.weight1 = nn.Parameter(torch.randn(3, 6, 8) * 0.4)
        self.weight2 = nn.Parameter(torch.randn(3, 8, 2) * 0.4)

    def forward(self, x):
        hidden = torch.relu(torch.einsum("bi,eij->bej", x, self.weight1))
        return torch.einsum("be,bej,ejk->bk", self.gate(x).softmax(-1), hidden, self.weight2)
