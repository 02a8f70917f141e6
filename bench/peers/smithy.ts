import { doesIdentityRequireRefresh, isIdentityExpired, memoizeIdentityProvider } from "@smithy/core"
import { npm } from "./peer.js"

export const smithy = npm("@smithy/core memoizeIdentityProvider", (issue) => {
  const provide = memoizeIdentityProvider(
    async () => {
      const { accessToken, expiresIn } = await issue()
      return { accessToken, expiration: new Date(Date.now() + expiresIn * 1000) }
    },
    isIdentityExpired,
    doesIdentityRequireRefresh
  )
  if (provide === undefined) throw new Error("memoizeIdentityProvider gives undefined only for undefined")
  return async () => (await provide()).accessToken
})
