"""What the Triton kernels compute, in the interpreter; run by `test_slot_kernels`."""

import inspect
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from yuan_demo.model import slot_kernels, slot_tiles
from yuan_demo.model.slot_kernels import Matrix, Rows, SlotLayer

WIDTH, HEADS, SIZE, INNER, VOCABULARY, CONTEXT = 96, 3, 32, 160, 211, 64
EPS = 1e-3
POSITIONS = [0, 1, 15, 16, 17, 63]


class StrictKernel:
    """Refuses arguments that a kernel does not name, as the compiler does; the interpreter takes
    anything, and let one through that no GPU would have run."""

    def __init__(self, kernel):
        self._kernel = kernel

    def __getitem__(self, grid):
        def launch(*values, **named):
            known = {*inspect.signature(self._kernel.fn).parameters}
            unknown = named.keys() - known - {"num_warps", "num_stages", "launch_pdl"}
            assert not unknown, f"{self._kernel.fn.__name__} has no {unknown}"
            return self._kernel[grid](*values, **named)

        return launch


for name in [name for name in vars(slot_kernels) if name.endswith("_kernel")]:
    setattr(slot_kernels, name, StrictKernel(getattr(slot_kernels, name)))


def dense(matrix):
    return matrix.weight if matrix.scale is None else matrix.weight * matrix.scale[:, None]


def make_matrix(rows, columns, int8=False):
    if not int8:
        return Matrix(torch.randn(rows, columns) / columns**0.5)
    weight = torch.randint(-127, 128, (rows, columns), dtype=torch.int8)
    return Matrix(weight, (torch.rand(rows) + 0.5) / 64 / columns**0.5)


