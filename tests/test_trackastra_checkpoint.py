"""Release folders of public models: read as they are, refused by name where they are not."""

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from network_cases import small_network, window, write_release  # noqa: E402

from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.trackastra_checkpoint import load_trackastra  # noqa: E402


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "small_2d"
    write_release(folder, small_network())
    return folder


def refused(folder, **arguments):
    with pytest.raises(ModelError) as error:
        load_trackastra(folder, **arguments)
    return str(error.value)


def test_a_release_folder_is_read(release):
    network, wanted = load_trackastra(release, dimensions=2), small_network()
    assert network.config == wanted.config
    assert not network.training
    coordinates, features = window(wanted.config, 8)
    with torch.no_grad():
        assert torch.equal(network(coordinates, features), wanted(coordinates, features))


def test_keys_that_old_models_leave_out_have_their_old_meaning(tmp_path):
    network = small_network(positional="rope", bias_bins=16)
    write_release(tmp_path, network)
    config = (tmp_path / "config.yaml").read_text().splitlines()
    newer = ("attn_dist_mode", "attn_positional_bias", "causal_norm")
    (tmp_path / "config.yaml").write_text("\n".join(line for line in config if not line.startswith(newer)))
    assert load_trackastra(tmp_path).config == network.config


def test_true_means_the_bias_table(tmp_path):
    write_release(tmp_path, small_network(positional="bias"), attn_positional_bias=True)
    assert load_trackastra(tmp_path).config.positional == "bias"


def test_a_training_checkpoint_is_read(release):
    state = torch.load(release / "model.pt", weights_only=True)
    stored = {"epoch": 3, "state_dict": {f"model.{name}": value for name, value in state.items()}}
    torch.save(stored, release / "model.pt")
    assert torch.equal(load_trackastra(release).state_dict()["proj.weight"], state["proj.weight"])


def test_another_dimensionality(release):
    assert refused(release, dimensions=3) == (
        f"the model {release} is for 2-D movies, the movie is 3-D: name a model trained on 3-D movies"
    )


def test_no_folder(tmp_path):
    assert refused(tmp_path / "nowhere") == (
        f"{tmp_path / 'nowhere'} holds no Trackastra model: config.yaml is missing. Name the unpacked folder of a "
        "release, with config.yaml and model.pt in it"
    )


def test_no_weights(release):
    (release / "model.pt").unlink()
    assert refused(release) == f"{release} is no complete Trackastra model: model.pt is missing"


@pytest.mark.parametrize("content", ["truncated", "empty", "text", "array"])
def test_damaged_weights(release, content):
    path = release / "model.pt"
    whole = path.read_bytes()
    damaged = {"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"404: Not Found\n", "array": b"\x93NUMPY"}
    path.write_bytes(damaged[content])
    message = refused(release)
    assert message.startswith(
        f"the weights {path} cannot be read: the file is damaged, or holds more than plain tensors ("
    )
    assert message.endswith("). Download or copy it again")
    assert "\n" not in message


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("code of the file was run",))


def test_code_in_the_weights_is_not_run(release):
    torch.save({"proj.weight": Harmful()}, release / "model.pt")
    assert "holds more than plain tensors" in refused(release)


def test_weights_that_are_no_mapping(release):
    torch.save([1, 2], release / "model.pt")
    assert refused(release) == f"the weights {release / 'model.pt'} are not a mapping of names to tensors"


def test_missing_unknown_and_misshapen_weights(release):
    state = torch.load(release / "model.pt", weights_only=True)
    del state["norm.bias"]
    state["extra"] = torch.zeros(1)
    state["proj.bias"] = torch.zeros(3)
    state["head_x.fc1.bias"][0] = torch.nan
    torch.save(state, release / "model.pt")
    assert refused(release) == (
        f"the weights of {release} do not fit its config: norm.bias missing; extra not known; of another shape: "
        "proj.bias (3,) instead of (16,); not finite: head_x.fc1.bias"
    )


def test_unknown_keys(tmp_path):
    write_release(tmp_path, small_network(), pretrained_feat_dim=256)
    assert refused(tmp_path) == (
        f"{tmp_path / 'config.yaml'} has keys that are not known: pretrained_feat_dim. Models with pretrained image "
        "features are not supported, only those with positions and shape features"
    )


def test_values_that_make_no_network(tmp_path):
    write_release(tmp_path, small_network(), attn_positional_bias=None)
    assert refused(tmp_path) == (
        f"{tmp_path / 'config.yaml'}: positional of a tracking transformer must be one of rope, bias, none, found None"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", " cannot be read: while parsing"),
        ("just words", " must hold keys with values, as in `d_model: 256`"),
        ("", " must hold keys with values, as in `d_model: 256`"),
    ],
)
def test_a_config_that_is_none(release, text, message):
    (release / "config.yaml").write_text(text)
    assert refused(release).startswith(f"{release / 'config.yaml'}{message}")
