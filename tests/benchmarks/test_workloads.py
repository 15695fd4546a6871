"""Workloads: what their names say."""

from __future__ import annotations

from benchmarks.measure.workloads import DEFAULT, Workload


def test_names_of_workloads():
    assert Workload.named("carpedm20-mnist-nf8-b4").preset == "carpedm20-mnist"
    reference = Workload.named(DEFAULT[-1])
    assert (reference.width, reference.batch, reference.implementation) == (64, 64, "reference")
