"""Model folders: what is saved is loaded, an older model survives, damage is named."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from network_cases import small_network, unsettle, window  # noqa: E402

from embeddings.nets import model_folder  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.saved_transformer import load_model, save_model  # noqa: E402
from tracker.errors import MissingExtraError, OutputError  # noqa: E402


@pytest.fixture(params=["safetensors", "torch"])
def _each_format(request, monkeypatch):
    if request.param == "safetensors":
        pytest.importorskip("safetensors", reason="safetensors is part of the extra learn")
    else:
        monkeypatch.setattr(model_folder, "find_spec", lambda name: None)


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "models" / "hela"
    save_model(small_network(), folder, {"seed": 3, "movie": "HeLa"})
    return folder


def weights_of(folder: Path) -> Path:
    return folder / json.loads((folder / "model.json").read_text())["weights"]["file"]


def refused(folder, **arguments):
    with pytest.raises(ModelError) as error:
        load_model(folder, **arguments)
    return str(error.value)


@pytest.mark.usefixtures("_each_format")
@pytest.mark.parametrize("positional", ["rope", "bias"])
def test_round_trip(tmp_path, positional):
    network = small_network(positional=positional)
    save_model(network, tmp_path, {"seed": 3})
    loaded, provenance = load_model(tmp_path, dimensions=2)
    assert (loaded.config, provenance, loaded.training) == (network.config, {"seed": 3}, False)
    coordinates, features = window(network.config, 8)
    with torch.no_grad():
        assert torch.equal(loaded(coordinates, features), network(coordinates, features))
    suffix = ".pt" if model_folder.find_spec("safetensors") is None else ".safetensors"
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".json", suffix]


@pytest.mark.usefixtures("_each_format")
def test_the_older_model_is_replaced(saved):
    network = small_network()
    unsettle(network, seed=1)
    save_model(network, saved, {})
    assert torch.equal(load_model(saved)[0].proj.weight, network.proj.weight)
    assert len(list(saved.iterdir())) == 2


def test_saving_the_same_again_keeps_it(saved):
    save_model(small_network(), saved, {"again": True})
    assert load_model(saved)[1] == {"again": True}


def test_the_older_model_survives_a_failure(saved, monkeypatch):
    older = load_model(saved)[0]
    newer = small_network()
    unsettle(newer, seed=1)
    replace = Path.replace

    def full(path, target):
        if target.name == "model.json":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError) as error:
        save_model(newer, saved, {})
    assert str(error.value) == f"the model folder {saved} could not be written: No space left on device"
    assert torch.equal(load_model(saved)[0].proj.weight, older.proj.weight)
    assert not list(saved.glob("*.partial"))
    assert not list(saved.glob(".*"))


def test_what_stands_in_model_json(saved):
    about = json.loads((saved / "model.json").read_text())
    assert (about["kind"], about["format"], about["network"]) == ("pintrack model", 1, "tracking_transformer")
    assert about["config"] == small_network().config.as_mapping()
    assert about["provenance"] == {"seed": 3, "movie": "HeLa"}


def test_no_model(tmp_path):
    assert refused(tmp_path / "none") == (
        f"{tmp_path / 'none'} holds no model written by pintrack: model.json is missing. Name a folder that "
        "`track train` wrote"
    )


def test_another_dimensionality(saved):
    assert refused(saved, dimensions=3) == (
        f"the model {saved} is for 2-D movies, the movie is 3-D: name a model trained on 3-D movies"
    )


def test_damaged_weights(saved):
    path = weights_of(saved)
    path.write_bytes(path.read_bytes()[:-10])
    assert refused(saved) == (
        f"the weights {path} are damaged: their checksum is not the one in model.json. Copy the folder again, or use "
        "another checkpoint"
    )
    path.unlink()
    assert refused(saved) == f"the weights {path} cannot be read: No such file or directory"


def edit(folder: Path, **changes) -> None:
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(about | changes))


def test_another_network(saved):
    edit(saved, network="autoencoder")
    assert refused(saved) == (
        f"{saved} holds a network of the kind autoencoder, wanted tracking_transformer: name another model folder"
    )


def test_another_format(saved):
    edit(saved, format=2)
    assert refused(saved) == (
        f"{saved / 'model.json'}: wanted 'pintrack model' of format 1, found 'pintrack model' of format 2"
    )


def test_other_sizes(saved):
    edit(saved, config=small_network().config.as_mapping() | {"window_frames": 5, "d_model": 32})
    assert refused(saved).startswith(f"the weights of {saved} do not fit its config: of another shape: ")


def test_unknown_and_missing_sizes(saved):
    config = small_network().config.as_mapping()
    del config["heads"]
    edit(saved, config=config | {"layers": 3})
    assert refused(saved) == (
        f"{saved / 'model.json'} does not describe a tracking transformer: unknown keys layers; missing keys heads"
    )


@pytest.mark.parametrize("text", ["{", "[]", "{}", '"model"', '{"kind": 1, "format": 1, "network": 1, "config": 3}'])
def test_a_description_that_is_none(saved, text):
    (saved / "model.json").write_text(text)
    assert refused(saved).startswith(f"{saved / 'model.json'} ")


@pytest.mark.skipif(find_spec("safetensors") is None, reason="safetensors is part of the extra learn")
def test_safetensors_missing_where_the_model_needs_it(saved, monkeypatch):
    path = weights_of(saved)
    monkeypatch.setattr(model_folder, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as error:
        load_model(saved)
    assert str(error.value) == (
        f"Reading {path} needs the package safetensors, which is not installed. "
        'Install it with: pip install "pintrack[learn]"'
    )
