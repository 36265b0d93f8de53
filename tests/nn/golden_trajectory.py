"""Prints the losses that trainer_test.cc expects, from plain loops in double precision.

The network is conv 2 3x3, relu, maxpool 2, flatten, affine 5, tanh, affine 3 on four samples of
6x6x1, trained by ten steps of gradient descent on one batch. Derivatives are written out by hand.
"""

import math

LABELS = [0, 2, 1, 2]
RATE = 0.25


def weights(count):
    return [((i * 37 + 11) % 41 - 20) / 40 for i in range(count)]


def step(x, p):
    """Returns the loss and its gradients by all parameters."""
    cw, cb, aw, ab, bw, bb = p
    g = [[0.0] * len(t) for t in p]
    loss = 0.0
    for s, label in enumerate(LABELS):
        image = x[s * 36:(s + 1) * 36]
        flat, winners = [], []
        for ph in range(2):
            for pw in range(2):
                for c in range(2):
                    best, where = -1.0, None
                    for h in (2 * ph, 2 * ph + 1):
                        for w in (2 * pw, 2 * pw + 1):
                            z = cb[c]
                            for kh in range(3):
                                for kw in range(3):
                                    z += image[(h + kh) * 6 + w + kw] * cw[(kh * 3 + kw) * 2 + c]
                            if max(z, 0.0) > best:
                                best, where = max(z, 0.0), (h, w, c)
                    flat.append(best)
                    winners.append(where)
        hidden = [math.tanh(ab[j] + sum(flat[i] * aw[i * 5 + j] for i in range(8)))
                  for j in range(5)]
        out = [bb[j] + sum(hidden[i] * bw[i * 3 + j] for i in range(5)) for j in range(3)]
        total = sum(math.exp(o) for o in out)
        loss -= math.log(math.exp(out[label]) / total) / 4
        dout = [(math.exp(out[j]) / total - (j == label)) / 4 for j in range(3)]
        dhidden = [0.0] * 5
        for i in range(5):
            for j in range(3):
                g[4][i * 3 + j] += hidden[i] * dout[j]
                dhidden[i] += bw[i * 3 + j] * dout[j]
        for j in range(3):
            g[5][j] += dout[j]
        dflat = [0.0] * 8
        for j in range(5):
            d = dhidden[j] * (1 - hidden[j] ** 2)
            g[3][j] += d
            for i in range(8):
                g[2][i * 5 + j] += flat[i] * d
                dflat[i] += aw[i * 5 + j] * d
        for value, d, (h, w, c) in zip(flat, dflat, winners):
            if value > 0:
                g[1][c] += d
                for kh in range(3):
                    for kw in range(3):
                        g[0][(kh * 3 + kw) * 2 + c] += image[(h + kh) * 6 + w + kw] * d
    return loss, g


def main():
    # Squares, so that no two windows of a pooling tie and rounding decides nothing.
    x = [((i * i * 53 + 7 * i) % 127) / 126 for i in range(4 * 36)]
    parameters = [weights(n) for n in (18, 2, 40, 5, 15, 3)]
    for _ in range(10):
        loss, gradients = step(x, parameters)
        print(repr(loss))
        parameters = [[w - RATE * g for w, g in zip(ws, gs)]
                      for ws, gs in zip(parameters, gradients)]


main()
