"""PyTorch (Debian: python3-torch) judges kernels, layers and losses:

    torch_judge.py TORCH_CASES [--cases N] [--first N] [--seed N]

TORCH_CASES draws random cases and writes what our code makes of them. Each is computed again here in float64,
gradients by autograd, and must agree within a bound that follows from the roundings of the work, never a guessed
number. Ends with status 77, which ctest calls skipped, where PyTorch is missing.
"""

import collections
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    from torch.nn import functional as F
except ImportError:
    print("SKIPPED: needs NumPy and PyTorch (Debian: python3-numpy python3-torch)")
    sys.exit(77)

U64 = 2.0 ** -53


def gamma(n, u):
    """n u / (1 - n u), the relative error that n roundings build up (N. Higham, "Accuracy and Stability", 3.1)."""
    return n * u / (1 - n * u)


class Case:
    """One case: `a.x` is its array x in float64, `a.u` the unit roundoff of the type that our code ran in."""

    def __init__(self, name, arrays):
        self.name, self.wrong, self.ratio = name, "", 0.0
        self.arrays = arrays
        self.settings = arrays.pop("settings", np.zeros(0))
        self.double = arrays["x"].dtype == np.float64
        self.u = U64 if self.double else 2.0 ** -24
        self.tiny = 2.0 ** -1074 if self.double else 2.0 ** -149

    def __getattr__(self, name):
        return torch.from_numpy(self.arrays[name].astype(np.float64))

    def both(self, n):
        """What n roundings build up in our code, and as many in PyTorch's."""
        return gamma(n, self.u) + gamma(n, U64)

    def within(self, name, theirs, bound):
        """Whether our result `name` is that close to theirs. Notes the first that is not."""
        ours = getattr(self, "our_" + name)
        if ours.shape != theirs.shape:
            self.wrong = self.wrong or f"{name} is {tuple(ours.shape)}, expected {tuple(theirs.shape)}"
            return
        error = (ours - theirs).abs()
        bound = torch.as_tensor(bound, dtype=torch.float64).expand(error.shape)
        if not bool((error <= bound).all()) and not self.wrong:  # NaN is wrong, too
            at = int((~(error <= bound)).reshape(-1).nonzero()[0])
            self.wrong = (f"{name}[{at}] is {ours.reshape(-1)[at]:.9g}, expected {theirs.reshape(-1)[at]:.9g}, "
                          f"error / bound {(error / bound).reshape(-1)[at]:.3g}")
        some = error > 0
        if bool(some.any()):
            self.ratio = max(self.ratio, float((error[some] / bound[some]).max()))

    def exact(self, name, theirs):
        self.within(name, theirs, 0.0)

    def sums(self, name, theirs, size, terms):
        """Sums of terms - 3 products or fewer, `size` the sums of their absolute values as PyTorch computes them,
        hence at least 1 - gamma of these; one unit of underflow for each rounding."""
        self.within(name, theirs, self.both(terms) * size / (1 - gamma(terms, U64)) + terms * self.tiny)


def gradients(y, dy, *of):
    return torch.autograd.grad(y, of, dy)


def leaf(x):
    return x.detach().clone().requires_grad_()


def nchw(x):
    return x.permute(0, 3, 1, 2)


def oihw(w):
    return w.permute(3, 2, 0, 1).contiguous()


# Kernels.


