"""Low-rank adapters: where they start, what they train, and that merging them changes nothing."""

import builtins
import importlib.util
import math
import re
import subprocess
import sys
import warnings

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from network_cases import padded, small_network, window  # noqa: E402

from embeddings import low_rank  # noqa: E402
from embeddings.low_rank import merged, with_low_rank  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.saved_transformer import load_model, save_model  # noqa: E402
from embeddings.nets.tracking_transformer import TrackingTransformer  # noqa: E402
from tracker.errors import MissingExtraError, PintrackError  # noqa: E402


def trained(network, steps=3):
    """The adapted network after a few steps of some training."""
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.05)
    coordinates, features = window(network.config, 20)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        network(coordinates, features).square().mean().backward()
        optimizer.step()
    return network.eval()


def logits(network):
    coordinates, features = window(network.config, 20)
    with torch.no_grad():
        return network(coordinates, features, padded(20, 15))


def copies(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_peft_is_there():
    low_rank.require_peft()


def test_it_starts_as_the_network_it_is_made_of():
    network = small_network()
    before = copies(network)
    adapted = with_low_rank(network)
    assert isinstance(adapted, TrackingTransformer)
    assert adapted.config == network.config
    assert torch.equal(logits(adapted), logits(network))
    coordinates, features = window(network.config, 20)
    for found, wanted in zip(adapted.embed(coordinates, features), network.embed(coordinates, features), strict=True):
        assert torch.equal(found, wanted)
    assert all(parameter.requires_grad for parameter in network.parameters())
    trained(adapted)
    assert {name: value.tolist() for name, value in network.state_dict().items()} == {
        name: value.tolist() for name, value in before.items()
    }


@pytest.mark.parametrize("positional", ["rope", "bias"])
def test_adapters_of_all_attention_projections_are_all_that_is_trained(positional):
    adapted = with_low_rank(small_network(positional=positional), rank=4)
    before = copies(adapted)
    wanted = {
        f"{half}.{layer}.attn.{projection}.lora_{matrix}.default.weight": (4, 16) if matrix == "A" else (16, 4)
        for half in ("encoder", "decoder")
        for layer in (0, 1)
        for projection in ("q_pro", "k_pro", "v_pro", "proj")
        for matrix in "AB"
    }
    learnt = {name: tuple(p.shape) for name, p in adapted.named_parameters() if p.requires_grad}
    assert learnt == wanted
    trained(adapted)
    changed = {name for name, value in adapted.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == set(wanted)


def test_the_formula():
    network = small_network()
    adapted = trained(with_low_rank(network, rank=4, alpha=6.0))
    layer = adapted.decoder[1].attn.k_pro
    a, b = layer.lora_A.default.weight, layer.lora_B.default.weight
    wanted = network.decoder[1].attn.k_pro.weight + 6 / 4 * b @ a
    torch.testing.assert_close(merged(adapted).decoder[1].attn.k_pro.weight, wanted)


def test_merged_is_an_ordinary_network_of_equal_logits(tmp_path):
    network = small_network()
    adapted = trained(with_low_rank(network))
    learnt = logits(adapted)
    assert (learnt - logits(network)).abs().max() > 0.1
    plain = merged(adapted)
    torch.testing.assert_close(logits(plain), learnt, rtol=0, atol=1e-5)
    assert torch.equal(logits(adapted), learnt)  # it can be trained on
    assert list(plain.state_dict()) == list(network.state_dict())
    assert {type(module) for module in plain.modules()} == {type(module) for module in network.modules()}
    assert all(parameter.requires_grad for parameter in plain.parameters())
    assert vars(plain).keys() == vars(network).keys()
    save_model(plain, tmp_path, {})
    stored, _ = load_model(tmp_path)
    assert torch.equal(logits(stored), logits(plain))
    torch.testing.assert_close(logits(with_low_rank(plain)), learnt, rtol=0, atol=1e-5)


def test_a_network_without_adapters_is_merged_already():
    network = small_network()
    assert torch.equal(logits(merged(network)), logits(network))


def test_the_seed_alone_decides():
    network = small_network()
    before = torch.random.get_rng_state()
    one = copies(with_low_rank(network, seed=1))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(99)
    again, other = copies(with_low_rank(network, seed=1)), copies(with_low_rank(network, seed=2))
    torch.random.set_rng_state(before)
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    different = {name for name, value in one.items() if not torch.equal(value, other[name])}
    assert len(different) == 16
    assert all("lora_A" in name for name in different)


def test_dropout_acts_in_training_alone():
    adapted = trained(with_low_rank(small_network(dropout=0.0), dropout=0.5))
    assert torch.equal(logits(adapted), logits(adapted))
    adapted.train()
    assert not torch.equal(logits(adapted), logits(adapted))
    still = trained(with_low_rank(small_network(dropout=0.0), dropout=0.0))
    wanted = logits(still)
    assert torch.equal(logits(still.train()), wanted)


@pytest.mark.parametrize("numbers", [{"rank": 0}, {"alpha": 0.0}, {"dropout": 1.0}, {"alpha": math.nan}])
def test_numbers_out_of_range(numbers):
    values = {"rank": 32, "alpha": 32.0, "dropout": 0.1} | numbers
    message = (
        "low-rank adapters need a rank of at least 1, an alpha above 0 and a dropout in [0, 1), found "
        f"{values['rank']}, {values['alpha']:g} and {values['dropout']:g}"
    )
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        with_low_rank(small_network(), **numbers)


def test_a_network_without_attention_has_nothing_to_adapt():
    message = "the network has no attention layers that low-rank adapters could change"
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        with_low_rank(small_network(encoder_layers=0, decoder_layers=0))
    learnt = [name for name, p in with_low_rank(small_network(decoder_layers=0)).named_parameters() if p.requires_grad]
    assert len(learnt) == 16
    assert all(name.startswith("encoder") for name in learnt)


def test_adapters_are_not_put_upon_adapters():
    adapted = with_low_rank(small_network())
    message = "the network carries low-rank adapters already: merge them into its weights first"
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        with_low_rank(adapted)


def test_without_peft(monkeypatch):
    monkeypatch.setattr(low_rank, "find_spec", lambda name: None)
    message = (
        "Fine-tuning with low-rank adapters needs the package peft, which is not installed. "
        'Install it with: pip install "pintrack[finetune]"'
    )
    for function in (with_low_rank, merged):
        with pytest.raises(MissingExtraError, match=f"^{re.escape(message)}$"):
            function(small_network())
    with pytest.raises(MissingExtraError, match=f"^{re.escape(message)}$"):
        low_rank.require_peft()


def test_with_a_peft_that_cannot_be_imported(monkeypatch):
    real = builtins.__import__

    def failing(name, *arguments, **options):
        if name == "peft":
            raise ModuleNotFoundError("Could not import module 'Bloom'") from RuntimeError("operator nms is missing")
        return real(name, *arguments, **options)

    assert importlib.util.find_spec("peft") is not None
    monkeypatch.setattr(builtins, "__import__", failing)
    message = (
        "the package peft is installed but cannot be imported: operator nms is missing. Install releases of peft, "
        "transformers and torch that go together"
    )
    with pytest.raises(PintrackError, match=f"^{re.escape(message)}$"):
        with_low_rank(small_network())


def test_warnings_of_peft_stay_inside(monkeypatch):
    import peft

    real = peft.inject_adapter_in_model

    def noisy(*arguments):
        warnings.warn("about language models", stacklevel=1)
        return real(*arguments)

    monkeypatch.setattr(peft, "inject_adapter_in_model", noisy)
    with_low_rank(small_network())


def test_peft_is_not_imported_before_it_is_needed():
    program = (
        "import sys, embeddings.low_rank\nprint([name for name in ('peft', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
