"""Models by whatever a person calls them."""

import json
import sys
import zipfile

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from network_cases import small_network, write_release  # noqa: E402

from embeddings.methods import load  # noqa: E402
from embeddings.methods.load import kind_of_model, load_tracking_model  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.model_folder import StoredModel, write_model_folder  # noqa: E402
from embeddings.nets.saved_transformer import save_model  # noqa: E402


def same(one, other) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def refused(message, call, *given):
    with pytest.raises(ModelError) as error:
        call(*given)
    assert str(error.value) == message


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    save_model(small_network(), folder, {"method": "attrackt", "logit_clamp": 20.0, "seed": 3})
    return folder


def test_our_folder(own):
    found = load_tracking_model(own, "models/own", 2)
    assert same(found.network, small_network())
    assert not found.network.training
    assert (found.method, found.logit_clamp, found.provenance["seed"]) == ("attrackt", 20.0, 3)
    assert len(found.digest) == 16


def test_the_digest_tells_models_apart(own, tmp_path):
    first = load_tracking_model(own, "own").digest
    assert load_tracking_model(own, "called otherwise").digest == first
    save_model(small_network(d_model=24, heads=3), tmp_path / "other", {"method": "attrackt"})
    assert load_tracking_model(tmp_path / "other", "other").digest != first
    network = small_network()
    with torch.no_grad():
        network.head_x.fc1.bias[0] += 1
    save_model(network, own, {"method": "attrackt", "logit_clamp": 20.0, "seed": 3})
    assert load_tracking_model(own, "own").digest != first


def test_a_release_of_trackastra(tmp_path):
    network = small_network()
    write_release(tmp_path / "ctc", network)
    found = load_tracking_model(tmp_path / "ctc", "ctc", 2)  # it is there, so its name means this folder
    assert same(found.network, network)
    assert (found.method, found.logit_clamp) == ("trackastra", None)
    assert found.provenance == {"release": str(tmp_path / "ctc")}
    with torch.no_grad():
        network.head_x.fc1.bias[0] += 1
    write_release(tmp_path / "ctc", network)
    assert load_tracking_model(tmp_path / "ctc", "ctc").digest != found.digest


def test_what_we_wrote_goes_before_what_lies_beside(own):
    (own / "config.yaml").write_text("of something else")
    assert load_tracking_model(own, "own").method == "attrackt"


def test_a_release_without_weights(tmp_path):
    write_release(tmp_path / "half", small_network())
    (tmp_path / "half" / "model.pt").unlink()
    refused(
        f"{tmp_path / 'half'} is no complete Trackastra model: model.pt is missing",
        load_tracking_model, tmp_path / "half", "half",
    )  # fmt: skip


def test_a_model_for_other_movies(own, tmp_path):
    message = "the model {} is for 2-D movies, the movie is 3-D: name a model trained on 3-D movies"
    refused(message.format(own), load_tracking_model, own, "own", 3)
    write_release(tmp_path / "release", small_network())
    refused(message.format(tmp_path / "release"), load_tracking_model, tmp_path / "release", "release", 3)


def test_no_folder(tmp_path):
    refused(
        f"{tmp_path / 'nowhere'} holds no model written by pintrack: model.json is missing. Name a folder that "
        "`track train` wrote",
        load_tracking_model, tmp_path / "nowhere", "nowhere",
    )  # fmt: skip


def test_a_model_of_another_kind(tmp_path):
    write_model_folder(tmp_path, StoredModel("autoencoder", {}, {}))
    refused(
        f"{tmp_path} holds a network of the kind autoencoder, wanted tracking_transformer: name another model folder",
        load_tracking_model, tmp_path, "model",
    )  # fmt: skip
    assert kind_of_model(tmp_path) == "autoencoder"


def test_a_public_name_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "find_spec", lambda name: None)
    refused(
        "there is no folder general_2d. To download the public model of that name, install the trackastra package "
        '(pip install "pintrack[demo]"); or unpack its release yourself and name the folder',
        load_tracking_model, tmp_path / "general_2d", "general_2d",
    )  # fmt: skip


def test_a_public_name_is_downloaded_by_the_package(tmp_path, monkeypatch):
    pretrained = pytest.importorskip("trackastra.model.pretrained", reason="the downloads are those of trackastra")
    write_release(tmp_path / "cache", small_network())
    asked = []
    monkeypatch.setattr(pretrained, "download_pretrained", lambda name: asked.append(name) or tmp_path / "cache")
    assert same(load_tracking_model(tmp_path / "ctc", "ctc").network, small_network())
    assert asked == ["ctc"]

    for problem in (OSError("no network"), zipfile.BadZipFile("no network")):

        def offline(name, problem=problem):
            raise problem

        monkeypatch.setattr(pretrained, "download_pretrained", offline)
        said = "the public model ctc could not be downloaded: no network"
        refused(said, load_tracking_model, tmp_path / "ctc", "ctc")


def test_what_the_package_prints_is_a_message(tmp_path, monkeypatch, capsys):
    pretrained = pytest.importorskip("trackastra.model.pretrained", reason="the downloads are those of trackastra")
    write_release(tmp_path / "cache", small_network())

    def skipping(name):
        sys.stdout.write("skipping")
        return tmp_path / "cache"

    monkeypatch.setattr(pretrained, "download_pretrained", skipping)
    load_tracking_model(tmp_path / "ctc", "ctc")
    assert capsys.readouterr() == ("", "skipping")


@pytest.mark.parametrize("content", ["[1, 2]", "{}", "no json", None])
def test_what_holds_no_model_has_no_kind(tmp_path, content):
    path = tmp_path / "model.json"
    messages = {
        "[1, 2]": f"{path} is not the description of a model written by pintrack: ",
        "{}": f"{path} is not the description of a model written by pintrack: ",
        "no json": f"{path} cannot be read: ",
        None: f"{tmp_path} holds no model written by pintrack: model.json is missing. ",
    }
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelError) as error:
        kind_of_model(tmp_path)
    assert str(error.value).startswith(messages[content])


def test_a_description_without_a_kind(own):
    about = json.loads((own / "model.json").read_text())
    del about["network"]
    (own / "model.json").write_text(json.dumps(about))
    refused(
        f"{own / 'model.json'} is not the description of a model written by pintrack: KeyError('network')",
        kind_of_model, own,
    )  # fmt: skip
