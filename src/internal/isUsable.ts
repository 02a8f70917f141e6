import type { TokenStatus } from "../TokenStatus.js"

/** Says whether readers get the token whose status this is. */
export const isUsable = ({ state }: TokenStatus): boolean => state === "ready" || state === "degraded"