def make_layer(slots, int8=False):
    entries = (CONTEXT + 15) // 16
    return SlotLayer(
        input_norm=torch.rand(WIDTH) + 0.5,
        filter_norm=torch.rand(WIDTH) + 0.5,
        post_norm=torch.rand(WIDTH) + 0.5,
        filter_in=make_matrix(2 * WIDTH, WIDTH, int8),
        filter_in_bias=torch.randn(WIDTH // 2),
        filter_out=make_matrix(2 * WIDTH, WIDTH // 2, int8),
        filter_out_bias=torch.randn(WIDTH),
        query_key=make_matrix(2 * WIDTH, WIDTH, int8),
        output=make_matrix(WIDTH, WIDTH, int8),
        gate_up=make_matrix(2 * INNER, WIDTH, int8),
        down=make_matrix(WIDTH, INNER, int8),
        keys=torch.randn(slots, HEADS, CONTEXT, SIZE),
        values=torch.randn(slots, HEADS, CONTEXT, SIZE),
        narrow_state=torch.randn(slots, entries, WIDTH // 2),
        wide_state=torch.randn(slots, entries, WIDTH),
        eps=EPS,
    )


def make_rows(slots, positions):
    angles = torch.arange(CONTEXT)[:, None] / 10000 ** (torch.arange(0, SIZE, 2) / SIZE)
    return Rows(torch.tensor(slots), torch.tensor(positions), angles.cos(), angles.sin())


def copy_of(layer):
    caches = ("keys", "values", "narrow_state", "wide_state")
    return SimpleNamespace(
        **{**vars(layer), **{name: getattr(layer, name).clone() for name in caches}}
    )


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def state_step(state, slot, position, current):
    previous = state[slot, (position - 1) // 16].clone() if position > 0 else 0
    state[slot, position // 16] = current
    return previous


def rotate(x, rows, position):
    low, high = x.chunk(2, -1)
    cos, sin = rows.cos[position], rows.sin[position]
    return torch.cat((low * cos - high * sin, high * cos + low * sin), -1)


def reference_row(layer, h, rows, slot, position):
    """One token of one row: h (H,) to (H,), caches of `layer` changed in place."""
    half = WIDTH // 2
    x = rms_norm(h, layer.input_norm, layer.eps)
    v, now, later = dense(layer.filter_in).matmul(x).split([WIDTH, half, half])
    y = now + layer.filter_in_bias + state_step(layer.narrow_state, slot, position, later)
    now, later = dense(layer.filter_out).matmul(y).chunk(2)
    u = now + layer.filter_out_bias + x + state_step(layer.wide_state, slot, position, later)
    qk = dense(layer.query_key) @ rms_norm(u, layer.filter_norm, 1e-6)
    q, k = qk.view(HEADS, 2, SIZE).unbind(1)
    layer.keys[slot, :, position] = rotate(k, rows, position)
    layer.values[slot, :, position] = v.view(HEADS, SIZE)
    keys, values = layer.keys[slot, :, : position + 1], layer.values[slot, :, : position + 1]
    scores = keys @ rotate(q, rows, position)[..., None] / SIZE**0.5
    h = h + dense(layer.output) @ (scores.softmax(1) * values).sum(1).flatten()
    gate, up = (dense(layer.gate_up) @ rms_norm(h, layer.post_norm, layer.eps)).chunk(2)
    return h + dense(layer.down) @ (gate * F.silu(up))


def check(layer, h, rows, real):
    """Rows before `real` against the reference, and their slots' caches; the others only pad."""
    expected_layer = copy_of(layer)
    slots, positions = rows.slots.tolist(), rows.positions.tolist()
    expected = torch.stack(
        [reference_row(expected_layer, h[i], rows, slots[i], positions[i]) for i in range(real)]
    )
    out = slot_kernels.decode_layer(layer, h, rows)
    torch.testing.assert_close(out[:real], expected, atol=1e-4, rtol=1e-4)
    for name in ("keys", "values", "narrow_state", "wide_state"):
        got, wanted = getattr(layer, name), getattr(expected_layer, name)
        scratch = sorted({*range(got.shape[0])} - {*slots[real:]})
        torch.testing.assert_close(got[scratch], wanted[scratch], atol=1e-4, rtol=1e-4)


@pytest.fixture
def _small_tiles(monkeypatch, request):
    """Several tiles and splits within these sizes, and every way to multiply; quick, too."""
    ways = getattr(request, "param", 1)
    small = {1: (32, 64, 4, 1, 1), 16: (32, 64, 4, 2, ways), 32: (32, 64, 4, 2, ways)}
    monkeypatch.setattr(slot_tiles, "TILES", dict.fromkeys(slot_tiles.TILES, small))
    monkeypatch.setattr(slot_tiles, "INT8_TILES", {})
    monkeypatch.setattr(slot_kernels, "splits", lambda heads: (16, 16) if heads < 4 else (32, 16))


@pytest.mark.usefixtures("_small_tiles")
@pytest.mark.parametrize("position", POSITIONS)
def test_a_layer_for_one_row(position):
    torch.manual_seed(position)
    check(make_layer(3), torch.randn(1, WIDTH), make_rows([1], [position]), real=1)


@pytest.mark.parametrize(
    ("num_rows", "_small_tiles"), [(2, 4), (5, 0), (5, 1), (17, 4)], indirect=["_small_tiles"]
)
@pytest.mark.usefixtures("_small_tiles")
def test_a_layer_for_rows_at_different_positions(num_rows):
    torch.manual_seed(num_rows)
    positions = [POSITIONS[i % len(POSITIONS)] for i in range(num_rows)]
    slots = torch.randperm(num_rows + 1)[:num_rows].tolist()
    check(
        make_layer(num_rows + 1),
        torch.randn(num_rows, WIDTH),
        make_rows(slots, positions),
        num_rows,
    )


@pytest.mark.usefixtures("_small_tiles")
def test_rows_that_pad_may_share_a_slot():
    torch.manual_seed(0)
    rows = make_rows([2, 0, 3, 3, 3], [17, 40, 0, 0, 0])
    check(make_layer(4), torch.randn(5, WIDTH), rows, real=2)


@pytest.mark.parametrize("num_rows", [1, 3])
def test_int8_weights(num_rows):
    torch.manual_seed(1)
    positions = [33, 16, 0][:num_rows]
    rows = make_rows(list(range(num_rows)), positions)
    check(make_layer(num_rows, int8=True), torch.randn(num_rows, WIDTH), rows, num_rows)


@pytest.mark.usefixtures("_small_tiles")
@pytest.mark.parametrize("num_rows", [1, 5])
def test_steps_follow_one_another(num_rows):
    """Two tokens of each row, over the border of a state entry and of a split."""
    torch.manual_seed(2)
    layer = make_layer(num_rows)
    for position in (15, 16):
        rows = make_rows(list(range(num_rows)), [position] * num_rows)
        check(layer, torch.randn(num_rows, WIDTH), rows, num_rows)


@pytest.mark.parametrize("num_rows", [1, 2, 17])
@pytest.mark.parametrize("int8", [False, True])
def test_head(num_rows, int8):
    torch.manual_seed(3)
    matrix, norm = make_matrix(VOCABULARY, WIDTH, int8), torch.rand(WIDTH) + 0.5
    h = torch.randn(num_rows, WIDTH)
    logits = slot_kernels.head(matrix, norm, h, EPS)
    torch.testing.assert_close(
        logits, rms_norm(h, norm, EPS) @ dense(matrix).T, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("num_rows", [0, 65])
def test_a_batch_of_another_size_is_refused(num_rows):
    with pytest.raises(ValueError, match=f"1 to 64 rows, got {num_rows}"):
        slot_tiles.padded_rows(num_rows)
