"""docs/settings.md, from the settings class: `python -m regie.settings_page > docs/settings.md`."""

from __future__ import annotations

from base.settings import Settings


def page() -> str:
    """The whole page, Markdown."""
    lines = [
        "# Settings",
        "",
        "All from the environment. Start-up refuses an unsafe combination in a sentence that says what to set.",
        "",
        "| name | what | unit | default | danger | example |",
        "|---|---|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        default = "none" if field.default in (None, "", []) else str(field.default)
        cells = (
            f"`REGIE_{name.upper()}`",
            field.description,
            extra["unit"],
            default,
            extra["danger"],
            f"`{extra['example']}`",
        )
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
