"""Every kind of picture file becomes the same uint8 image, cropped and resized; expected pixels are found by hand."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dcgan.data import open_source
from opened import everything, opened

H, W = 12, 16

RNG = np.random.default_rng(0)

GREY = RNG.integers(0, 256, (H, W), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)

SMOOTH = np.stack(np.broadcast_arrays(*np.ix_(16 * np.arange(H), 15 * np.arange(W)), 77), axis=2).astype(np.uint8)


def first(folder, **options):
    """The only image of a folder, at its own size, and the source."""
    source = open_source(folder, (H, W), progress=False, **options)
    return source.batch([0])[0], source


def save(folder, name, image, **options):
    image.save(folder / name, **options)
    return folder


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp", "A.PNG", "b.BMP", "c.WebP"])
def test_lossless_colour(tmp_path, name):
    image, source = first(save(tmp_path, name, Image.fromarray(COLOUR), lossless=True))
    assert source.channels == 3 and source.skipped == []
    assert (image == COLOUR).all()


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.JPG", "a.JPEG"])
def test_jpeg(tmp_path, name):
    image, _ = first(save(tmp_path, name, Image.fromarray(SMOOTH), quality=95))
    assert abs(image.astype(int) - SMOOTH).max() < 12


def test_gif_and_palette_png(tmp_path):
    palette = RNG.integers(0, 256, (5, 3), dtype=np.uint8)
    index = RNG.integers(0, 5, (H, W), dtype=np.uint8)
    picture = Image.fromarray(index).copy()
    picture.putpalette(palette.tobytes())
    for name in ("p.png", "p.gif"):
        folder = tmp_path / name[-3:]
        folder.mkdir()
        image, _ = first(save(folder, name, picture))
        assert (image == palette[index]).all()


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (W, H), colour) for colour in ("red", "blue")]
    image, source = first(save(tmp_path, "a.gif", frames[0], save_all=True, append_images=frames[1:]))
    assert len(source) == 1 and (image == (255, 0, 0)).all()


def test_palette_with_a_transparent_colour_lies_over_white(tmp_path):
    index = (np.arange(H * W).reshape(H, W) % 3).astype(np.uint8)
    picture = Image.fromarray(index)
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image, _ = first(save(tmp_path, "p.png", picture, transparency=1))
    expected = np.array([(10, 20, 30), (255, 255, 255), (70, 80, 90)])[index]
    assert (image == expected).all()


def test_alpha_lies_over_white(tmp_path):
    alpha = np.repeat(np.uint8([0, 51, 128, 255]), W // 4)[None].repeat(H, 0)
    image, _ = first(save(tmp_path, "a.png", Image.fromarray(np.dstack([COLOUR, alpha]))))
    share = alpha[..., None] / 255
    assert abs(image - (COLOUR * share + 255 * (1 - share))).max() <= 1


def test_grey_kinds_keep_one_channel(tmp_path):
    bits = GREY > 127
    alpha = np.full_like(GREY, 255)
    kinds = {
        "8 bit": (Image.fromarray(GREY), GREY),
        "1 bit": (Image.fromarray(bits), bits * 255),
        "16 bit": (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
        "alpha": (Image.fromarray(np.dstack([GREY, alpha])), GREY),
        "stored as RGB": (Image.fromarray(GREY).convert("RGB"), GREY),
    }
    for name, (picture, expected) in kinds.items():
        folder = tmp_path / name
        folder.mkdir()
        image, source = first(save(folder, "a.png", picture))
        assert source.channels == 1, name
        assert (image[..., 0] == expected).all(), name


def test_sixteen_bits_are_rounded_to_eight(tmp_path):
    values = np.linspace(0, 65535, H * W).astype(np.uint16).reshape(H, W)
    image, _ = first(save(tmp_path, "a.png", Image.fromarray(values)))
    assert (image[..., 0] == np.round(values / 257)).all()


def test_cmyk_jpeg(tmp_path):
    ink = np.dstack([255 - SMOOTH, np.zeros((H, W), np.uint8)])
    picture = Image.merge("CMYK", [Image.fromarray(plane) for plane in np.moveaxis(ink, 2, 0)])
    image, _ = first(save(tmp_path, "a.jpg", picture, quality=98, subsampling=0))
    assert abs(image.astype(int) - SMOOTH).max() < 14


UPRIGHT = {  # the EXIF standard: what turns the stored rows into the upright picture
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOUR).save(tmp_path / "a.png", exif=exif)
    expected = UPRIGHT[orientation](COLOUR)
    source = open_source(tmp_path, expected.shape[:2], progress=False)
    assert (source.batch([0])[0] == expected).all()


@pytest.mark.parametrize("orientation", [1, 6])
def test_large_jpeg_is_decoded_small_and_still_in_place(tmp_path, orientation):
    ramp = np.broadcast_to(np.linspace(0, 255, 640)[None, :, None], (320, 640, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(ramp).save(tmp_path / "a.jpg", exif=exif, quality=95)
    size = (16, 32) if orientation == 1 else (32, 16)
    image = open_source(tmp_path, size, channels=3, progress=False).batch([0])[0].astype(float)
    along = image.mean(axis=(0, 2)) if orientation == 1 else image.mean(axis=(1, 2))
    assert abs(along - ((np.arange(32) + 0.5) * 20 - 0.5) * 255 / 639).max() < 2


RED, BLUE = (255, 0, 0), (0, 0, 255)


def read(tmp_path, pixels, size, **options):
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.png")
    return open_source(tmp_path, size, progress=False, **options).batch([0])[0]


def with_centre(height, width, inner_height, inner_width):
    """A blue picture with a red rectangle in its centre."""
    pixels = np.full((height, width, 3), BLUE)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    pixels[top : top + inner_height, left : left + inner_width] = RED
    return pixels


@pytest.mark.parametrize("crop, inner", [(108, (108, 108)), ((120, 80), (120, 80))])
@pytest.mark.parametrize("size", [(64, 64), (32, 48)])
def test_crop_takes_exactly_the_centre(tmp_path, crop, inner, size):
    image = read(tmp_path, with_centre(218, 178, *inner), size, crop=crop)
    assert image.shape == (*size, 3)
    assert (image == RED).all()


def test_without_crop_the_shorter_side_fits_and_nothing_is_stretched(tmp_path):
    # As with "resize, then crop the centre", the filter at the edge sees a little of what is cut off: up to 2 pixels.
    assert (read(tmp_path, with_centre(90, 150, 90, 90), (30, 30))[:, 2:-2] == RED).all()
    assert (read(tmp_path, with_centre(150, 90, 60, 90), (20, 30))[2:-2] == RED).all()
    narrow = read(tmp_path, with_centre(90, 150, 90, 60), (30, 30))  # 60 of 90 columns: 20 of 30
    red = narrow[..., 0] > 127
    assert red[:, 5:25].all() and not red[:, :5].any() and not red[:, 25:].any()


def test_crop_and_resize_is_what_pillow_makes_of_it(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (218, 178, 3), dtype=np.uint8)
    expected = Image.fromarray(pixels).crop((35, 55, 143, 163)).resize((64, 64), Image.Resampling.BICUBIC)
    assert (read(tmp_path, pixels, (64, 64), crop=108) == np.asarray(expected)).all()


def test_a_crop_larger_than_the_picture_takes_all_of_it(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3))
    assert (read(tmp_path, pixels, (20, 30), crop=1000) == pixels).all()


def test_shrinking_averages(tmp_path):
    board = 255 * (np.indices((128, 128)).sum(0) % 2)  # a chequerboard has no grey pixel, its average is grey
    image = read(tmp_path, board, (16, 16))
    assert image.shape == (16, 16, 1)
    assert abs(image[1:-1, 1:-1].astype(int) - 127).max() <= 4


def test_enlarging_one_pixel(tmp_path):
    image = read(tmp_path, np.array([[[1, 2, 3]]]), (8, 5))
    assert image.shape == (8, 5, 3) and (image == (1, 2, 3)).all()


def png_of(width, depth, colours, rows, transparent):
    """A PNG by the format's description, with a transparent value; `rows` are packed already."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, len(rows), depth, colours, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = (b"IHDR", head), (b"tRNS", transparent), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("high", [0, 1])
