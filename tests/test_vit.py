"""The vision transformer against the one of transformers, and checkpoints of DINO: read, resized, refused."""

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.vit import VisionTransformer, fill_dino, read_dino  # noqa: E402
from embeddings.without_torchvision import without_broken_torchvision  # noqa: E402


@pytest.fixture
def network():
    torch.manual_seed(0)
    return VisionTransformer(32, 8, 12, 2, 3).eval()


def dino_weights(grid, width=12, depth=2, token_px=8):
    """Random weights, named and shaped as DINO stores them."""
    torch.manual_seed(1)
    shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + grid**2, width),
        "patch_embed.proj.weight": (width, 3, token_px, token_px),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    for block in range(depth):
        layers = {
            "norm1": (width,), "attn.qkv": (3 * width, width), "attn.proj": (width, width), "norm2": (width,),
            "mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width),
        }  # fmt: skip
        for name, shape in layers.items():
            shapes[f"blocks.{block}.{name}.weight"] = shape
            shapes[f"blocks.{block}.{name}.bias"] = shape[:1]
    return {name: 0.3 * torch.randn(shape) for name, shape in shapes.items()}


# A block in transformers, releases 4 and 5: where it lies, and the names of its layers; queries, keys and values apart.
RELEASE_4 = "encoder.layer", {
    "attention.attention.query": "q", "attention.attention.key": "k", "attention.attention.value": "v",
    "attention.output.dense": "attn.proj", "layernorm_before": "norm1", "layernorm_after": "norm2",
    "intermediate.dense": "mlp.fc1", "output.dense": "mlp.fc2",
}  # fmt: skip
RELEASE_5 = "layers", {
    "attention.q_proj": "q", "attention.k_proj": "k", "attention.v_proj": "v", "attention.o_proj": "attn.proj",
    "layernorm_before": "norm1", "layernorm_after": "norm2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2",
}  # fmt: skip


def test_it_is_the_vit_of_transformers(network):
    without_broken_torchvision()
    pytest.importorskip("transformers", reason="the referee comes with the extra finetune")
    from transformers import ViTConfig, ViTModel

    weights = dino_weights(grid=4)
    fill_dino(network, weights, "dino.pth")
    config = ViTConfig(
        hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=48, image_size=32, patch_size=8,
        layer_norm_eps=1e-6, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    referee = ViTModel(config, add_pooling_layer=False).eval()
    place, layers = RELEASE_5 if "layers.0.mlp.fc1.weight" in referee.state_dict() else RELEASE_4
    renamed = {
        "embeddings.cls_token": weights["cls_token"],
        "embeddings.position_embeddings": weights["pos_embed"],
    }
    for part in ("weight", "bias"):
        renamed[f"embeddings.patch_embeddings.projection.{part}"] = weights[f"patch_embed.proj.{part}"]
        renamed[f"layernorm.{part}"] = weights[f"norm.{part}"]
        for block in (0, 1):
            own = dict(zip("qkv", weights[f"blocks.{block}.attn.qkv.{part}"].chunk(3), strict=True))
            for theirs, ours in layers.items():
                value = own[ours] if ours in own else weights[f"blocks.{block}.{ours}.{part}"]
                renamed[f"{place}.{block}.{theirs}.{part}"] = value
    assert renamed.keys() == referee.state_dict().keys()
    referee.load_state_dict(renamed)
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        expected = referee(images).last_hidden_state
        torch.testing.assert_close(network(images), expected[:, 0], atol=1e-5, rtol=1e-5)
        network.pool = "mean"
        torch.testing.assert_close(network(images), expected[:, 1:].mean(dim=1), atol=1e-5, rtol=1e-5)


def test_positions_for_images_of_another_size_are_resized(network):
    weights = dino_weights(grid=7)
    fill_dino(network, weights, "dino.pth")
    assert network.pos_embed.shape == (1, 17, 12)
    torch.testing.assert_close(network.pos_embed[:, 0], weights["pos_embed"][:, 0])
    plane = weights["pos_embed"][0, 1:].T.reshape(12, 7, 7)
    expected = torch.nn.functional.interpolate(plane[None], size=(4, 4), mode="bicubic")[0]
    torch.testing.assert_close(network.pos_embed[0, 1:].T.reshape(12, 4, 4), expected)


def test_a_checkpoint_on_disk(network, tmp_path):
    weights = dino_weights(grid=4)
    torch.save(weights, tmp_path / "dino.pth")
    fill_dino(network, read_dino(tmp_path / "dino.pth"), tmp_path / "dino.pth")
    torch.testing.assert_close(network.blocks[1].mlp[2].weight, weights["blocks.1.mlp.fc2.weight"])


def changed(**changes):
    weights = dino_weights(grid=4)
    for name, value in changes.items():
        if value is None:
            del weights[name.replace("__", ".")]
        else:
            weights[name.replace("__", ".")] = value
    return weights


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        (changed(norm__weight=None, blocks__0__norm1__bias=None), "blocks.0.norm1.bias, norm.weight missing"),
        (changed(head__weight=torch.zeros(2, 12)), "head.weight not known"),
        (changed(cls_token=torch.zeros(1, 1, 6)), "of another shape: cls_token (1, 1, 6) instead of (1, 1, 12)"),
        (changed(pos_embed=torch.zeros(1, 6, 12)), "of another shape: pos_embed (1, 6, 12) instead of (1, 17, 12)"),
        (changed(pos_embed=torch.zeros(12)), "of another shape: pos_embed (12,) instead of (1, 17, 12)"),
        (changed(norm__bias=torch.full((12,), torch.nan)), "not finite: norm.bias"),
    ],
)
def test_other_checkpoints_are_refused_by_name(network, weights, problem):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ModelError) as error:
        fill_dino(network, weights, "dino.pth")
    assert str(error.value) == (
        f"dino.pth is no checkpoint of DINO's backbone that fits this vision transformer: {problem}. Give other "
        "weights, or set token_px, width and depth as they have them"
    )
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_checkpoint_that_cannot_be_read(tmp_path):
    with pytest.raises(ModelError) as error:
        read_dino(tmp_path / "absent.pth")
    assert str(error.value) == (
        f"the checkpoint {tmp_path / 'absent.pth'} cannot be read: No such file or directory. Download it "
        '(dino_deitsmall16 of DINO), or leave ascent.dino out and set pool = "mean" and visual_norm = true'
    )
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(ModelError, match=r"^the weights .*text.pth cannot be read"):
        read_dino(tmp_path / "text.pth")


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_every_weight_gets_a_gradient(pool):
    torch.manual_seed(0)
    network = VisionTransformer(16, 8, 12, 1, 2, pool=pool)
    network(torch.randn(2, 3, 16, 16)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())
