/** The process of one section: gives its result to the process that forked it. */
import type { Size } from "./section.js"
import { sections } from "./sections/index.js"

const [, , name = "", size = "full"] = process.argv
const { section } = await sections[name]!()
// `main.ts` passes a `Size`.
const result = await section.run(size as Size)
process.send!(result, () => process.exit())
