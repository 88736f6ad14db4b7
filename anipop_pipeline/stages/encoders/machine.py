"""Where models compute, and with how many bits.

Belongs here: what this machine can do. Does not: moving or casting a model.
"""

from anipop_pipeline.errors import SettingError

AMPERE = (8, 0)  # the first generation of NVIDIA's that multiplies bfloat16 itself
BF16_OF_CPUS = ("avx512_bf16", "amx_bf16", "bf16")  # as torch names them; the last is ARM's
WORKING: dict[str, tuple[str, ...]] = {
    "cpu": ("float32", "bfloat16"),  # no CPU in wide use multiplies float16 itself, and its sums overflow
    "cuda": ("float32", "bfloat16", "float16"),
    "mps": ("float32", "float16"),
}


def device(asked: str) -> str:
    """Return the device that a dial asks for; `auto` takes the best there is."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if asked == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(asked):
        raise SettingError(
            f"this machine has no device {asked}", where="EncoderConfig.device", fix="choose auto or cpu"
        )
    return asked


def dtype(asked: str, device: str) -> str:
    """Return the numbers to compute with; `auto` is bfloat16 where the processor multiplies it itself."""
    if asked == "auto":
        return "bfloat16" if "bfloat16" in WORKING[device] and _multiplies_bfloat16(device) else "float32"
    works = [name for name in WORKING[device] if name != "bfloat16" or device == "cpu" or _multiplies_bfloat16(device)]
    if asked not in works:
        raise SettingError(
            f"{asked} does not work on this machine's {device}",
            where="EncoderConfig.dtype",
            fix=f"choose auto or {' or '.join(works)}",
        )
    return asked


def _multiplies_bfloat16(device: str) -> bool:
    import torch

    if device == "cuda":
        return torch.cuda.get_device_capability() >= AMPERE
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device == "cpu" and any(capabilities.get(name) for name in BF16_OF_CPUS)
