import type { TokenStateName } from "../../TokenStatus.js"

/** A shape for each state, 16 by 16, so that states can be told apart without colour. */
const shapes: Readonly<Record<TokenStateName, string>> = {
  ready: `<circle cx="8" cy="8" r="7"/><path class="cut" d="M4.7 8.2l2.3 2.3 4.3-4.8"/>`,
  degraded: `<path d="M8 1l7.4 13.5H.6z"/><path class="cut" d="M8 5.8v4M8 11.6v1"/>`,
  down: `<path d="M4.9 1h6.2L15 4.9v6.2L11.1 15H4.9L1 11.1V4.9z"/><path class="cut" d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2"/>`,
  starting: `<path class="line" d="M8 2a6 6 0 1 1-6 6"/><path class="line" d="M8 4.8V8l2.2 1.6"/>`,
  stopped: `<rect x="2" y="2" width="12" height="12" rx="2"/><path class="cut" d="M5 8h6"/>`
}

/** Writes the shape of a state. */
export const shape = (state: TokenStateName): string =>
  `<svg class="shape" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">${shapes[state]}</svg>`
