"""mrcnn.data.reading: files of many kinds, generated here, and what their pixels become."""

import struct
import threading
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from mrcnn.data import images, reading


@pytest.fixture
def photo():
    """40 x 30 (width x height), smooth, so that JPEG keeps it."""
    y, x = np.mgrid[:30, :40]
    return np.stack([x * 6, y * 8, np.full_like(x, 100)], axis=-1).astype(np.uint8)


def stored(photo, orientation):
    """The photo as a camera that was held another way stores it."""
    return np.ascontiguousarray(
        {
            1: photo,
            2: photo[:, ::-1],
            3: photo[::-1, ::-1],
            4: photo[::-1],
            5: photo.swapaxes(0, 1),
            6: np.rot90(photo, 1),
            7: photo[::-1, ::-1].swapaxes(0, 1),
            8: np.rot90(photo, -1),
        }[orientation]
    )


def save(path, array, orientation=1, mode=None):
    image = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, quality=95)
    return path


# --- What becomes what -------------------------------------------------------------------------------------------------


def test_a_png_comes_back_as_rgb(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    assert (images.read(tmp_path / "a.png") == photo).all()


def test_what_is_no_photo_is_named_by_its_path_alone(tmp_path):
    (tmp_path / "a.jpg").write_text("not a photo")
    with pytest.raises(ValueError) as said:
        reading.read(str(tmp_path / "a.jpg"))
    assert str(said.value) == f"Not an image, or a damaged one: {tmp_path / 'a.jpg'}"


def test_a_jpeg_comes_back_nearly(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(reading.read(str(tmp_path / "a.jpg")).astype(int) - photo).mean() < 2


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp"])
def test_grey_becomes_three_equal_channels_and_one_is_as_stored(tmp_path, suffix):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / f"a.{suffix}")
    assert (reading.read(tmp_path / f"a.{suffix}") == grey[..., None]).all()
    assert (reading.read(tmp_path / f"a.{suffix}", channels=1) == grey[..., None]).all()


def test_one_bit_becomes_black_and_white(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "a.png")
    assert reading.read(tmp_path / "a.png", channels=1).tolist() == [[[0], [255]]]


def test_colour_becomes_grey_by_brightness(tmp_path):
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).save(tmp_path / "a.png")
    assert reading.read(tmp_path / "a.png", channels=1).ravel().tolist() == [76, 150, 29]


def test_alpha_is_dropped_not_blended_and_comes_as_fourth_channel(tmp_path, photo):
    alpha = np.arange(1200, dtype=np.uint8).reshape(30, 40, 1)
    Image.fromarray(np.concatenate([photo, alpha], axis=-1)).save(tmp_path / "a.png")
    assert (reading.read(tmp_path / "a.png") == photo).all()
    four = reading.read(tmp_path / "a.png", channels=4)
    assert four.shape == (30, 40, 4) and (four[..., :3] == photo).all() and (four[..., 3:] == alpha).all()


def test_grey_with_alpha(tmp_path):
    Image.fromarray(np.array([[[100, 7], [200, 255]]], np.uint8), "LA").save(tmp_path / "a.png")
    assert reading.read(tmp_path / "a.png").tolist() == [[[100] * 3, [200] * 3]]
    assert reading.read(tmp_path / "a.png", channels=1).tolist() == [[[100], [200]]]
    assert reading.read(tmp_path / "a.png", channels=4).tolist() == [[[100] * 3 + [7], [200] * 3 + [255]]]


def test_without_alpha_the_fourth_channel_is_opaque(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    assert (reading.read(tmp_path / "a.png", channels=4)[..., 3] == 255).all()


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_palette_becomes_its_colours_and_transparent_entries_alpha(tmp_path, suffix):
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / f"a.{suffix}", transparency=0)
    assert reading.read(tmp_path / f"a.{suffix}").tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert reading.read(tmp_path / f"a.{suffix}", channels=4)[0, :, 3].tolist() == [0, 255]


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk_becomes_rgb_by_the_formula(tmp_path, suffix):
    cmyk = np.empty((16, 16, 4), np.uint8)
    cmyk[:] = (255, 128, 0, 51)
    Image.fromarray(cmyk, "CMYK").save(tmp_path / f"a.{suffix}", quality=100)
    expected = [(255 - c) * (255 - 51) / 255 for c in (255, 128, 0)]
    assert np.abs(reading.read(tmp_path / f"a.{suffix}")[8, 8] - expected).max() <= 2


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_become_their_high_byte(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), np.array([[0, 255, 256, 30000, 65535]], np.uint16))
    assert reading.read(path, channels=1).ravel().tolist() == [0, 0, 1, 117, 255]
    cv2.imwrite(str(path), np.array([[[65535, 30000, 256]]], np.uint16))  # BGR
    assert reading.read(path).tolist() == [[[1, 117, 255]]]


