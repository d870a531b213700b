"""Upsamplers as files of TorchScript: that they are called as agreed, and what is said where they are not."""

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from upsampler_cases import Guided, Picky, Transposed, saved  # noqa: E402

from embeddings.nets.anyup import Upsampler  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402

CALL = "(image (1, 3, H, W), features (1, C, h, w)) -> (1, C, H, W)"


def given(height=12, width=8):
    rng = torch.Generator().manual_seed(0)
    return torch.randn(1, 3, height, width, generator=rng), torch.randn(1, 5, 3, 2, generator=rng)


def test_a_file_does_what_its_module_does(tmp_path):
    image, features = given()
    upsampler = Upsampler(saved(Guided(), tmp_path / "up.pt"))
    found = upsampler.to(torch.device("cpu"))(image, features)
    assert found.shape == (1, 5, 12, 8)
    assert torch.equal(found, Guided()(image, features))
    assert not torch.equal(found, upsampler(image + 1, features))
    assert len(upsampler.digest) == 64
    assert upsampler.digest != Upsampler(saved(Transposed(), tmp_path / "other.pt")).digest


def test_a_traced_module_too(tmp_path):
    image, features = given()
    path = saved(Guided(), tmp_path / "up.pt", (image, features))
    assert torch.equal(Upsampler(path)(image, features), Guided()(image, features))


def test_files_that_are_none(tmp_path):
    path = tmp_path / "up.pt"
    with pytest.raises(ModelError, match=r"^the weights .*up\.pt cannot be read: No such file or directory$"):
        Upsampler(path)
    path.write_bytes(b"no module")
    with pytest.raises(ModelError) as error:
        Upsampler(path)
    assert str(error.value).startswith(f"the upsampler {path} is not a TorchScript file (")
    assert str(error.value).endswith(f". Write one by torch.jit.trace or torch.jit.script of a module called as {CALL}")
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="is not a TorchScript file"):
        Upsampler(path)


def test_a_module_that_gives_another_size(tmp_path):
    path = saved(Transposed(), tmp_path / "up.pt")
    with pytest.raises(ModelError) as error:
        Upsampler(path)(*given())
    assert str(error.value) == (
        f"the upsampler {path} must be called as {CALL}, but for image (1, 3, 12, 8), features (1, 5, 3, 2) it gives "
        "(1, 5, 8, 12)"
    )


def test_a_module_for_images_of_another_size(tmp_path):
    path = saved(Picky(), tmp_path / "up.pt")
    with pytest.raises(ModelError) as error:
        Upsampler(path)(*given(16, 8))
    assert str(error.value).startswith(f"the upsampler {path} failed on image (1, 3, 16, 8), features (1, 5, 3, 2): ")
    assert str(error.value).endswith(
        f"It must be called as {CALL}; one written by torch.jit.trace may know a single size of images: trace it with "
        "images of this size"
    )
