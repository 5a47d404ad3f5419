"""Whether the text of a page can be read on the ground it stands on."""

from __future__ import annotations

from typing import Any

__all__ = ["faint_texts"]

ENOUGH = 4.5  # for text of normal size (WCAG 2.2, success criterion 1.4.3)
# Contrast of each text with the ground it stands on, as WCAG 2 defines it.
CONTRAST = """root => {
    const rgb = words => words.match(/[\\d.]+/g).map(Number);
    const ground = node => {
        for (; node; node = node.parentElement) {
            const colour = rgb(getComputedStyle(node).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const light = colour => colour.slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    return [...root.querySelectorAll("*")]
        .filter(node => node.getClientRects().length)
        .filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()))
        .map(node => {
            const style = getComputedStyle(node);
            const ink = rgb(node.tagName === "text" ? style.fill : style.color);
            const [low, high] = [light(ink), light(ground(node))].sort((a, b) => a - b);
            return [node.textContent, (high + 0.05) / (low + 0.05)];
        });
}"""


def faint_texts(root: Any) -> list[tuple[str, float]]:
    """Texts under a node of a page whose contrast is too small, with their contrast."""
    return [(text, contrast) for text, contrast in root.evaluate(CONTRAST) if contrast < ENOUGH]
