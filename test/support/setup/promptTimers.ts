/**
 * A timer of 0 milliseconds takes a turn of the event loop, and no time: Node would make a millisecond of it, and a
 * TestClock sets several for each instant that it stops at.
 */
const native = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout }

const marker = Symbol.for("effect-token-cache/promptTimers")

// Files that share a worker are set up one after the other.
if (!(marker in native.setTimeout)) {
  const immediates = new WeakMap<NodeJS.Timeout, NodeJS.Immediate>()

  const setTimeout = (callback: (...args: Array<unknown>) => void, millis = 0, ...args: Array<unknown>) => {
    if (millis > 0) {
      return native.setTimeout(callback, millis, ...args)
    }
    // A handle of its kind, which never rings.
    const handle = native.setTimeout(() => {}, 2 ** 31 - 1)
    native.clearTimeout(handle)
    immediates.set(handle, setImmediate(callback, ...args))
    return handle
  }

  const clearTimeout = (handle?: NodeJS.Timeout | string | number) => {
    const immediate = typeof handle === "object" ? immediates.get(handle) : undefined
    if (immediate === undefined) {
      native.clearTimeout(handle)
    } else {
      clearImmediate(immediate)
    }
  }

  const { __promisify__ } = native.setTimeout
  // The types are those of Node and of the DOM in one, and no function fits both.
  globalThis.setTimeout = Object.assign(setTimeout, {
    __promisify__,
    [marker]: true
  }) as unknown as typeof globalThis.setTimeout
  globalThis.clearTimeout = clearTimeout
}
