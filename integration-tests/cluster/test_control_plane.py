"""Where there is no control plane, tests say which one is missing."""

from __future__ import annotations

import pytest

from . import control_plane
from .control_plane import BINARIES, SCRIPTS, Missing, find


@pytest.fixture
def assets(tmp_path, monkeypatch):
    """A folder that KUBEBUILDER_ASSETS names, in a checkout with nothing beside it."""
    monkeypatch.setattr(control_plane, "ROOT", tmp_path / "checkout")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    return tmp_path


def test_an_empty_folder_is_told(assets):
    with pytest.raises(Missing, match="no folder with etcd, kube-apiserver, kube-controller-manager"):
        find()


def test_binaries_without_what_runs_them_are_told(assets):
    for name in BINARIES:
        (assets / name).touch()
    with pytest.raises(Missing, match=r"no folder has run\.py and process_kubelet\.py"):
        find()


def test_a_whole_folder_is_found(assets):
    for name in (*BINARIES, *SCRIPTS):
        (assets / name).touch()
    assert find() == (assets, assets)
