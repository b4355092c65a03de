// What is open closes where somebody presses beside it.

import { useEffect } from '../vendor/hooks.mjs';

/** While `open`, call `close()` at each press outside of `box`. @param {{current: HTMLElement | null}} box */
export function usePressOutside(box, open, close) {
  useEffect(() => {
    if (!open) return undefined;
    const outside = (/** @type {PointerEvent} */ event) => !box.current.contains(/** @type {Node} */ (event.target)) && close();
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [open]);
}
