"""Features of .onnx files: layouts, sizes and ranges against NumPy; hostile and wrong files end in one line."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcgan.errors import UserError
from dcgan.measuring.features import onnx_file

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper, TensorProto = onnx.helper, onnx.TensorProto
FLOAT = TensorProto.FLOAT


def model(nodes, shape, kind=FLOAT, out=None, initialisers=(), inputs=1):
    """A model of these nodes from x (and x1 ...) to y."""
    given = [helper.make_tensor_value_info(f"x{i or ''}", kind, shape) for i in range(inputs)]
    result = helper.make_tensor_value_info("y", kind if out is None else FLOAT, out)
    graph = helper.make_graph(nodes, "test", given, [result], list(initialisers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def saved(folder, made, name="net.onnx"):
    path = folder / name
    path.write_bytes(made.SerializeToString())
    return str(path)


def identity(folder, shape, kind=FLOAT, name="net.onnx"):
    return saved(folder, model([helper.make_node("Identity", ["x"], ["y"])], shape, kind), name)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), "uint8")


@pytest.mark.parametrize("shape, axes", [(["n", 3, 6, 4], (0, 3, 1, 2)), (["n", 6, 4, 3], None), ([2, 3, 6, 4], None)])
def test_any_layout_and_any_batch(tmp_path, images, shape, axes):
    """An identity's map is averaged over its places, so the features are the mean colours."""
    found = onnx_file.features_of(identity(tmp_path, shape)).extract(images, None)
    np.testing.assert_allclose(found, images.mean(axis=(1, 2)) / 255, rtol=1e-5)
    assert found.shape == (5, 3) and found.dtype == "float32"


RANGES = {
    "unit": lambda x: x / 255,
    "signed": lambda x: x / 127.5 - 1,
    "bytes": lambda x: x,
    "imagenet": lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
    "clip": lambda x: (x / 255 - [0.48145466, 0.4578275, 0.40821073]) / [0.26862954, 0.26130258, 0.27577711],
}


@pytest.mark.parametrize("name", onnx_file.RANGES)
def test_the_range_of_the_numbers(tmp_path, images, name):
    flat = saved(tmp_path, model([helper.make_node("Flatten", ["x"], ["y"])], ["n", 6, 4, 3]))
    found = onnx_file.features_of(flat, numbers=name).extract(images, None)
    np.testing.assert_allclose(found, RANGES[name](images.astype("float64")).reshape(5, -1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8])
def test_types_of_numbers(tmp_path, images, kind):
    found = onnx_file.features_of(identity(tmp_path, ["n", 6, 4, 3], kind), numbers="bytes").extract(images, None)
    np.testing.assert_allclose(found, images.mean(axis=(1, 2)), rtol=1e-3)


def test_pictures_are_resized_as_pillow_does(tmp_path, images):
    path = saved(tmp_path, model([helper.make_node("Flatten", ["x"], ["y"])], ["n", "h", "w", 3]))
    found = onnx_file.features_of(path, (9, 7), "bytes").extract(images, None)
    expected = [np.asarray(Image.fromarray(image).resize((7, 9), Image.Resampling.BICUBIC)) for image in images]
    assert np.array_equal(found, np.stack(expected).reshape(5, -1))


def test_grey_and_colour(tmp_path, images):
    grey = images[..., :1]
    colour = onnx_file.features_of(identity(tmp_path, ["n", 6, 4, 3]), numbers="bytes").extract(grey, None)
    np.testing.assert_allclose(colour, np.repeat(grey.mean(axis=(1, 2)), 3, axis=1), rtol=1e-5)
    one = onnx_file.features_of(identity(tmp_path, ["n", 1, 6, 4]), numbers="bytes").extract(images, None)
    expected = [np.asarray(Image.fromarray(image).convert("L")).mean() for image in images]
    np.testing.assert_allclose(one[:, 0], expected, rtol=1e-5)


def test_tokens_are_averaged(tmp_path, images):
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [0, 24, 3])
    made = model([helper.make_node("Reshape", ["x", "shape"], ["y"])], ["n", 6, 4, 3], initialisers=[shape])
    found = onnx_file.features_of(saved(tmp_path, made)).extract(images, None)
    np.testing.assert_allclose(found, images.mean(axis=(1, 2)) / 255, rtol=1e-5)