def conv(a):
    stride, pad, dilation = ([int(i) for i in a.settings[2 * k:2 * k + 2]] for k in range(3))
    groups, relu = int(a.settings[6]), a.settings[7] != 0

    def passes(x, w, b, dy):
        x, w, b = leaf(x), leaf(w), leaf(b)
        y = F.conv2d(nchw(x), oihw(w), b, stride, pad, dilation, groups).permute(0, 2, 3, 1)
        return (y.detach(), *gradients(y, dy, x, w, b))

    y, dx, dw, db = passes(a.x, a.w, a.b, a.dy)
    sizes = passes(a.x.abs(), a.w.abs(), a.b.abs(), a.dy.abs())
    kh, kw, ic, oc = a.w.shape
    pixels = a.dy.numel() // oc
    terms = (kh * kw * ic + 3, kh * kw * (oc // groups) + 3, pixels + 3, pixels + 3)
    for name, theirs, size, n in zip(("y", "dx", "dw", "db"), (y.relu() if relu else y, dx, dw, db), sizes, terms):
        a.sums(name, theirs, size, n)


def max_pool(a):
    kernel, stride, pad = ([int(i) for i in a.settings[2 * k:2 * k + 2]] for k in range(3))
    integers = a.settings[7] != 0

    def passes(x, dy):
        x = leaf(x)
        y = F.max_pool2d(nchw(x), kernel, stride, pad).permute(0, 2, 3, 1)
        return y.detach(), gradients(y, dy, x)[0]

    y, dx = passes(a.x, a.dy)
    a.exact("y", y)
    if integers:
        a.exact("dx", dx)
    else:
        a.sums("dx", dx, passes(a.x, a.dy.abs())[1], kernel[0] * kernel[1] + 3)


def average_pool(a):
    kernel, stride, pad = ([int(i) for i in a.settings[2 * k:2 * k + 2]] for k in range(3))

    def passes(x, dy):
        x = leaf(x)
        y = F.avg_pool2d(nchw(x), kernel, stride, pad, count_include_pad=bool(a.settings[6] == 2)).permute(0, 2, 3, 1)
        return y.detach(), gradients(y, dy, x)[0]

    terms = kernel[0] * kernel[1] + 3
    for name, theirs, size in zip(("y", "dx"), passes(a.x, a.dy), passes(a.x.abs(), a.dy.abs())):
        a.sums(name, theirs, size, terms)


def spread(x):
    """How far the numbers of each row lie apart."""
    return x.amax(1, keepdim=True) - x.amin(1, keepdim=True)


def softmax_error(a):
    """The relative error of a softmax for each row. exp(x - max) is off by u |x - max| for the rounding of the difference,
    at most `spread` here and, weighted with the terms of the sum, at most log(columns) there; by 3 u here and there for
    exp itself; by a rounding a column for the sum; by two for quotient and product."""
    columns = a.x.shape[1]
    return a.both(spread(a.x) + np.log(columns) + columns + 8)


def log_softmax_error(a):
    """And the absolute one of its logarithm, x - max - log(sum): a relative error of the sum is an absolute one of its
    logarithm, which is at most log(columns)."""
    return softmax_error(a) * (1 + spread(a.x) + np.log(a.x.shape[1]))


def softmax(a):
    x = leaf(a.x)
    y = torch.softmax(x, 1)
    dx, = gradients(y, a.dy, x)
    y, e, n = y.detach(), softmax_error(a), y.shape[1]
    a.within("y", y, e * y + 2 * a.tiny)
    # y (dy - sum of dy y), for a y that is off by the part e.
    size = y * (a.dy.abs() + (a.dy * y).abs().sum(1, keepdim=True))
    a.within("dx", dx, (2 * e + a.both(n + 3)) * (1 + e) * size + 4 * n * a.tiny)


def log_softmax(a):
    x = leaf(a.x)
    y = torch.log_softmax(x, 1)
    dx, = gradients(y, a.dy, x)
    y, e, n = y.detach(), log_softmax_error(a), y.shape[1]
    a.within("y", y, e)
    # dy - exp(y) sum of dy: an absolute error e of y is a relative one e / (1 - e) of exp(y).
    size = a.dy.abs() + y.exp() * a.dy.abs().sum(1, keepdim=True)
    a.within("dx", dx, (e / (1 - e) + a.both(n + 8)) * (1 + e) * size + 4 * n * a.tiny)


# Layers.


def moments(a):
    """Mean, variance and the bounds of their errors, for each column. Ours merges the moments of pieces of 32 rows, 34
    roundings each; a merge moves a mean by numbers up to twice the largest, in five; so rows + 40 of the largest."""
    x = a.x.reshape(-1, a.x.shape[-1])
    rows = len(x)
    mean, variance = x.mean(0), x.var(0, unbiased=False)
    steps = a.both(rows + 40)
    mean_error = steps * x.abs().amax(0)
    # Squares around a mean that is off by e: e^2 more, 2 e sqrt(variance) where means are merged.
    variance_error = steps * variance + mean_error * (mean_error + 2 * variance.sqrt())
    return rows, mean, variance, mean_error, variance_error


def batch_norm_y(a, mean, variance, mean_error, variance_error):
    """The part that 1 / sqrt(variance + epsilon) is off by, and the error of y."""
    t = variance_error / (variance + a.settings[1])
    assert bool((t < 1).all()), "a column that no bound holds for"
    s_error = t / 2 * (1 - t) ** -1.5
    scale = a.gamma.abs() / (variance + a.settings[1]).sqrt()
    rounding = a.both(8) * (scale * (a.x.abs() + mean.abs() + mean_error) + a.beta.abs())
    return s_error, scale, scale * (1 + s_error) * (mean_error + s_error * (a.x - mean).abs()) + rounding


def batch_norm_training(a):
    momentum, epsilon = a.settings
    channels = a.x.shape[-1]
    x, g, b = leaf(a.x), leaf(a.gamma), leaf(a.beta)
    running_mean, running_var = a.running_mean, a.running_var
    y = F.batch_norm(x.reshape(-1, channels), running_mean, running_var, g, b, True, momentum, epsilon)
    y = y.reshape(a.x.shape)
    dx, dgamma, dbeta = gradients(y, a.dy, x, g, b)
    rows, mean, variance, mean_error, variance_error = moments(a)
    s_error, scale, y_error = batch_norm_y(a, mean, variance, mean_error, variance_error)
    a.within("y", y.detach(), y_error)
    a.within("running_mean", running_mean, momentum * mean_error + a.both(5) * (a.running_mean.abs() + mean.abs()))
    unbiased = rows / (rows - 1)
    a.within("running_var", running_var, momentum * unbiased * variance_error +
             a.both(6) * (a.running_var + unbiased * variance))
    # With z = (x - mean) s: dbeta = sum dy, dgamma = sum dy z, dx = gamma s (dy - dbeta / rows - z dgamma / rows).
    # s is off by the part s_error, z also by d = s times the error of the mean.
    dy, z = a.dy.reshape(rows, channels), (a.x - mean).reshape(rows, channels).abs()
    s = 1 / (variance + epsilon).sqrt()
    z, d, steps = z * s, s * mean_error, a.both(rows + 20)
    sum_dy, sum_dyz = dy.abs().sum(0), (dy.abs() * z).sum(0)
    a.within("dbeta", dbeta, steps * sum_dy)
    a.within("dgamma", dgamma, (1 + s_error) * ((steps + s_error) * sum_dyz + d * sum_dy))
    size = dy.abs() + (sum_dy + z * sum_dyz) / rows
    moved = d * (sum_dyz + (z + d) * sum_dy) / rows
    dx_error = scale * (1 + s_error) ** 3 * ((steps + 4 * s_error) * size + (1 + steps) * moved)
    a.within("dx", dx, dx_error.reshape(a.x.shape))


def batch_norm_inference(a):
    y = F.batch_norm(a.x.reshape(-1, a.x.shape[-1]), a.running_mean, a.running_var, a.gamma, a.beta, False, 0.0,
                     a.settings[1])
    nothing = torch.zeros_like(a.running_mean)
    a.within("y", y.reshape(a.x.shape), batch_norm_y(a, a.running_mean, a.running_var, nothing, nothing)[2])
    a.exact("running_mean", a.running_mean)
    a.exact("running_var", a.running_var)


def affine(a):
    def passes(x, w, b, dy):
        x, w, b = leaf(x), leaf(w), leaf(b)
        y = F.linear(x, w.T, b)
        return (y.detach(), *gradients(y, dy, x, w, b))

    terms = (a.w.shape[0] + 3, a.w.shape[1] + 3, len(a.x) + 3, len(a.x) + 3)
    theirs = passes(a.x, a.w, a.b, a.dy)
    sizes = passes(a.x.abs(), a.w.abs(), a.b.abs(), a.dy.abs())
    for name, each, size, n in zip(("y", "dx", "dw", "db"), theirs, sizes, terms):
        a.sums(name, each, size, n)


def relu(a):
    x = leaf(a.x)
    y = torch.relu(x)
    a.exact("y", y.detach())
    a.exact("dx", gradients(y, a.dy, x)[0])


def leaky_relu(a):
    """The slope is rounded, and the product."""
    x = leaf(a.x)
    y = F.leaky_relu(x, float(a.settings[0]))
    a.within("y", y.detach(), a.both(3) * a.x.abs() + a.tiny)
    a.within("dx", gradients(y, a.dy, x)[0], a.both(3) * a.dy.abs() + a.tiny)


def curve(a, function, slope_of_derivative):
    """kernels/activation.h promises 4 units in the last place, hence 8 u; PyTorch's are as good. The derivative is taken
    at that y."""
    x = leaf(a.x)
    y = function(x)
    dx, = gradients(y, a.dy, x)
    y = y.detach()
    error = a.both(8) * y.abs() + 4 * a.tiny
    a.within("y", y, error)
    a.within("dx", dx, a.dy.abs() * (slope_of_derivative(y) * error + a.both(5) * (1 + error)) + a.tiny)


def sigmoid(a):
    curve(a, torch.sigmoid, lambda y: 1.0)  # y (1 - y)


def tanh(a):
    curve(a, torch.tanh, lambda y: 2 * y.abs() + 1e-6)  # 1 - y^2


def global_average_pool(a):
    def passes(x, dy):
        x = leaf(x)
        y = F.adaptive_avg_pool2d(nchw(x), 1).flatten(1)
        return y.detach(), gradients(y, dy, x)[0]

    terms = a.x.shape[1] * a.x.shape[2] + 3
    for name, theirs, size in zip(("y", "dx"), passes(a.x, a.dy), passes(a.x.abs(), a.dy.abs())):
        a.sums(name, theirs, size, terms)


def stack(a):
    """Integers, whose sums are all exact."""
    x, w, b, w2, b2 = (leaf(each) for each in (a.x, a.w, a.b, a.w2, a.b2))
    y = F.conv2d(nchw(x), oihw(w), b, padding=int(a.settings[0])).relu()
    y = F.max_pool2d(y, 2).permute(0, 2, 3, 1).flatten(1)
    y = F.linear(y, w2.T, b2)
    a.exact("y", y.detach())
    for name, theirs in zip(("dx", "dw", "db", "dw2", "db2"), gradients(y, a.dy, x, w, b, w2, b2)):
        a.exact(name, theirs)


# Losses: means over the n rows, summed in double.


def loss_of(a, function):
    x = leaf(a.x)
    loss = function(x)
    dx, = torch.autograd.grad(loss, x)
    return loss.detach(), dx


def softmax_with_loss(a):
    smoothing, labels = float(a.settings[0]), a.labels.long()
    loss, dx = loss_of(a, lambda x: F.cross_entropy(x, labels, label_smoothing=smoothing))
    n, classes = a.x.shape
    # What smoothing adds is a mean of logits, in double.
    a.within("loss", loss, log_softmax_error(a).mean() + 2 * gamma(n + classes + 16, U64) *
             (a.x.abs().max() * (1 + smoothing) + np.log(classes)))
    p = torch.softmax(a.x, 1)
    target = F.one_hot(labels, classes) + smoothing
    a.within("dx", dx, (softmax_error(a) * p + a.both(8) * (p + target)) / n + 4 * a.tiny)


def softmax_with_probabilities(a):
    loss, dx = loss_of(a, lambda x: F.cross_entropy(x, a.targets))
    n, classes = a.x.shape
    p = torch.softmax(a.x, 1)
    a.within("loss", loss, (a.targets * log_softmax_error(a)).sum() / n + 2 * gamma(n * classes + 8, U64) *
             (a.targets * torch.log_softmax(a.x, 1)).abs().sum() / n)
    # (sum of t p - t) / n, and the sum of a row takes `classes` roundings.
    row = a.targets.sum(1, keepdim=True)
    a.within("dx", dx, (softmax_error(a) * p * row + a.both(classes + 8) * (p * row + a.targets)) / n + 4 * a.tiny)


def sigmoid_with_loss(a):
    """In double, element by element: a handful of roundings of numbers up to |x| + 1, then the sum."""
    n = len(a.x)
    loss, dx = loss_of(a, lambda x: F.binary_cross_entropy_with_logits(x, a.targets, reduction="sum") / n)
    a.within("loss", loss, 2 * gamma(a.x.numel() + 16, U64) * (a.x.abs() * (1 + a.targets) + 1).sum() / n)
    a.within("dx", dx, (gamma(3, a.u) + 2 * gamma(16, U64)) * (torch.sigmoid(a.x) + a.targets) / n + 4 * a.tiny)


def mean_squared_error(a):
    n = len(a.x)
    loss, dx = loss_of(a, lambda x: F.mse_loss(x, a.targets, reduction="sum") / (2 * n))
    a.within("loss", loss, 2 * gamma(a.x.numel() + 6, U64) * loss)
    a.within("dx", dx, a.both(3) * (a.x - a.targets).abs() / n + 4 * a.tiny)


JUDGES = {each.__name__: each for each in (
    conv, max_pool, average_pool, softmax, log_softmax, batch_norm_training, batch_norm_inference, affine, relu,
    leaky_relu, sigmoid, tanh, global_average_pool, stack, softmax_with_loss, softmax_with_probabilities,
    sigmoid_with_loss, mean_squared_error)}


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "cases.npz"
        subprocess.run([sys.argv[1], path, *sys.argv[2:]], check=True)
        cases = collections.defaultdict(dict)
        with np.load(path, allow_pickle=False) as file:
            for key in file.files:
                number, kind, name = key.split(".")
                cases[int(number), kind][name] = file[key]
    total, worst, wrong = collections.Counter(), collections.Counter(), 0
    for (number, kind), arrays in cases.items():
        case = Case(f"case {number} ({kind}, {arrays['x'].dtype} {arrays['x'].shape})", arrays)
        JUDGES[kind](case)
        total[kind] += 1
        worst[kind] = max(worst[kind], case.ratio)
        if case.wrong:
            wrong += 1
            print(f"{case.name}: {case.wrong}")
    for kind in total:
        print(f"{kind:27} {total[kind]:4} cases; largest error / bound {worst[kind]:.3f}")
    print(f"torch {torch.__version__}: {sum(total.values())} cases: {wrong} wrong")
    sys.exit(1 if wrong or not total else 0)


main()