@pytest.mark.parametrize("values", [np.ones((4, 5), np.float32), np.full((4, 5), 70000, np.int32)])
def test_values_without_a_defined_range_are_refused_with_a_remedy(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"a\.tif has 32 bits a pixel .* Override load_image"):
        reading.read(tmp_path / "a.tif")


def test_arrays_keep_their_channels_and_dtype(tmp_path):
    bands = np.arange(24, dtype=np.float32).reshape(2, 2, 6)
    np.save(tmp_path / "a.npy", bands)
    found = reading.read(tmp_path / "a.npy", channels=6)
    assert found.dtype == np.float32 and (found == bands).all()
    np.save(tmp_path / "b.npy", bands[..., 0])
    assert reading.read(tmp_path / "b.npy", channels=1).shape == (2, 2, 1)


def test_arrays_of_another_form_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 2, 6)))
    with pytest.raises(ValueError, match=r"a\.npy holds float64 of shape \(2, 2, 6\).*\[height, width, 3\]"):
        reading.read(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="b.npy"):
        reading.read(tmp_path / "b.npy")


def test_other_numbers_of_channels_are_refused_with_a_remedy(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"not 5\. Keep images of 5 channels as \.npy"):
        reading.read(tmp_path / "a.png", channels=5)


# --- EXIF --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, photo, orientation, suffix):
    upright = reading.read(save(tmp_path / f"a.{suffix}", stored(photo, orientation), orientation))
    assert upright.shape == photo.shape
    assert np.abs(upright.astype(int) - photo).mean() < 3


@pytest.mark.parametrize(("suffix", "mode"), [("jpg", "CMYK"), ("tiff", "CMYK"), ("png", "RGBA")])
@pytest.mark.parametrize("orientation", [3, 5, 6, 7, 8])
def test_whatever_decodes_turns_alike(tmp_path, photo, orientation, suffix, mode):
    path = save(tmp_path / f"a.{suffix}", stored(photo, orientation), orientation, mode)
    assert np.abs(reading.read(path).astype(int) - photo).mean() < 4
    assert np.abs(reading.read(path, channels=4)[..., :3].astype(int) - photo).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turn_makes_stored_pixels_upright(photo, orientation):
    assert (reading.turn(stored(photo, orientation), orientation) == photo).all()


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_the_header_tells_size_mode_and_orientation(tmp_path, photo, suffix):
    found = reading.header(save(tmp_path / f"a.{suffix}", stored(photo, 6), 6))
    assert (found.height, found.width, found.mode, found.orientation) == (40, 30, "RGB", 6)
    assert found.turned and found.shape == (30, 40)


def test_an_orientation_that_does_not_exist_is_none(tmp_path, photo):
    path = save(tmp_path / "a.png", photo, 77)
    assert reading.header(path).orientation == 1 and (reading.read(path) == photo).all()


# --- Refusals ----------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_named():
    for read in (reading.read, reading.header):
        with pytest.raises(FileNotFoundError, match=r"nowhere/a\.jpg"):
            read("nowhere/a.jpg")


@pytest.mark.parametrize("content", [b"", b"this is no image"])
def test_a_file_without_an_image_is_named(tmp_path, content):
    (tmp_path / "bad.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.jpg"):
        reading.read(tmp_path / "bad.jpg")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_file_that_was_cut_off_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    path = save(tmp_path / f"a.{suffix}", noise)
    path.write_bytes(path.read_bytes()[:2500])
    for channels in (3, 4):
        with pytest.raises(ValueError, match=rf"a\.{suffix}"):
            reading.read(path, channels=channels)


def test_a_bomb_is_refused_before_it_is_decoded_and_the_limit_is_named(tmp_path, monkeypatch):
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"bomb\.png claims 20000 x 20000 = 400000000 pixels, .*268435456.*MRCNN_MAX_IMAGE_PIXELS=400000000"):
        reading.read(tmp_path / "bomb.png")