def test_the_origin_tells_the_file(tmp_path, images):
    path = identity(tmp_path, ["n", 6, 4, 3])
    origin = onnx_file.features_of(path, numbers="signed").origin
    assert origin["sha256"] == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert (origin["name"], origin["size"], origin["range"]) == ("net.onnx", "6x4", "signed")


@pytest.mark.parametrize(
    "shape, size, line",
    [
        (["n", 3, "h", "w"], None, "reads pictures of any size: say which by --feature-size"),
        (["n", 3, 6, 4], (8, 8), "--feature-size: got 8x8, "),
        (["n", 5, 6, 7], None, "expected 1 or 3 channels first or last"),
        (["n", 3], None, "expected one of four axes"),
        (["n", 3, 9999, 4], None, "expected at most 4096 a side"),
    ],
)
def test_inputs_that_are_no_pictures(tmp_path, shape, size, line):
    with pytest.raises(UserError, match=line):
        onnx_file.features_of(identity(tmp_path, shape), size)


def external(folder, location):
    """A model whose weights lie in a file."""
    weight = TensorProto(name="w", data_type=FLOAT, dims=[1, 1, 1, 3], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    made = model([helper.make_node("Add", ["x", "w"], ["y"])], ["n", 6, 4, 3], initialisers=[weight])
    return saved(folder, made)


def test_weights_in_the_own_folder_are_read(tmp_path, images):
    (tmp_path / "w.bin").write_bytes(np.array([1, 2, 3], "float32").tobytes())
    found = onnx_file.features_of(external(tmp_path, "w.bin"), numbers="bytes").extract(images, None)
    np.testing.assert_allclose(found, images.mean(axis=(1, 2)) + [1, 2, 3], rtol=1e-5)


@pytest.mark.parametrize("place", ["../secret.bin", "absolute", "link.bin", "sub/../../secret.bin"])
def test_weights_outside_of_the_folder_are_refused(tmp_path, place):
    folder = tmp_path / "net"
    folder.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.zeros(3, "float32").tobytes())
    (folder / "link.bin").symlink_to(secret)
    with pytest.raises(UserError, match="expected them in its own folder: refused"):
        onnx_file.features_of(external(folder, str(secret) if place == "absolute" else place))


def test_weights_in_a_branch_are_found_too(tmp_path):
    """A tensor in the graph of an If node."""
    weight = TensorProto(name="w", data_type=FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="/etc/hostname")
    out = [helper.make_tensor_value_info("z", FLOAT, None)]
    branch = helper.make_graph([helper.make_node("Identity", ["w"], ["z"])], "branch", [], out, [weight])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    yes = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    with pytest.raises(UserError, match="/etc/hostname, expected them in its own folder"):
        onnx_file.features_of(saved(tmp_path, model([node], ["n", 6, 4, 3], initialisers=[yes])))


def test_files_that_are_no_networks(tmp_path):
    good = model([helper.make_node("Identity", ["x"], ["y"])], ["n", 6, 4, 3])
    unknown = model([helper.make_node("Run", ["x"], ["y"], domain="a.stranger")], ["n", 6, 4, 3])
    content = good.SerializeToString()
    bad = {
        "empty": b"", "text": b"PK\x03\x04 no network", "cut": content[: len(content) // 2],
        "unknown operator": unknown.SerializeToString(),
        "two inputs": model([], ["n", 6, 4, 3], inputs=2).SerializeToString(),
    }  # fmt: skip
    for name, data in bad.items():
        (tmp_path / "bad.onnx").write_bytes(data)
        with pytest.raises(UserError) as error:
            onnx_file.features_of(str(tmp_path / "bad.onnx"))
        assert "bad.onnx" in str(error.value) and "\n" not in str(error.value), name
    for path in (tmp_path, tmp_path / "missing.onnx"):
        with pytest.raises(UserError, match="cannot read .*; expected discriminator, classifier or FILE.onnx"):
            onnx_file.features_of(str(path))
