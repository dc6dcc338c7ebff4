"""What is kept of a video, which frames count as disturbed, and how model input is made of them."""

from typing import Annotated, Literal

from pydantic import Field

from eus_etl.settings.model import Model


class ImageConfig(Model):
    """How an extracted frame is stored."""

    format: Literal["jpg", "png"] = "jpg"
    quality: int = Field(default=95, ge=1, le=100, description="JPEG quality.")
    chroma: Literal["420", "422", "444"] = Field(default="420", description="JPEG chroma subsampling.")


class GridConfig(Model):
    """The grid of cells whose statistics replace the pixels after decoding."""

    width_px: int = Field(default=512, ge=64, description="Width of the copy on which statistics are taken.")
    block_px: int = Field(default=16, ge=4, description="Side of one square cell on that copy.")
    color_chroma: int = Field(
        default=40, ge=1, description="A pixel whose channels differ by more than this counts as colored."
    )


class ExtractionConfig(Model):
    """What is kept of a video. Any change here decodes the videos again."""

    frame_rate_hz: float | None = Field(gt=0, description="Frames kept per second; null keeps all.")
    image: ImageConfig = ImageConfig()
    grid: GridConfig = GridConfig()
    deinterlace: bool = Field(
        default=False, description="Make whole pictures of interlaced frames; false keeps both fields woven."
    )
    still_images: Literal["reject", "keep"] = Field(
        default="reject",
        description="Uploaded photos: reject them, or keep each as a video of one frame. A photo has no time"
        " of its own, and usually shows a whole screen with a name on it.",
    )
    max_error_share: float = Field(
        default=0.2, ge=0, le=1, description="A video with a larger share of undecodable frames is rejected."
    )


class ReadingConfig(Model):
    """Limits of the process that reads an uploaded file. Changing one decodes nothing again."""

    memory_mb: int = Field(
        default=2000, ge=200, description="Memory that reading one file may take; more: too_large."
    )
    no_progress_s: float = Field(
        default=60, gt=0, description="Seconds without a byte read or a frame decoded: no_progress."
    )


class QualityConfig(Model):
    """Thresholds from scores to reasons. Changing one reads no image."""

    no_signal_brightness: float = Field(default=5.0, ge=0, description="Mean grey level below: no signal.")
    no_signal_contrast: float = Field(default=3.0, ge=0, description="Deviation of grey below: no signal.")
    blurred_sharpness_z: float = Field(
        default=-3.0, le=0, description="Robust z of sharpness below: blurred."
    )
    frozen_motion: float = Field(
        default=0.1, ge=0, description="Mean absolute change of grey level below: still."
    )
    frozen_min_s: float = Field(default=1.0, gt=0, description="Still for at least this long: frozen.")
    duplicate_motion: float = Field(
        default=0.004,
        ge=0,
        description="Change of grey level to the frame before at most this (the grid's step): duplicate.",
    )
    duplicate_motion_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Change to the frame before at most this share of what is usual within a second:"
        " duplicate.",
    )
    color_fraction: float = Field(
        default=0.01, ge=0, le=1, description="Share of colored pixels in the region above: color mode."
    )
    optical_outside_fraction: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of colored pixels outside the region above: optical view.",
    )
    low_contact_fraction: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of the field's width that is dark from the transducer down, above: low contact.",
    )


class RegionConfig(Model):
    """How the ultrasound region of a layout is found."""

    sample_frames: int = Field(default=48, ge=2, description="Images read per layout, spread over it.")
    min_area_fraction: float = Field(
        default=0.02,
        gt=0,
        lt=1,
        description="A smaller region is not trusted; lit structure is tried instead.",
    )
    marks: Literal["leave", "inpaint"] = Field(
        default="leave",
        description="What preprocessed frames show of calipers, depth dots and other bright marks that stay"
        " put inside the region: leave them, or inpaint them from their surroundings.",
    )


class RecipeConfig(Model):
    """One way to turn extracted frames into model input."""

    version: int = Field(ge=1, description="Increase it to make all frames of this recipe again.")
    size_px: int = Field(ge=16, description="Side of the square output.")
    grey: bool = True
    clahe_clip: float | None = Field(
        default=None, gt=0, description="Clip limit of CLAHE; null leaves contrast as it is."
    )


class TextCheckConfig(Model):
    """Whether preprocessed frames are checked for readable text."""

    enabled: Literal["always", "never"] = Field(
        default="always",
        description="always: no frame is listed that was not checked; never: frames are not checked, and"
        " earlier blocks are lifted.",
    )
    strict: bool = Field(
        default=False,
        description="Whether numbers of scales, calipers and settings (D1 4.2 cm, MI 0.8) count like any"
        " word.",
    )
    processes: int = Field(
        default=2,
        ge=1,
        description="Processes that read pictures at a time; each takes up to 0.5 GB. Changing it reads"
        " nothing again.",
    )
    frames_per_layout: int = Field(
        default=4,
        ge=0,
        description="Preprocessed frames per layout and recipe that are read whole: those that change most"
        " as if text came up. Every frame is read where it most looks like text.",
    )


class PreprocessConfig(Model):
    """Named recipes; two recipes live side by side."""

    recipes: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], RecipeConfig] = Field(min_length=1)
    text_check: TextCheckConfig = TextCheckConfig()
