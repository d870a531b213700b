"""track segment into a folder that holds masks already: what is kept, what is done anew, what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import tifffile

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track, write_movie  # noqa: E402
from segment_files import RUN, about, masks  # noqa: E402

from tracker.learning import segment as segmenting  # noqa: E402


def test_the_same_again_and_what_is_done_is_kept(dish, capsys, monkeypatch):
    assert track(*RUN, "-q") == 0
    first = masks()
    Path("masks/mask001.tif").unlink()
    seen = []
    real = segmenting.segment_step
    monkeypatch.setattr(segmenting, "segment_step", lambda *args: seen.append(args[2]) or real(*args))
    assert track(*RUN) == 0
    assert seen == [1]
    assert "4 in " in capsys.readouterr().out
    assert masks() == first
    image = tifffile.imread("01/t002.tif")
    tifffile.imwrite("01/t002.tif", image[::-1].copy(), photometric="minisblack")
    assert track(*RUN, "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 3
    assert seen == [1, 2]
    assert masks()["mask002.tif"] != first["mask002.tif"]


def test_ctrl_c_keeps_what_is_done(dish, capsys, monkeypatch):
    real = segmenting.segment_step

    def pressed(network, frames, step, *rest):
        if step == 2:
            raise KeyboardInterrupt
        return real(network, frames, step, *rest)

    monkeypatch.setattr(segmenting, "segment_step", pressed)
    assert track(*RUN) == 1
    assert capsys.readouterr().err == (
        "error: interrupted; the masks of 2 frames are in masks, and the same command goes on from there\n"
    )
    assert list(masks()) == ["mask000.tif", "mask001.tif"]
    assert not list(Path("masks").glob(".*"))
    monkeypatch.setattr(segmenting, "segment_step", real)
    assert track(*RUN, "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 2


def test_other_settings_do_not_mix(dish, capsys):
    assert track(*RUN, "-q") == 0
    other = (*RUN, "--set", "cellulus.refinement=cell")
    refused(
        capsys,
        "the masks in masks were made otherwise (refinement differs). Name another --output, or replace them with "
        "--overwrite",
        *other,
    )
    assert track(*other, "--overwrite", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 0
    assert about()["settings"]["refinement"] == "cell"


@pytest.mark.parametrize(("key", "value"), [("noise_repeats", 2), ("noise_share", 0.02)])
def test_what_differs_is_named_as_in_the_config(dish, capsys, key, value):
    assert track(*RUN, "-q") == 0
    refused(
        capsys,
        f"the masks in masks were made otherwise ({key} differs). Name another --output, or replace them with "
        "--overwrite",
        *RUN, "--set", f"cellulus.{key}={value}",
    )  # fmt: skip


OTHER_IMAGES = (
    "the masks in masks are of other images: t = {} of 01, as it was, are not those of {}. Name another --output, or "
    "replace them with --overwrite"
)


def test_masks_of_a_longer_movie_do_not_stay(dish, capsys):
    assert track(*RUN, "-q") == 0
    write_movie(Path("short"), *(tifffile.imread(f"01/t{t:03d}.tif") for t in (0, 1)))
    given = (*RUN, "--set", "data.images=short")
    refused(capsys, OTHER_IMAGES.format("2, 3", "short"), *given)
    assert track(*given, "-q", "--overwrite") == 0
    assert list(masks()) == ["mask000.tif", "mask001.tif"]
    assert (list(about()["frames"]), about()["images"]) == (["0", "1"], "short")


def test_masks_of_other_images_are_not_replaced_unasked(dish, capsys):
    assert track(*RUN, "-q") == 0
    before = masks()
    write_movie(Path("other"), *(tifffile.imread(f"01/t{3 - t:03d}.tif") for t in range(4)))
    refused(capsys, OTHER_IMAGES.format("0, 1, 2, 3", "other"), *RUN, "--set", "data.images=other")
    assert track(*RUN, "-q", "--set", "data.images=other", "--overwrite") == 0
    assert masks()["mask003.tif"] != before["mask003.tif"]


def test_the_same_images_elsewhere_are_the_same_movie(dish, capsys):
    assert track(*RUN, "-q") == 0
    Path("01").rename("moved")
    assert track(*RUN, "--set", "data.images=moved", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 4


def test_frames_that_changed_and_are_not_chosen(dish, capsys):
    """They would be left as they were, and tracked with the others."""
    assert track(*RUN, "-q") == 0
    image = tifffile.imread("01/t002.tif")
    tifffile.imwrite("01/t002.tif", image[::-1].copy(), photometric="minisblack")
    refused(capsys, OTHER_IMAGES.format("2", "01"), *RUN, "--set", "data.frames=[0, 2]")
    assert track(*RUN, "--set", "data.frames=[1, 3]", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 1


def test_frames_chosen_first_and_the_rest_later(dish):
    """One mask per frame, whatever was chosen before."""
    for old, new in ((3, 1000), (2, 750), (1, 500), (0, 250)):
        Path(f"01/t{old:03d}.tif").rename(f"01/t{new}.tif")
    assert track(*RUN, "-q", "--set", "data.frames=[0, 2]") == 0
    assert list(masks()) == ["mask0250.tif", "mask0500.tif"]
    assert track(*RUN, "-q") == 0
    assert list(masks()) == ["mask0250.tif", "mask0500.tif", "mask0750.tif", "mask1000.tif"]


def test_a_movie_that_gets_longer(dish):
    """Masks keep the names they have."""
    names = {0: 996, 1: 997, 2: 998, 3: 999}
    for old, new in names.items():
        Path(f"01/t{old:03d}.tif").rename(f"01/t{new}.tif")
    assert track(*RUN, "-q") == 0
    shutil.copy("01/t996.tif", "01/t1000.tif")
    tifffile.imwrite("01/t998.tif", tifffile.imread("01/t999.tif"), photometric="minisblack")
    assert track(*RUN, "-q") == 0
    assert sorted(masks()) == ["mask1000.tif", "mask996.tif", "mask997.tif", "mask998.tif", "mask999.tif"]
    assert masks()["mask998.tif"] != masks()["mask997.tif"]


def test_foreign_folders_are_left_alone(dish, capsys):
    refused(
        capsys,
        "true holds t000.tif, t001.tif, t002.tif, t003.tif, which no segmentation left there (no usable segment.json). "
        "Name another --output, or empty this folder yourself",
        *RUN[:-1], "true", "--overwrite",
    )  # fmt: skip
    refused(capsys, "masks need a folder, but config.toml is a file. Name another --output", *RUN[:-1], "config.toml")
