"""Files of ONNX, G.onnx and D.onnx, that ONNX Runtime and other programs run (dcgan.exchange.onnx_graph has the graph).

A file says in its metadata what it is, as the other formats do; `range` is the lowest and the highest number of a
picture. The package onnx writes the files: pip install 'gpunet[onnx]'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcgan.errors import UserError
from dcgan.exchange import onnx_graph
from dcgan.exchange.onnx_graph import Graph
from dcgan.exchange.weights import gathered
from dcgan.sampling import lowest
from gpunet.files import write_atomically

if TYPE_CHECKING:
    from dcgan.trained import Trained

OPSET, IR = 18, 8  # versions of the operators and of the file, both of 2022: older programs can read them
Sizes = Sequence[str | int]  # "N" is the number of pictures


def write(folder: Path, run: Trained) -> None:
    """Write G.onnx and, where the run has it, D.onnx. UserError: the package onnx is missing, or a layer is unknown."""
    try:
        import onnx  # noqa: F401 (asked for before the work begins)
    except ImportError as error:
        raise UserError(f"--to onnx needs the package onnx ({error}): pip install 'gpunet[onnx]'") from None
    texts = gathered(run).texts() | {"range": f"{lowest(run.G):g} to 1"}
    graph, (height, width, channels) = onnx_graph.of_generator(run.G.eval(), run.config.z_dim)
    pictures: Sizes = ("N", channels, height, width)
    files = {"G.onnx": model(graph, {"z": ("N", run.config.z_dim)}, {"pictures": pictures}, texts)}
    if run.D is not None:
        graph = onnx_graph.of_discriminator(run.D.eval(), (height, width, channels))
        files["D.onnx"] = model(graph, {"pictures": pictures}, {"logits": ("N",)}, texts)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomically(folder / name, content)


def model(graph: Graph, inputs: Mapping[str, Sizes], outputs: Mapping[str, Sizes], texts: Mapping[str, str]) -> bytes:
    """Return the content of a file. UserError: it would be larger than a file of ONNX may be."""
    from onnx import TensorProto, checker, helper, numpy_helper

    from gpunet import __version__

    def described(values: Mapping[str, Sizes]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]

    labels = [helper.make_tensor_value_info("labels", TensorProto.INT64, ["N"])] if graph.labelled else []
    constants = [numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    nodes = [
        helper.make_node(node.op, node.inputs, [node.output], f"{node.op}.{number}", **node.attributes)
        for number, node in enumerate(graph.nodes)
    ]
    made = helper.make_graph(nodes, "dcgan", described(inputs) + labels, described(outputs), constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, producer_name="gpunet", producer_version=__version__, opset_imports=opsets)
    model.ir_version = IR
    helper.set_model_props(model, dict(texts))
    if model.ByteSize() >= 2**31:
        raise UserError("--to onnx: the network is larger than 2 GiB, the most that a file of ONNX holds")
    checker.check_model(model, full_check=True)
    return model.SerializeToString()