def test_a_header_is_read_without_decoding(tmp_path, photo, monkeypatch):
    Image.fromarray(photo).save(tmp_path / "a.png")
    Image.fromarray(photo).save(tmp_path / "a.jpg")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    assert {reading.header(tmp_path / name).shape for name in ("a.png", "a.jpg")} == {photo.shape[:2]}
    monkeypatch.setattr(cv2, "imdecode", lambda *_: photo)
    assert reading.read(tmp_path / "a.png").shape == photo.shape  # OpenCV decodes it, and nobody else


@pytest.mark.parametrize("kind", [b"eXIf", b"zTXt"])
def test_exif_after_the_pixels_of_a_png_turns_them(tmp_path, photo, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "a.png")
    text = b"\nexif\n%8d\n%s" % (len(exif.tobytes()), exif.tobytes().hex().encode())
    content = exif.tobytes()[6:] if kind == b"eXIf" else b"Raw profile type exif\0\0" + zlib.compress(text)
    chunk = kind + content
    before, end = (tmp_path / "a.png").read_bytes()[:-12], (tmp_path / "a.png").read_bytes()[-12:]
    (tmp_path / "a.png").write_bytes(before + struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + end)
    assert np.array_equal(reading.read(tmp_path / "a.png"), reading.turn(photo, 6))
    assert reading.header(tmp_path / "a.png").shape == photo.shape[1::-1]


def encoded(suffix, photo):
    pixels = photo.astype(np.float32) if suffix in ("hdr", "pfm") else photo
    return cv2.imencode(f".{suffix}", pixels)[1].tobytes()


@pytest.mark.parametrize("suffix", ["ras", "pam", "pfm", "hdr"])
def test_what_opencv_alone_reads_is_measured_before_it_is_decoded(suffix, tmp_path, photo, monkeypatch):
    data = encoded(suffix, photo)
    if suffix == "ras":  # colours that Pillow doesn't take
        data = data[:24] + struct.pack(">II", 1, 2000) + data[32:]
    (tmp_path / f"a.{suffix}").write_bytes(data)
    monkeypatch.setenv(reading.LIMIT_VARIABLE, "1199")
    monkeypatch.setattr(cv2, "imdecode", lambda *args: pytest.fail("it was decoded"))
    with pytest.raises(ValueError, match="claims 30 x 40 = 1200 pixels, more than the limit of 1199"):
        reading.read(tmp_path / f"a.{suffix}")


def test_a_portable_arbitrary_map_is_read(tmp_path, photo):
    (tmp_path / "a.pam").write_bytes(encoded("pam", photo[..., ::-1]))
    np.testing.assert_array_equal(reading.read(tmp_path / "a.pam"), photo)


@pytest.mark.parametrize("suffix", ["hdr", "pfm"])
def test_floating_point_that_opencv_alone_reads_is_refused_too(tmp_path, suffix):
    assert cv2.imwrite(str(tmp_path / f"a.{suffix}"), np.full((5, 6, 3), 0.5, np.float32))
    with pytest.raises(ValueError, match=rf"a\.{suffix} has 32 bits a pixel"):
        reading.read(tmp_path / f"a.{suffix}")


def test_the_limit_can_be_set_either_way(tmp_path, photo, monkeypatch):
    Image.fromarray(photo).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", photo)
    monkeypatch.setenv(reading.LIMIT_VARIABLE, "1199")
    for name in ("a.png", "a.npy"):
        with pytest.raises(ValueError, match="limit of 1199"):
            reading.read(tmp_path / name)
    monkeypatch.setenv(reading.LIMIT_VARIABLE, "1200")
    assert reading.read(tmp_path / "a.png").shape == photo.shape
    monkeypatch.setenv(reading.LIMIT_VARIABLE, "many")
    with pytest.raises(ValueError, match="^MRCNN_MAX_IMAGE_PIXELS = 'many'"):
        reading.read(tmp_path / "a.png")


def test_a_limit_above_pillows_own_is_obeyed_and_pillows_stays(tmp_path, monkeypatch, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert reading.read(tmp_path / "a.png", channels=4).shape == (30, 40, 4)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_threads_do_not_lose_pillows_limit(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    before = Image.MAX_IMAGE_PIXELS
    threads = [threading.Thread(target=lambda: [reading.header(tmp_path / "a.png") for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert before is not None and Image.MAX_IMAGE_PIXELS == before
