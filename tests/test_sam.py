"""The image encoder of SAM: the same numbers as the formulas, whichever layout the checkpoint has; what is refused."""

import builtins
import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from sam_cases import checkpoint, official_weights, slow_encoder  # noqa: E402

from embeddings.nets import sam  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.sam import SamEncoder, sam_input  # noqa: E402
from embeddings.nets.sam_checkpoint import SamSizes, read_sam_checkpoint  # noqa: E402
from tracker.errors import MissingExtraError, PintrackError  # noqa: E402


def image(side=32, seed=1):
    return torch.randn(3, side, side, generator=torch.Generator().manual_seed(seed))


def encoded(path, picture):
    with torch.no_grad():
        return SamEncoder(read_sam_checkpoint(path))(picture[None])[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_it_computes_what_the_formulas_say(tmp_path, seed):
    path, picture = checkpoint(tmp_path / "sam.pth", seed=seed), image(seed=seed)
    expected = slow_encoder(official_weights(seed=seed), picture)
    assert expected.shape == (6, 8, 8)
    torch.testing.assert_close(encoded(path, picture), expected, atol=1e-4, rtol=0)
    other = slow_encoder(official_weights(seed=seed + 5), picture)
    assert (other - expected).abs().max() > 0.1  # so that being equal says something


def test_sizes_are_read_off_the_weights(tmp_path):
    small = read_sam_checkpoint(checkpoint(tmp_path / "small.pth"))
    assert small.sizes == SamSizes(32, 4, 6, 8, 2, 2, 12, 3, (1,))
    assert small.sizes.grid == 8
    other = checkpoint(tmp_path / "other.pth", image_px=48, patch_px=8, width=4, depth=4, mlp=5, channels=3)
    assert read_sam_checkpoint(other).sizes == SamSizes(48, 8, 3, 4, 4, 2, 5, 3, (1,))
    assert encoded(other, image(48)).shape == (3, 6, 6)


def test_windows_as_large_as_the_image_see_all_of_it(tmp_path):
    path = checkpoint(tmp_path / "sam.pth", image_px=12)
    assert read_sam_checkpoint(path).sizes.global_blocks == (0, 1)
    expected = slow_encoder(official_weights(image_px=12), image(12))
    torch.testing.assert_close(encoded(path, image(12)), expected, atol=1e-4, rtol=0)


def test_the_layouts_of_micro_sam_and_of_transformers(tmp_path):
    import safetensors.torch

    path = checkpoint(tmp_path / "sam.pth")
    first = read_sam_checkpoint(path)
    trained = {f"sam.{name}": value for name, value in official_weights().items()}
    torch.save({"model_state": trained, "epoch": 3}, tmp_path / "micro.pt")
    saved = {f"vision_encoder.{name}": value for name, value in SamEncoder(first).encoder.state_dict().items()}
    safetensors.torch.save_file({**saved, "shared_image_embedding.x": torch.zeros(2)}, tmp_path / "model.safetensors")
    for other in ("micro.pt", "model.safetensors"):
        again = read_sam_checkpoint(tmp_path / other)
        assert again.sizes == first.sizes
        assert again.digest != first.digest
        assert torch.equal(encoded(tmp_path / other, image()), encoded(path, image()))


def test_a_picture_becomes_three_standardised_colours():
    seen = sam_input(np.array([[0.0, 0.5, 1.0, 1.7]], np.float32))
    assert seen.shape == (3, 1, 4)
    np.testing.assert_allclose(seen[:, 0, 0], [-123.675 / 58.395, -116.28 / 57.12, -103.53 / 57.375], rtol=1e-6)
    np.testing.assert_allclose(seen[0, 0], [(v - 123.675) / 58.395 for v in (0, 127.5, 255, 255)], rtol=1e-5)


def test_building_it_leaves_random_numbers_alone(tmp_path):
    stored = read_sam_checkpoint(checkpoint(tmp_path / "sam.pth"))
    before = torch.random.get_rng_state()
    network = SamEncoder(stored)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


# ---- what is refused


def refused(path):
    with pytest.raises(ModelError) as error:
        SamEncoder(read_sam_checkpoint(path))
    return str(error.value).replace(str(path), "FILE")


def test_another_layout_names_the_weights_at_fault(tmp_path):
    path, weights = tmp_path / "sam.pth", official_weights()
    for name in ("neck.3.bias", "blocks.0.attn.rel_pos_h"):
        del weights[f"image_encoder.{name}"]
    weights |= {f"image_encoder.blocks.1.Adapter.{n}": torch.zeros(1) for n in range(6)}
    torch.save(weights, path)
    adapters = ", ".join(f"image_encoder.blocks.1.Adapter.{n}" for n in range(5))
    assert refused(path) == (
        "the SAM checkpoint FILE is not of the layout of sam_vit_b_01ec64.pth: image_encoder.neck.3.bias, "
        f"image_encoder.blocks.0.attn.rel_pos_h missing; {adapters} and 1 more (6) unexpected. Give one with the "
        "image encoder vit_b, vit_l or vit_h, as released"
    )


def test_a_file_without_an_image_encoder(tmp_path):
    path = tmp_path / "sam.pth"
    torch.save({"mask_decoder.iou_token.weight": torch.zeros(1)}, path)
    wanted = "wanted weights called image_encoder.* as in sam_vit_b_01ec64.pth (or vision_encoder.* as in transformers)"
    assert refused(path) == (
        f"the SAM checkpoint FILE holds no image encoder: {wanted}, found mask_decoder.iou_token.weight"
    )
    torch.save({}, path)
    assert refused(path) == f"the SAM checkpoint FILE holds no image encoder: {wanted}, found nothing"
    torch.save(torch.zeros(3), path)
    assert refused(path) == "the SAM checkpoint FILE is not a mapping of names to tensors"
    torch.save({**official_weights(), "image_encoder.pos_embed": "lost"}, path)
    assert "no tensors: image_encoder.pos_embed. Give one" in refused(path)


def test_files_that_cannot_be_read(tmp_path):
    assert refused(tmp_path / "none.pth") == "the weights FILE cannot be read: No such file or directory"
    assert refused(tmp_path) == "FILE is a folder: name the file of the weights itself"
    path = tmp_path / "sam.pth"
    path.write_bytes(b"no weights")
    assert refused(path).startswith("the weights FILE cannot be read: the file is damaged, or holds more than plain ")
    torch.save({"model_state": official_weights(), "trainer": object()}, path)
    assert "holds more than plain tensors" in refused(path)
    path = tmp_path / "sam.safetensors"
    path.write_bytes(b"no weights")
    assert refused(path).startswith("the weights FILE cannot be read: ")


@pytest.mark.parametrize(
    ("name", "shape", "found"),
    [
        ("pos_embed", (1, 8, 7, 8), "pos_embed is (1, 8, 7, 8) and patch_embed.projection.weight (8, 3, 4, 4)"),
        ("blocks.0.attn.rel_pos_h", (5, 3), "attn.rel_pos_h of the blocks are (5, 3), (15, 4)"),
        ("blocks.0.attn.rel_pos_h", (4, 4), "attn.rel_pos_h of the blocks are (4, 4), (15, 4)"),
        ("blocks.1.attn.rel_pos_h", (9, 4), "blocks attend within windows of 3, 5"),
    ],
)
def test_sizes_that_no_encoder_has(tmp_path, name, shape, found):
    path = tmp_path / "sam.pth"
    torch.save({**official_weights(), f"image_encoder.{name}": torch.zeros(shape)}, path)
    assert refused(path) == f"the SAM checkpoint FILE has sizes that no SAM image encoder has: {found}"


def test_weights_that_do_not_go_together(tmp_path):
    path = tmp_path / "sam.pth"
    broken = torch.full((8,), torch.nan)
    torch.save({**official_weights(), "image_encoder.blocks.1.norm1.weight": broken}, path)
    assert refused(path) == "the weights of FILE do not fit its config: not finite: layers.1.layer_norm1.weight"
    torch.save({**official_weights(), "image_encoder.neck.3.bias": torch.zeros(5)}, path)
    assert refused(path) == (
        "the weights of FILE do not fit its config: of another shape: neck.layer_norm2.bias (5,) instead of (6,)"
    )


def test_without_transformers(tmp_path, monkeypatch):
    stored = read_sam_checkpoint(checkpoint(tmp_path / "sam.pth"))
    monkeypatch.setattr(sam, "find_spec", lambda name: None)
    message = (
        "The image encoder of SAM needs the package transformers, which is not installed. "
        'Install it with: pip install "pintrack[sam]"'
    )
    with pytest.raises(MissingExtraError, match=f"^{re.escape(message)}$"):
        SamEncoder(stored)


def test_with_transformers_that_cannot_be_imported(tmp_path, monkeypatch):
    stored, real = read_sam_checkpoint(checkpoint(tmp_path / "sam.pth")), builtins.__import__

    def failing(name, *arguments, **options):
        if name.startswith("transformers.models.sam"):
            raise ModuleNotFoundError("Could not import module 'modeling_sam'") from RuntimeError("nms is missing")
        return real(name, *arguments, **options)

    assert importlib.util.find_spec("transformers") is not None
    monkeypatch.setattr(builtins, "__import__", failing)
    message = (
        "the package transformers is installed but its SAM cannot be imported: nms is missing. Install releases of "
        "transformers and torch that go together"
    )
    with pytest.raises(PintrackError, match=f"^{re.escape(message)}$"):
        SamEncoder(stored)


def test_transformers_is_not_imported_before_it_is_needed():
    program = "import sys, embeddings.methods.sam\nprint('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