def test_grey_of_any_depth_with_a_transparent_value(tmp_path, depth, high):
    bits = "".join(format(value, f"0{depth}b") for value in [0] * 8 + [2**depth - 1] * 8)
    row = int(bits, 2).to_bytes(2 * depth, "big")
    value = struct.pack(">H", high * (2**depth - 1))
    (tmp_path / "a.png").write_bytes(png_of(16, depth, 0, [row] * 12, value))
    image, source = first(tmp_path)
    assert source.channels == 1
    assert image[0, [0, 15], 0].tolist() == ([0, 255] if high else [255, 255])


def test_sixteen_bit_colours_with_a_transparent_one(tmp_path):
    row = struct.pack(">6H", 0, 0, 0, 65535, 0, 256) * 8
    (tmp_path / "a.png").write_bytes(png_of(16, 16, 2, [row] * 12, struct.pack(">3H", 65535, 0, 256)))
    assert first(tmp_path, channels=3)[0][0, :2].tolist() == [[0, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("name", ["a.bmp", "a.tga"])
def test_an_alpha_of_nothing_but_zeros_is_opaque(tmp_path, name):
    alpha = np.zeros((H, W), np.uint8)
    image, _ = first(save(tmp_path, name, Image.fromarray(np.dstack([COLOUR, alpha]))))
    assert (image == COLOUR).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_a_first_frame_smaller_than_the_canvas_lies_on_white(tmp_path, kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "small", kind, save_all=True, append_images=frames[1:], lossless=True)
    data = bytearray((tmp_path / "small").read_bytes())
    (tmp_path / "small").unlink()
    if kind == "GIF":
        data[6:10] = struct.pack("<HH", W, H)
    else:
        at = data.index(b"VP8X") + 12
        data[at : at + 6] = (W - 1).to_bytes(3, "little") + (H - 1).to_bytes(3, "little")
    (tmp_path / f"a.{kind.lower()}").write_bytes(data)
    image, _ = first(tmp_path)
    assert (image[:8, :8] == (255, 0, 0)).all() and (image[8:] == 255).all() and (image[:, 8:] == 255).all()


@pytest.mark.parametrize("kind", ["tif", "avif", "webp", "jpg"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_every_kind_is_turned_upright_once(tmp_path, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(SMOOTH).save(tmp_path / f"a.{kind}", exif=exif, quality=95)
    expected = UPRIGHT[orientation](SMOOTH).astype(int)
    source = open_source(tmp_path, expected.shape[:2], progress=False)
    assert abs(source.batch([0])[0] - expected).max() < 25


def test_floating_point_pixels(tmp_path):
    share = np.linspace(0, 1, H * W, dtype=np.float32).reshape(H, W)
    image, source = first(save(tmp_path, "a.tif", Image.fromarray(share)))
    assert source.channels == 1 and (image[..., 0] == np.rint(share * 255)).all()
    save(tmp_path, "b.tif", Image.fromarray(share * 300))
    save(tmp_path, "c.tif", Image.fromarray((share * 100_000).astype(np.int32)))
    reasons = [reason for _, reason in first(tmp_path)[1].skipped]
    assert "from 0 to 300: expected 0 to 1" in reasons[0] and "expected 0 to 65535" in reasons[1]


def test_a_large_picture_is_converted_in_strips(tmp_path, monkeypatch):
    rgba = RNG.integers(0, 256, (H, W, 4), dtype=np.uint8)
    palette = Image.fromarray(RNG.integers(0, 256, (H, W), dtype=np.uint8))
    palette.putpalette(RNG.integers(0, 256, 768, dtype=np.uint8).tobytes())
    save(tmp_path, "a.png", Image.fromarray(rgba))
    save(tmp_path, "b.png", palette, transparency=5)
    save(tmp_path, "c.png", Image.fromarray(RNG.integers(0, 65536, (H, W)).astype(np.uint16)))
    save(tmp_path, "d.jpg", Image.fromarray(rgba).convert("CMYK"))

    def images():
        return open_source(tmp_path, (H, W), progress=False).batch(np.arange(4))

    whole = images()
    monkeypatch.setattr("dcgan.data.formats.decode.STRIP", 3 * W)
    assert (images() == whole).all()


@pytest.mark.parametrize("value, expected", [(100, None), (255, None), (0, 0), (25_700, 100), (65_535, 255)])
def test_a_tiff_of_32_bits(tmp_path, value, expected):
    """Its numbers are those of 16 bits; where all would fit into 8, nobody can tell what they mean."""
    Image.fromarray(np.full((8, 8), value, np.int32)).save(tmp_path / "a.tif")
    Image.new("L", (8, 8), 7).save(tmp_path / "b.png")
    source, reason = opened(tmp_path, (8, 8), channels=1), "whole numbers of 32 bits that are all at most 255"
    assert source.skipped == ([("a.tif", f"{reason}: save them as 8 bits")] if expected is None else [])
    assert (everything(source)[0] == (7 if expected is None else expected)).all()
