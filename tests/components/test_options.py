"""What holds for the options of all built-in components."""

from harness.registry import Registry


def test_neutral_options_exist_and_the_device_is_one_of_them():
    registry = Registry()
    for cls in [registry.load(entry) for entry in registry.entries() if entry.built_in]:
        assert cls.neutral <= set(cls.model_fields), cls
        assert "device" not in cls.model_fields or "device" in cls.neutral, cls
